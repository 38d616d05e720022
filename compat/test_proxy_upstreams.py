"""Where Django listens: one address, several, a Unix socket, nobody; and whose word counts about the client."""

import contextlib
import os
import signal
import socket
import sys
import time

import pytest

from support import behind, overlay
from support.django_server import project_environment
from support.http_client import exchange, send
from support.processes import Process, free_port
from support.raw_upstream import OK, RawUpstream, read_head
from support.tokens import bearer
from support.websocket_client import ACCEPT, CLOSE, PING, PONG, TEXT, Socket, close_payload, frame

pytestmark = pytest.mark.one_django

TIMES = '[upstream]\ntimeout = "1s"\nconnect_timeout = "1s"\n'


@pytest.fixture(scope="module")
def path(work, fork, redis_server, redis_databases):
    return behind.settings(work, fork, overlay.redis_cache(redis_server.url(next(redis_databases))))


@contextlib.contextmanager
def upstream(answer=OK, **how):
    server = RawUpstream(answer, **how)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def gate_to(work, path, *upstreams, config="", **how):
    gate = behind.gate(work, path, *upstreams, config=config, **how)
    try:
        yield gate
    finally:
        gate.stop()


def get(gate, target="/see/", headers=(), timeout=20):
    return send(gate.address, "GET", target, [("Host", "testserver"), *headers], timeout=timeout)


def ticket(gate, user=behind.ALICE):
    answer = get(gate, behind.TICKET, [bearer(user)])
    assert answer.status == 200, answer
    return answer.json()["uuid"]


def knock(gate, ticket):
    with Socket(gate.address, f"/ws/ticket/scope/?uuid={ticket}") as client:
        return client.answer


# Nobody there, or nobody who answers


def test_nobody_listens(work, path):
    """503, for requests and for sockets; the ticket is not used up; the ticket view is sluicegate's and works."""
    port = free_port()
    with gate_to(work, path, f"http://127.0.0.1:{port}") as gate:
        answer = get(gate)
        assert (answer.status, answer.json()["code"]) == (503, "unavailable_upstream")
        assert int(answer.header("retry-after")) >= 1
        mine = ticket(gate)
        refused = knock(gate, mine)
        assert (refused.status, refused.json()["code"]) == (503, "unavailable_upstream")
        assert int(refused.header("retry-after")) >= 1
        ready = get(gate, "/readyz")
        assert (ready.status, ready.json()["upstream"]) == (200, "unavailable")


def test_it_comes_back(work, fork, path):
    port = free_port()
    with gate_to(work, path, f"http://127.0.0.1:{port}") as gate:
        assert get(gate).status == 503
        mine = ticket(gate)
        assert knock(gate, mine).status == 503
        django = behind.django("uvicorn", fork, path, port=port)
        try:
            end = time.monotonic() + 5
            while (answer := get(gate)).status != 200:
                assert time.monotonic() < end, answer
                time.sleep(0.05)
            assert knock(gate, mine).status == 101
            assert get(gate, "/readyz").json()["upstream"] == "ok"
        finally:
            django.stop()


def close_at_once(connection, recorded):
    read_head(connection, recorded)


def half_a_head(connection, recorded):
    read_head(connection, recorded)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")


def no_http(connection, recorded):
    read_head(connection, recorded)
    connection.sendall(b"220 mail.example.com ESMTP\r\n")


def silence(connection, recorded):
    read_head(connection, recorded)
    while connection.recv(4096):
        pass


@pytest.mark.parametrize(
    "answer, status, code",
    [
        (close_at_once, 502, "upstream_failed"),
        (half_a_head, 502, "upstream_failed"),
        (no_http, 502, "upstream_failed"),
        (silence, 504, "upstream_timeout"),
    ],
)
def test_an_upstream_that_does_not_answer_properly(answer, status, code, work, path):
    with upstream(answer) as server, gate_to(work, path, server.url, config=TIMES) as gate:
        started = time.monotonic()
        got = get(gate)
        assert (got.status, got.json()["code"]) == (status, code)
        assert list(got.json()) == ["detail", "code"]
        assert time.monotonic() - started < 4
        with Socket(gate.address, "/ws/public/echo/") as client:
            assert client.answer.status == status
            assert client.answer.json()["code"] == code


def test_a_server_that_accepts_no_connection_in_time(work, path):
    """Its queue is full: connections hang."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    fill = []
    for _ in range(8):
        one = socket.socket()
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.connect(listener.getsockname())
        fill.append(one)
    try:
        with gate_to(work, path, f"http://127.0.0.1:{listener.getsockname()[1]}", config=TIMES) as gate:
            started = time.monotonic()
            assert get(gate).status == 503
            assert time.monotonic() - started < 4
    finally:
        for one in (*fill, listener):
            one.close()


def test_a_wrong_accept_of_a_handshake_is_not_believed(work, path):
    def answer(connection, recorded):
        read_head(connection, recorded)
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
        )

    with upstream(answer) as server, gate_to(work, path, server.url) as gate:
        with Socket(gate.address, "/ws/public/echo/") as client:
            assert (client.answer.status, client.answer.json()["code"]) == (502, "upstream_failed")


def test_frames_that_come_with_the_answer_to_the_handshake_are_not_lost(work, path):
    def answer(connection, recorded):
        read_head(connection, recorded)
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + ACCEPT.encode() + b"\r\n\r\n" + frame(TEXT, b"early", masked=False)
        )
        while connection.recv(4096):
            pass

    with upstream(answer) as server, gate_to(work, path, server.url) as gate:
        with Socket(gate.address, "/ws/public/echo/") as client:
            assert client.read() == {"op": "text", "payload": b"early"}


def test_a_socket_whose_server_hangs_is_closed_with_1012(work, fork, path):
    """Half-open: TCP is there, the process is not. Found by pings."""
    django = behind.django("uvicorn", fork, path)
    config = '[websocket]\nping_interval = "1s"\nping_timeout = "1s"\n'
    try:
        with gate_to(work, path, django, config=config) as gate:
            with Socket(gate.address, "/ws/public/echo/") as client:
                django.send_signal(signal.SIGSTOP)
                end = time.monotonic() + 6
                while (got := client.read(6))["op"] == "ping":
                    client.send(PONG, got["payload"])
                    assert time.monotonic() < end
                assert (got["op"], got["code"]) == ("close", 1012)
    finally:
        django.send_signal(signal.SIGCONT)
        django.stop()


def test_a_server_that_ends_takes_its_sockets_along_with_1012(work, fork, path):
    for number in (signal.SIGTERM, signal.SIGKILL):
        django = behind.django("uvicorn", fork, path)
        try:
            with gate_to(work, path, django) as gate, Socket(gate.address, "/ws/public/echo/") as client:
                client.send_text("one")
                assert client.read()["payload"] == b"one"
                django.send_signal(number)
                got = client.read()
                assert (got["op"], got["code"]) == ("close", 1012)
                client.send(CLOSE, close_payload(1012))
                assert client.read()["op"] in ("EOF", "RESET")
        finally:
            django.stop()


# Time limits


def test_the_time_limit_is_for_the_head_of_an_answer_and_not_for_its_body(work, fork, path):
    django = behind.django("uvicorn", fork, path)
    try:
        with gate_to(work, path, django, config=TIMES) as gate:
            assert get(gate, "/slow/0.5/").status == 200
            assert get(gate, "/slow/3/").status == 504
            name = behind.fresh_name()
            with socket.create_connection(gate.address, timeout=10) as client:
                client.sendall(b"GET /events/%s/ HTTP/1.1\r\nHost: testserver\r\n\r\n" % name.encode())
                collected = client.recv(65536)
                time.sleep(2)
                send(django.address, "GET", f"/release/{name}/", [("Host", "testserver")])
                while b"data: second" not in collected:
                    assert (part := client.recv(65536)), collected
                    collected += part
    finally:
        django.stop()


def test_a_kept_connection_that_the_server_closed_costs_no_request(work, path):
    """A server may close an idle connection at any moment."""

    def answer(connection, recorded):
        read_head(connection, recorded)
        connection.sendall(OK)
        time.sleep(0.05)  # kept, for a moment

    with upstream(answer) as server, gate_to(work, path, server.url) as gate:
        for pause in (0.0, 0.04, 0.05, 0.051, 0.06, 0.2, 0.0):
            time.sleep(pause)
            assert get(gate).status == 200
        assert len(server.received) >= 7


# A Unix socket


def test_a_unix_socket(work, path):
    place = str(work / "d.sock")
    command = [sys.executable, "-m", "uvicorn", "--uds", place, "--lifespan", "off", "--log-level", "warning"]
    env = project_environment(path)
    django = Process("uvicorn", [*command, behind.TARGET], log=work / "uds.log", cwd=behind.BEHIND, env=env)
    try:
        django.wait_for(lambda: os.path.exists(place), 30)
        with gate_to(work, path, f"unix:{place}") as gate:
            django.wait_for(lambda: get(gate).status == 200, 10)
            told = get(gate, "/see/?a=1").json()
            assert (told["host"], told["get"], told["meta"]["HTTP_X_FORWARDED_FOR"]) == ("testserver", {"a": ["1"]}, "127.0.0.1")
            with Socket(gate.address, f"/ws/ticket/scope/?uuid={ticket(gate)}") as client:
                assert client.read_json()["user"] == "alice"
                client.send(PING, b"p")
                assert client.read() == {"op": "pong", "payload": b"p"}
    finally:
        django.kill()


# Several servers


def test_one_of_two_servers_fails_and_comes_back(work, path):
    """Requests and sockets go on without an error, and the one that is back is used again."""
    names = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + name for name in (b"one", b"two")]
    with upstream(names[0]) as one, upstream(names[1]) as two, gate_to(work, path, one.url, two.url) as gate:

        def ask(count=30):
            answers = [get(gate) for _ in range(count)]
            assert {answer.status for answer in answers} == {200}, answers
            return {answer.body for answer in answers}

        assert ask() == {b"one", b"two"}
        two.stop()
        time.sleep(0.1)
        assert ask() == {b"one"}
        with upstream(names[1], port=two.address[1]):
            end = time.monotonic() + 6
            while b"two" not in ask(4):
                assert time.monotonic() < end
                time.sleep(0.1)


def test_sockets_go_to_the_server_with_the_fewest(work, fork, path):
    servers = [behind.django("uvicorn", fork, path) for _ in range(2)]
    try:
        with gate_to(work, path, *servers) as gate:
            sockets = [Socket(gate.address, "/ws/public/echo/") for _ in range(20)]
            assert all(client.admitted for client in sockets)
            counts = [established(server.pid) for server in servers]
            assert all(9 <= count <= 13 for count in counts), counts
            for client in sockets:
                client.drop()
    finally:
        for server in servers:
            server.stop()


def established(pid):
    """Sockets of a process that are neither its listener nor its own."""
    mine = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in list(table)[1:]]
    return sum(1 for row in rows if row[3] == "01" and f"socket:[{row[9]}]" in mine)


def test_a_server_whose_health_path_fails_is_passed_over(work, path):
    bad = b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad"
    config = '[upstream]\nhealth_path = "/healthy/"\nhealth_interval = "0.2s"\n'
    with upstream() as one, upstream(bad) as two, gate_to(work, path, one.url, two.url, config=config) as gate:
        end = time.monotonic() + 5
        while {get(gate).status for _ in range(10)} != {200}:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert b"GET /healthy/ HTTP/1.1\r\n" in two.requests()
        two.answer = OK.replace(b"ok", b"up")
        end = time.monotonic() + 5
        while b"up" not in {get(gate).body for _ in range(6)}:
            assert time.monotonic() < end
            time.sleep(0.1)


# Whose word counts

SENT = [
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "app.example.com"),
    ("X-Forwarded-Port", "443"),
    ("X-Real-IP", "203.0.113.7"),
    ("Forwarded", "for=203.0.113.7"),
    ("X-My-Proto", "https"),
]
FOLDED = [("X_Forwarded_For", "198.51.100.1"), ("X_Forwarded-Proto", "https"), ("X_My_Proto", "https")]
PROXY = {"SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"], "USE_X_FORWARDED_HOST": True}
TRUSTED = '[limits]\ntrusted_proxies = ["127.0.0.1/32"]\n'
NOBODY = "[limits]\ntrusted_proxies = []\n"


@pytest.mark.parametrize("config, believed", [("", True), (TRUSTED, True), (NOBODY, False)], ids=["not stated", "stated", "nobody"])
def test_who_the_client_is_and_how_it_came(config, believed, work, fork, redis_server, redis_databases):
    cache = overlay.redis_cache(redis_server.url(next(redis_databases)))
    path = behind.settings(work, fork, cache, **PROXY)
    django = behind.django("uvicorn", fork, path)
    try:
        with gate_to(work, path, django, config=config) as gate:
            direct = send(django.address, "GET", "/see/", [("Host", "testserver"), *SENT]).json()
            told = get(gate, headers=SENT + FOLDED).json()
            seen = ("remote_addr", "scheme", "is_secure", "host", "absolute_uri")
            if believed:
                assert {name: told[name] for name in seen} == {name: direct[name] for name in seen}
                assert told["is_secure"] and told["host"] == "app.example.com" and told["remote_addr"] == "203.0.113.7"
                assert told["meta"]["HTTP_X_FORWARDED_FOR"] == "203.0.113.7"
            else:
                wanted = ("127.0.0.1", "http", False, "testserver", "http://testserver/see/")
                assert tuple(told[name] for name in seen) == wanted
                forwarded = {name for name in told["meta"] if "FORWARDED" in name or "REAL" in name}
                assert forwarded == {"HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"}
            folded = [name for name, _ in told["headers"] if "_" in name]
            assert not [name for name in folded if "forwarded" in name], folded
            with Socket(gate.address, "/ws/public/scope/", SENT) as client:
                scope = client.read_json()
            assert scope["client"] == ("203.0.113.7" if believed else "127.0.0.1")
            assert scope["scheme"] == ("wss" if believed else "ws")
    finally:
        django.stop()


def test_hosts_and_targets_in_every_form(work, path):
    with upstream() as server, gate_to(work, path, server.url) as gate:
        for request, host in (
            (b"GET /p/ HTTP/1.1\r\nHost: Example.COM:8080\r\n\r\n", b"Example.COM:8080"),
            (b"GET http://testserver/p/ HTTP/1.1\r\nHost: testserver\r\n\r\n", b"testserver"),
            (b"GET /p/ HTTP/1.0\r\n\r\n", b"%s:%d" % (gate.address[0].encode(), gate.address[1])),
        ):
            server.forget()
            assert exchange(gate.address, request).status == 200
            came = server.requests()
            assert came.startswith(b"GET /p/ HTTP/1.1\r\n")
            assert [line[6:] for line in came.split(b"\r\n") if line.lower().startswith(b"host: ")] == [host]
