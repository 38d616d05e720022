"""Open sockets: frames that are wrong, closes, pings, sizes. uvicorn's column of the recording counts."""

import json
import signal
import time

import pytest

from support import http_client, overlay, vectors
from support.django_server import DjangoUnderUvicorn
from support.sluicegate import Sluicegate
from support.tokens import bearer
from support.websocket_client import BINARY, CLOSE, PING, PONG, TEXT, Socket, close_payload, frame, frames_until_end

TICKET = "/api/auth/auth_for_ws_connection/"
RECORDED = {case["name"]: case["server_frames"]["uvicorn"] for case in vectors.load("websocket-close.json")["cases"]}
LIMIT = 16 * 1024 * 1024

# What a client does, by the name of the recorded case.
CLIENT_DOES = {
    "client close 1000": lambda socket: socket.send(CLOSE, close_payload(1000, "done")),
    "client close empty": lambda socket: socket.send(CLOSE),
    "client close 1 byte": lambda socket: socket.send(CLOSE, b"\x03"),
    "client close 999": lambda socket: socket.send(CLOSE, close_payload(999)),
    "client close 1001": lambda socket: socket.send(CLOSE, close_payload(1001)),
    "invalid utf-8 text": lambda socket: socket.send(TEXT, b"\xff\xfe"),
    "unmasked frame": lambda socket: socket.send(TEXT, b"hello", masked=False),
    "rsv1 without extension": lambda socket: socket.send(TEXT, b"hello", reserved=0x40),
    "reserved opcode 3": lambda socket: socket.send(3, b"hello"),
    "ping of 126 bytes": lambda socket: socket.send(PING, b"x" * 126),
}


class Site:
    def __init__(self, work, fork, sqlite_files, redis_server, number):
        settings = {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(redis_server.url(number))}
        self.work, self.overlay = work, overlay.write(work, settings, "close")
        self.fork, self.uvicorn = fork, DjangoUnderUvicorn(fork, self.overlay)
        self._gate = None

    @property
    def gate(self):
        if self._gate is None:
            self._gate = Sluicegate(self.work, self.overlay)
        return self._gate

    def server(self, kind):
        return self.uvicorn if kind == "uvicorn" else self.gate

    def ticket(self):
        return http_client.send(self.uvicorn.address, "GET", TICKET, [("Host", "testserver"), bearer(1)]).json()["uuid"]

    def open(self, server, path="/ws/chat/"):
        socket = Socket(server.address, f"{path}?uuid={self.ticket()}")
        assert socket.admitted, socket.answer
        return socket

    def stop(self):
        self.uvicorn.stop()
        if self._gate:
            self._gate.stop()


@pytest.fixture(scope="module")
def site(work, fork, sqlite_files, redis_server, redis_databases):
    site = Site(work, fork, sqlite_files, redis_server, next(redis_databases))
    yield site
    site.stop()


both_servers = pytest.mark.parametrize("kind", ["uvicorn", "sluicegate"])


@both_servers
@pytest.mark.parametrize("name", CLIENT_DOES)
def test_closes_as_recorded(name, kind, site):
    with site.open(site.server(kind)) as socket:
        CLIENT_DOES[name](socket)
        assert frames_until_end(socket) == RECORDED[name]


@both_servers
def test_a_ping_is_answered_with_its_payload_between_fragments_too(kind, site):
    with site.open(site.server(kind), "/ws/json/") as socket:
        socket.send(PING, b"one")
        assert socket.read() == {"op": "pong", "payload": b"one"}
        socket.send(TEXT, b'{"a":', final=False)
        socket.send(PING, b"two")
        assert socket.read() == {"op": "pong", "payload": b"two"}
        socket.send(0, b" 1}")
        assert socket.read() == {"op": "text", "payload": b'{"got": {"a": 1}}'}


@both_servers
def test_an_unsolicited_pong_is_ignored(kind, site):
    with site.open(site.server(kind), "/ws/json/") as socket:
        socket.send(PONG, b"nobody asked")
        socket.send_text("[]")
        assert socket.read_json() == {"got": []}


MESSAGES = [
    '{"a": 1, "b": [true, false, null], "c": {}}',
    '"\\u00e4\\u2603\\ud83d\\ude00 \\u007f \\" \\\\ / \\b\\f\\n\\r\\t"',
    '"ä☃😀"',
    "[1.0, 1e3, 1e16, 1e-7, 0.1, 123456789012345678901234567890, -0.0, 5e-324]",
    "[NaN, Infinity, -Infinity]",
    '{"z": 1, "a": 2, "z": 3}',
    "[]",
    "0",
    ' {"spaced" : [ 1 , 2 ] } ',
]


@pytest.mark.parametrize("message", MESSAGES)
def test_json_is_written_as_pythons(message, site):
    answers = []
    for kind in ("uvicorn", "sluicegate"):
        with site.open(site.server(kind), "/ws/json/") as socket:
            socket.send_text(message)
            answers.append(socket.read())
    assert answers[0] == answers[1]
    assert answers[0]["op"] == "text"


@both_servers
@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1], ids=["16 MiB", "one byte more"])
def test_a_message_may_have_16_mib(kind, size, site):
    with site.open(site.server(kind), "/ws/json/") as socket:
        text = b'"' + b"a" * (size - 2) + b'"'
        half = size // 2
        socket.send(TEXT, text[:half], final=False)
        try:
            socket.send(0, text[half:])
        except OSError:
            assert size > LIMIT, "closed while a message of allowed size was sent"
        got = socket.read(30)
        if size > LIMIT:
            assert (got["op"], got.get("code")) == ("close", 1009)
        else:
            assert json.loads(got["payload"]) == {"got": "a" * (size - 2)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@both_servers
def test_a_signal_closes_sockets_with_1012(kind, number, site, work):
    """And ends the process with 0 within seconds."""
    if kind == "uvicorn":
        server = DjangoUnderUvicorn(site.fork, site.overlay)
    else:
        server = Sluicegate(work, site.overlay)
    try:
        sockets = [site.open(server) for _ in range(3)]
        server.send_signal(number)
        for socket in sockets:
            got = socket.read()
            assert (got["op"], got.get("code")) == ("close", 1012)
            socket.send(CLOSE, close_payload(1012))
            assert frames_until_end(socket)[-1]["op"] in ("EOF", "RESET")
        if kind == "sluicegate":
            assert server.process.child.wait(15) == 0
    finally:
        server.stop()


def test_a_peer_that_answers_no_ping_is_closed_with_1011(site, work):
    gate = Sluicegate(work, site.overlay, config='[websocket]\nping_interval = "1s"\nping_timeout = "1s"\n')
    try:
        with site.open(gate) as socket:
            seen, end = [], time.monotonic() + 10
            while time.monotonic() < end and (not seen or seen[-1]["op"] not in ("close", "EOF", "RESET")):
                seen.append(socket.read(5))
            assert seen[0]["op"] == "ping" and len(seen[0]["payload"]) == 4
            assert seen[-1] == {"op": "close", "code": 1011, "reason": "keepalive ping timeout"}
            assert RECORDED["pong withheld"][-2] == seen[-1]
    finally:
        gate.stop()


def test_what_has_not_arrived_holds_no_memory(site, work):
    """Fifty peers each announce 16 MiB and send a few bytes."""
    gate = Sluicegate(work, site.overlay)
    try:
        sockets = [site.open(gate) for _ in range(50)]
        before = resident(gate.pid)
        for socket in sockets:
            announced = frame(BINARY, b"")[:1] + bytes([0x80 | 127]) + (LIMIT - 1).to_bytes(8, "big") + b"mask" + b"some"
            socket.connection.sendall(announced)
        time.sleep(1)
        assert resident(gate.pid) - before < 16 * 1024 * 1024
        for socket in sockets:
            socket.drop()
    finally:
        gate.stop()


def resident(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096
