"""The listener under TLS, with real clients: as uvicorn with `--ssl-certfile`, before Django too, and while files change."""

import json
import shutil
import signal
import socket
import ssl
import threading
import time
import uuid
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support import behind, http_client, overlay
from support.django_server import DjangoUnderUvicorn
from support.redis_server import Certificates
from support.sluicegate import ROUTES, Sluicegate
from support.tokens import bearer
from support.websocket_client import handshake_bytes

pytestmark = pytest.mark.one_django

TICKET = "/api/auth/auth_for_ws_connection/"
SOCKETS = 500  # whose memory is measured


class Identity:
    """A certificate of a CA of its own, in two files that can be swapped."""

    def __init__(self, work):
        self.made = Certificates(work / uuid.uuid4().hex[:8])
        self.folder = self.made.folder / "live"
        self.folder.mkdir()
        self.certificate, self.key = self.folder / "tls.crt", self.folder / "tls.key"
        self.take(self.made)

    def take(self, made):
        for source, target in [(made.key, self.key), (made.certificate, self.certificate)]:
            fresh = target.with_suffix(".new")
            shutil.copy(source, fresh)
            fresh.rename(target)

    def arguments(self):
        return ["--tls-certificate", self.certificate, "--tls-key", self.key]


def trusting(made):
    return ssl.create_default_context(cafile=made.ca)


def ask(address, made, target, headers=(), host="testserver"):
    raw = http_client.request_bytes("GET", target, [("Host", host), ("Connection", "close"), *headers])
    with socket.create_connection(address, timeout=20) as tcp:
        with trusting(made).wrap_socket(tcp, server_hostname="localhost") as tls, tls.makefile("rwb") as stream:
            stream.write(raw)
            stream.flush()
            return http_client.read_answer(stream)


def chat(address, made, ticket):
    host = f"localhost:{address[1]}"
    return connect(f"wss://{host}/ws/chat/?uuid={ticket}", ssl=trusting(made), open_timeout=20, close_timeout=5)


def whoami(client):
    client.send(json.dumps({"type": "whoami"}))
    return json.loads(client.recv(timeout=10))


@pytest.fixture(scope="module")
def identity(work):
    return Identity(work)


@pytest.fixture(scope="module")
def settings(work, redis_server, sqlite_files):
    more = {"SECURE_SSL_REDIRECT": True, "SECURE_HSTS_SECONDS": 3600, "ALLOWED_HOSTS": ["*"]}
    databases, caches = sqlite_files.make(), overlay.redis_cache(redis_server.url(7))
    return overlay.write(work, {"DATABASES": databases, "CACHES": caches, **more}, "tls")


@pytest.fixture
def gate(work, settings, identity):
    identity.take(identity.made)
    started = Sluicegate(work, settings, routes=ROUTES, arguments=identity.arguments())
    yield started
    started.stop()


@pytest.fixture(scope="module")
def uvicorn(fork, settings, identity):
    how = {"ssl_certfile": str(identity.made.certificate), "ssl_keyfile": str(identity.made.key)}
    started = DjangoUnderUvicorn(fork, settings, **how)
    yield started
    started.stop()


def shown(answer):
    """What both servers answer alike."""
    headers = {name: value for name, value in answer.headers if name not in ("date", "server", "connection")}
    return answer.status, headers, http_client.without_uuid(answer.text())


def test_a_request_is_secure_as_under_uvicorn(gate, uvicorn, identity):
    """SECURE_SSL_REDIRECT sends nobody away who came by TLS, and SECURE_HSTS_SECONDS is said."""
    for headers in [[bearer(1)], [bearer(99)], [("Authorization", "Bearer x")], []]:
        answers = [shown(ask(server.address, identity.made, TICKET, headers)) for server in (gate, uvicorn)]
        assert answers[0] == answers[1]
        assert "strict-transport-security" in answers[0][1]
    assert ask(gate.address, identity.made, TICKET, [bearer(1)]).status == 200


def test_a_browsers_way_from_ticket_to_chat(gate, identity):
    ticket = ask(gate.address, identity.made, TICKET, [bearer(1)]).json()["uuid"]
    with chat(gate.address, identity.made, ticket) as client:
        assert whoami(client)["user"] == 1
        client.send(json.dumps({"type": "whoami", "more": "x" * 300_000}))
        assert json.loads(client.recv(timeout=10))["user"] == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_and_the_protocol_that_is_offered(version, gate, identity):
    """A browser offers HTTP/2 first; a WebSocket needs HTTP/1.1."""
    context = trusting(identity.made)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(gate.address, timeout=20) as tcp:
        with context.wrap_socket(tcp, server_hostname="localhost") as tls:
            assert (tls.version(), tls.selected_alpn_protocol()) == (version.name.replace("_", "."), "http/1.1")


def test_django_behind_it_hears_that_the_client_came_by_tls(work, fork, identity, redis_server):
    more = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}
    path = behind.settings(work, fork, overlay.redis_cache(redis_server.url(8)), **more)
    django = behind.django("uvicorn", fork, path)
    with ExitStack() as stack:
        stack.callback(django.stop)
        arguments = ["--upstream", f"http://127.0.0.1:{django.address[1]}", *identity.arguments()]
        gate = Sluicegate(
            work, path, config="[limits]\ntrusted_proxies = []\n", routes="", project=behind.BEHIND, target=behind.TARGET,
            arguments=arguments,
        )  # fmt: skip
        stack.callback(gate.stop)
        seen = ask(gate.address, identity.made, "/see/").json()
        assert (seen["scheme"], seen["is_secure"]) == ("https", True)
        assert seen["meta"]["HTTP_X_FORWARDED_PROTO"] == "https"
        # A client that is no trusted proxy has no word in it.
        seen = ask(gate.address, identity.made, "/see/", [("X-Forwarded-Proto", "http")]).json()
        assert (seen["is_secure"], seen["meta"]["HTTP_X_FORWARDED_PROTO"]) == (True, "https")


def serial(address):
    """Of the certificate that a new client is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(address, timeout=20) as tcp, context.wrap_socket(tcp) as tls:
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))


def until_shown(address, made, seconds):
    wanted = made.certificate.read_text().strip()
    begun = time.monotonic()
    while serial(address).strip() != wanted:
        assert time.monotonic() - begun < seconds, f"the old certificate is shown for {seconds} s"
        time.sleep(0.2)
    return time.monotonic() - begun


@pytest.mark.parametrize("by", ["SIGHUP", "itself"])
def test_new_files_are_taken_up_and_open_sockets_stay(by, work, gate, identity):
    ticket = ask(gate.address, identity.made, TICKET, [bearer(1)]).json()["uuid"]
    with chat(gate.address, identity.made, ticket) as client:
        renewed = Certificates(work / uuid.uuid4().hex[:8])
        identity.take(renewed)
        if by == "SIGHUP":
            gate.send_signal(signal.SIGHUP)
        took = until_shown(gate.address, renewed, 15 if by == "SIGHUP" else 60)
        print(f"\nthe new certificate is shown after {took:.1f} s, by {by}")
        assert whoami(client)["user"] == 1


def test_files_that_cannot_be_used_leave_the_old_ones(gate, identity):
    old = serial(gate.address)
    identity.certificate.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    gate.send_signal(signal.SIGHUP)
    end = time.monotonic() + 10
    while "certificate" not in gate.process.output().split("TLS with", 1)[-1].split("\n", 1)[-1]:
        assert time.monotonic() < end, gate.process.output()
        time.sleep(0.1)
    assert serial(gate.address) == old
    assert ask(gate.address, identity.made, TICKET, [bearer(1)]).status == 200


def test_who_speaks_no_tls_is_told_and_who_says_nothing_keeps_nobody_waiting(gate, identity):
    answer = http_client.send(gate.address, "GET", TICKET, [("Host", "testserver")], timeout=10)
    assert (answer.status, answer.json()["code"]) == (400, "bad_handshake")
    assert "https://" in answer.json()["detail"]
    silent = [socket.create_connection(gate.address) for _ in range(200)]
    half = [socket.create_connection(gate.address) for _ in range(200)]
    for one in half:
        one.sendall(b"\x16\x03\x01\x02\x00\x01")
    begun = time.monotonic()
    assert ask(gate.address, identity.made, TICKET, [bearer(1)]).status == 200
    assert time.monotonic() - begun < 5
    for one in silent + half:
        one.close()


def test_sockets_are_told_to_come_back_when_it_ends(gate, identity):
    ticket = ask(gate.address, identity.made, TICKET, [bearer(1)]).json()["uuid"]
    with chat(gate.address, identity.made, ticket) as client:
        codes = []

        def wait():
            try:
                client.recv(timeout=20)
            except ConnectionClosed as closed:
                codes.append(closed.rcvd.code)

        waiting = threading.Thread(target=wait)
        waiting.start()
        gate.send_signal(signal.SIGTERM)
        waiting.join()
    assert codes == [1012]


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


def test_what_an_idle_socket_costs_under_tls(work, settings, gate, identity, redis_server):
    plain = Sluicegate(work, settings, routes=ROUTES)
    costs = {}
    try:
        for name, server, context in [("plain", plain, None), ("TLS", gate, trusting(identity.made))]:
            # What is allocated once.
            for_later = [held(server, context, redis_server) for _ in range(50)]
            before = resident(server.process.pid)
            sockets = [held(server, context, redis_server) for _ in range(SOCKETS)]
            costs[name] = (resident(server.process.pid) - before) / SOCKETS
            for one in for_later + sockets:
                one.close()
    finally:
        plain.stop()
    print(f"\nKiB of an idle socket: {costs['plain']:.1f} plain, {costs['TLS']:.1f} under TLS")
    assert costs["TLS"] < costs["plain"] + 16


def held(server, context, redis):
    ticket = str(uuid.uuid4())
    redis.client(7).set(f":1:{ticket}", 1, ex=600)
    one = socket.create_connection(server.address, timeout=20)
    if context:
        one = context.wrap_socket(one, server_hostname="localhost")
    one.sendall(handshake_bytes(f"/ws/chat/?uuid={ticket}"))
    assert one.recv(4096).startswith(b"HTTP/1.1 101 ")
    return one
