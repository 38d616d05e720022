"""permessage-deflate with a client of another make: Python's websockets, as it negotiates by itself."""

import json
import os

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from support import http_client, overlay
from support.sluicegate import Sluicegate
from support.tokens import bearer

pytestmark = pytest.mark.one_django

TICKET = "/api/auth/auth_for_ws_connection/"
CONFIG = '[websocket]\ncompression = true\nmax_message_size = "1 MiB"\n'
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.fixture(scope="module")
def settings(work, sqlite_files, redis_server, redis_databases):
    settings = {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(redis_server.url(next(redis_databases)))}
    return overlay.write(work, settings, "compression")


@pytest.fixture(scope="module")
def echo(work, settings):
    server = Sluicegate(work, settings, own="echo", config=CONFIG, routes="")
    yield server
    server.stop()


def opened(server, **how):
    answer = http_client.send(server.address, "GET", TICKET, [("Host", "testserver"), bearer(1)])
    host, port = server.address
    return connect(f"ws://{host}:{port}/ws/echo/?uuid={answer.json()['uuid']}", max_size=None, **how)


def test_messages_of_all_kinds_come_back(echo):
    with opened(echo) as socket:
        assert socket.response.headers["Sec-WebSocket-Extensions"] == AGREED
        for message in [
            "",
            "short",
            "é🌊" * 5000,
            json.dumps([{"id": number, "name": "somebody"} for number in range(2000)]),
            b"",
            bytes(range(256)) * 300,
            os.urandom(100_000),
        ]:
            socket.send(message)
            assert socket.recv(10) == message
        socket.send(["in ", "three ", "fragments" * 1000])
        assert socket.recv(10) == "in three " + "fragments" * 1000
        socket.ping(b"never compressed").wait(5)


@pytest.mark.parametrize(
    "offer, more",
    [
        ({"server_no_context_takeover": True, "client_no_context_takeover": True}, ""),
        ({"server_max_window_bits": 15, "client_max_window_bits": 9}, "; server_max_window_bits=15"),
        ({"server_max_window_bits": 9}, None),
    ],
)
def test_what_cannot_be_kept_is_not_agreed_on(offer, more, echo):
    with opened(echo, compression=None, extensions=[ClientPerMessageDeflateFactory(**offer)]) as socket:
        assert socket.response.headers.get("Sec-WebSocket-Extensions") == (None if more is None else AGREED + more)
        socket.send("x" * 5000)
        assert socket.recv(10) == "x" * 5000


def test_a_message_has_its_limit_when_it_is_inflated(echo):
    with opened(echo) as socket:
        socket.send("x" * 1024 * 1024)
        assert socket.recv(10) == "x" * 1024 * 1024
        socket.send("x" * 1024 * 1024 + "x")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(10)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1009, "frame exceeds limit of 1048576 bytes")


def test_it_is_off_unless_it_is_turned_on(work, settings):
    server = Sluicegate(work, settings, own="echo", routes="")
    try:
        with opened(server) as socket:
            assert "Sec-WebSocket-Extensions" not in socket.response.headers
            socket.send("x" * 5000)
            assert socket.recv(10) == "x" * 5000
    finally:
        server.stop()
