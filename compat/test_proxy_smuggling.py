"""
Requests that two servers could read differently, sent to the real program with an upstream that records every byte:
each is refused, or reaches the upstream in one unambiguous form. None reaches it as sent.
"""

import re
import socket

import pytest

from support import behind, overlay
from support.http_client import exchange, read_answer
from support.raw_upstream import OK, RawUpstream
from support.websocket_client import KEY

pytestmark = pytest.mark.one_django

HOST = b"Host: testserver\r\n"
SMUGGLED = b"GET /smuggled/ HTTP/1.1\r\nHost: testserver\r\n\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY.encode() + b"\r\n"


@pytest.fixture(scope="module")
def upstream():
    upstream = RawUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def gate(work, fork, redis_server, redis_databases, upstream):
    cache = overlay.redis_cache(redis_server.url(next(redis_databases)))
    gate = behind.gate(work, behind.settings(work, fork, cache), upstream.url)
    yield gate
    gate.stop()


def post(*headers, body=b""):
    return b"POST /p/ HTTP/1.1\r\n" + HOST + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def chunks(body):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


CL, CHUNKED = b"Content-Length: %d", b"Transfer-Encoding: chunked"
# Bodies that end in another request for whoever reads the other header.
BEHIND_CHUNKS = b"0\r\n\r\n" + SMUGGLED

REFUSED = {
    "two lengths": post(CL % 0, CL % len(SMUGGLED), body=SMUGGLED),
    "two lengths in one header": post(b"Content-Length: 3, 3", body=b"abc" + SMUGGLED),
    "a length with a sign": post(b"Content-Length: +3", body=b"abc" + SMUGGLED),
    "a negative length": post(b"Content-Length: -1", body=SMUGGLED),
    "a length in hexadecimal": post(b"Content-Length: 0x3", body=b"abc" + SMUGGLED),
    "a length that overflows": post(b"Content-Length: 18446744073709551619", body=b"abc" + SMUGGLED),
    "an empty length": post(b"Content-Length:", body=SMUGGLED),
    "a length of digits that are not ASCII": post("Content-Length: \u00b2".encode("latin-1"), body=SMUGGLED),
    "a length and a name": post(b"Content-Length: 3 abc", body=b"abc" + SMUGGLED),
    "two transfer codings": post(b"Transfer-Encoding: gzip, chunked", body=chunks(b"abc")),
    "chunked is not the last": post(b"Transfer-Encoding: chunked, identity", body=chunks(SMUGGLED)),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked", body=chunks(SMUGGLED)),
    "chunked in two headers": post(CHUNKED, CHUNKED, body=chunks(SMUGGLED)),
    "identity": post(b"Transfer-Encoding: identity", CL % 3, body=b"abc" + SMUGGLED),
    "another transfer coding": post(b"Transfer-Encoding: xchunked", CL % len(BEHIND_CHUNKS), body=BEHIND_CHUNKS),
    "a quoted transfer coding": post(b'Transfer-Encoding: "chunked"', body=BEHIND_CHUNKS),
    "a transfer coding with a parameter": post(b"Transfer-Encoding: chunked;q=1", body=BEHIND_CHUNKS),
    "a vertical tab before chunked": post(b"Transfer-Encoding: \x0bchunked", CL % len(BEHIND_CHUNKS), body=BEHIND_CHUNKS),
    "an empty transfer coding": post(b"Transfer-Encoding:", CL % len(BEHIND_CHUNKS), body=BEHIND_CHUNKS),
    "HTTP/1.0 in chunks": post(CHUNKED, body=BEHIND_CHUNKS).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "a space before the colon": post(b"Transfer-Encoding : chunked", CL % len(BEHIND_CHUNKS), body=BEHIND_CHUNKS),
    "a space before the length's colon": post(b"Content-Length : 3", CHUNKED, body=BEHIND_CHUNKS),
    "a folded header": post(b"X-A: b\r\n Transfer-Encoding: chunked", CL % len(BEHIND_CHUNKS), body=BEHIND_CHUNKS),
    "a folded transfer coding": post(b"Transfer-Encoding:\r\n chunked", CL % len(BEHIND_CHUNKS), body=BEHIND_CHUNKS),
    "a folded first header": b"GET / HTTP/1.1\r\n X: y\r\n" + HOST + b"\r\n",
    "a bare carriage return in a header": post(b"X-A: b\rTransfer-Encoding: chunked", CL % len(BEHIND_CHUNKS), body=BEHIND_CHUNKS),
    "a null in a header": post(b"X-A: b\x00c"),
    "a null in a name": post(b"X\x00A: b"),
    "a name that is none": post(b"X(A): b"),
    "a line without a colon": post(b"no colon"),
    "a header of no name": post(b": value"),
    "a tab in the request line": b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "a null in the target": b"GET /a\x00b HTTP/1.1\r\n" + HOST + b"\r\n",
    "an unknown version": b"GET / HTTP/1.2\r\n" + HOST + b"\r\n",
    "HTTP/2 in plain": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + b"Host: evil.example.org\r\n\r\n",
    "the same host twice": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "another host in the target": b"GET http://evil.example.org/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT testserver:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT of a path": b"CONNECT /see/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a chunk's size with a sign": post(CHUNKED, body=b"+3\r\nabc\r\n0\r\n\r\n"),
    "a chunk's size with 0x": post(CHUNKED, body=b"0x3\r\nabc\r\n0\r\n\r\n"),
    "a chunk's size that overflows": post(CHUNKED, body=b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    "a chunk that is longer than it says": post(CHUNKED, body=b"3\r\nabcdef\r\n0\r\n\r\n"),
    "a length at an upgrade": b"GET /ws/public/echo/ HTTP/1.1\r\n" + HOST + UPGRADE + b"Content-Length: 5\r\n\r\nhello",
    "chunks at an upgrade": b"GET /ws/public/echo/ HTTP/1.1\r\n" + HOST + UPGRADE + CHUNKED + b"\r\n\r\n" + chunks(SMUGGLED),
    "two hosts at an upgrade": b"GET /ws/public/echo/ HTTP/1.1\r\n" + HOST + b"Host: evil\r\n" + UPGRADE + b"\r\n",
    "two keys at an upgrade": b"GET /ws/public/echo/ HTTP/1.1\r\n" + HOST + UPGRADE + b"Sec-WebSocket-Key: " + KEY.encode() + b"\r\n\r\n",
    "POST as an upgrade": b"POST /ws/public/echo/ HTTP/1.1\r\n" + HOST + UPGRADE + CL % 0 + b"\r\n\r\n",
    "an upgrade in HTTP/1.0": b"GET /ws/public/echo/ HTTP/1.0\r\n" + HOST + UPGRADE + b"\r\n",
    "a carriage return in an upgrade's protocol": b"GET /ws/public/echo/ HTTP/1.1\r\n" + HOST + UPGRADE + b"Sec-WebSocket-Protocol: a\rX: b\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_the_connection_ends(name, gate, upstream):
    upstream.forget()
    with socket.create_connection(gate.address, timeout=10) as client, client.makefile("rb") as stream:
        client.sendall(REFUSED[name])
        try:
            answer = read_answer(stream)
            rest = stream.read() if answer.status != 101 else b""
        except ConnectionResetError:
            rest = b""
            answer = None
    assert rest == b"", "the connection serves on"
    assert answer is None or 400 <= (answer.status or 400) < 600, answer
    came = upstream.requests()
    assert b"smuggled" not in came, came
    # A body that turns out wrong may have begun to go: in chunks that do not end.
    if came:
        assert name.startswith("a chunk"), came
        assert_unambiguous(came)
        assert not came.endswith(b"0\r\n\r\n"), came


# The transfer coding counts, as RFC 9112 says; the length goes no further, and what follows is not read.
CHUNKS_WIN = {
    "CL.TE": (post(CL % len(BEHIND_CHUNKS), CHUNKED, body=BEHIND_CHUNKS), b""),
    "TE.CL": (post(CHUNKED, CL % 4, body=chunks(SMUGGLED)), SMUGGLED),
    "TE.CL, the length first": (post(CL % 4, CHUNKED, body=chunks(SMUGGLED)), SMUGGLED),
}


@pytest.mark.parametrize("name", CHUNKS_WIN)
def test_a_length_beside_chunks_is_dropped_and_the_connection_ends(name, gate, upstream):
    request, body = CHUNKS_WIN[name]
    upstream.forget()
    with socket.create_connection(gate.address, timeout=10) as client, client.makefile("rb") as stream:
        client.sendall(request)
        assert read_answer(stream).status in (200, 400)
        assert stream.read() == b"", "the connection serves on"
    if came := upstream.requests():
        assert assert_unambiguous(came) == body
        assert b"content-length" not in came.lower()


FORWARDED = {
    "two lengths that are the same": (post(CL % 3, CL % 3, body=b"abc"), b"abc"),
    "a length": (post(CL % 3, body=b"abc"), b"abc"),
    "a length with leading zeros": (post(b"Content-Length: 0003", body=b"abc"), b"abc"),
    "a length with spaces": (post(b"Content-Length: \t 3 \t", body=b"abc"), b"abc"),
    "chunks": (post(CHUNKED, body=chunks(b"abc")), b"abc"),
    "chunks in capitals": (post(b"TRANSFER-ENCODING: CHUNKED", body=chunks(b"abc")), b"abc"),
    "a chunk's extension": (post(CHUNKED, body=b"3;a=b\r\nabc\r\n0;c\r\n\r\n"), b"abc"),
    "a trailer": (post(CHUNKED, body=b"3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n"), b"abc"),
    "lines that end in a line feed": (b"POST /p/ HTTP/1.1\nHost: testserver\nContent-Length: 3\n\nabc", b"abc"),
    "the same host in the target": (b"GET http://testserver/p/?q HTTP/1.1\r\n" + HOST + b"\r\n", b""),
    "Connection names the length": (post(CL % 3, b"Connection: Content-Length", body=b"abc"), b"abc"),
    "Connection names the host": (post(CL % 3, b"Connection: Host, close", body=b"abc"), b"abc"),
    "Connection names the transfer coding": (post(CHUNKED, b"Connection: Transfer-Encoding", body=chunks(b"abc")), b"abc"),
    "an underscore in the place of a dash": (post(b"Content_Length: 9", b"Transfer_Encoding: x", CL % 3, body=b"abc"), b"abc"),
    "an upgrade to something else": (post(b"Connection: Upgrade", b"Upgrade: h2c", CL % 3, body=b"abc"), b"abc"),
    "an expectation": (post(b"Expect: 100-continue", CL % 3, body=b"abc"), b"abc"),
}


@pytest.mark.parametrize("name", FORWARDED)
def test_it_is_forwarded_in_one_form(name, gate, upstream):
    request, body = FORWARDED[name]
    upstream.forget()
    with socket.create_connection(gate.address, timeout=10) as client, client.makefile("rb") as stream:
        client.sendall(request)
        answer = read_answer(stream)
        if answer.status == 100:
            answer = read_answer(stream)
        assert (answer.status, answer.body) == (200, b"ok")
    came = upstream.requests()
    assert assert_unambiguous(came) == body
    assert came.split(b"\r\n")[0].split(b" ")[1] in (b"/p/", b"/p/?q")


def assert_unambiguous(came):
    """One request with one framing; its body."""
    head, _, rest = came.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert re.fullmatch(rb"[A-Z]+ /[^ ]* HTTP/1\.1", lines[0]), lines[0]
    headers = [line.split(b": ", 1) for line in lines[1:]]
    assert all(len(header) == 2 and re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", header[0]) for header in headers), headers
    assert not re.search(rb"[\r\n\x00]", b"".join(value for _, value in headers))
    names = [name.lower() for name, _ in headers]
    values = {name.lower(): value for name, value in headers}
    assert names.count(b"host") == 1
    assert values[b"host"] == b"testserver"
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1, names
    assert not {b"upgrade", b"expect", b"te", b"trailer", b"keep-alive", b"proxy-connection"} & set(names)
    if b"transfer-encoding" in names:
        assert values[b"transfer-encoding"] == b"chunked"
        return unchunked(rest)
    length = values.get(b"content-length", b"0")
    assert re.fullmatch(rb"\d+", length)
    assert len(rest) == int(length), "more than one request came"
    return rest


def unchunked(data):
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        assert re.fullmatch(rb"[0-9a-fA-F]+", size), size
        count = int(size, 16)
        if count == 0:
            assert data == b"\r\n", data
            break
        body, data = body + data[:count], data[count:]
        assert data[:2] in (b"\r\n", b"")
        data = data[2:]
    return body


def test_what_follows_a_request_is_a_request_of_its_own(gate, upstream):
    """Pipelined requests arrive as separate ones, each with its own framing."""
    upstream.forget()
    with socket.create_connection(gate.address, timeout=10) as client, client.makefile("rb") as stream:
        client.sendall(post(CL % 3, body=b"abc") + SMUGGLED)
        assert [read_answer(stream).status for _ in range(2)] == [200, 200]
    came = upstream.requests()
    assert came.count(b" HTTP/1.1\r\n") == 2
    assert b"abcGET /smuggled/" in came or b"abc" in came


def test_an_upgrade_is_sent_in_one_form(gate, upstream):
    """And what an upgrade carries behind its head is not a request to the upstream unless it accepts."""
    upstream.forget()
    upgrade = b"GET /ws/public/echo/?a=b HTTP/1.1\r\n" + HOST
    upgrade += b"Connection: keep-alive, Upgrade, X-Private\r\nX-Private: 1\r\nUpgrade: WebSocket\r\nTE: trailers\r\n"
    upgrade += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY.encode() + b"\r\n\r\n"
    answer = exchange(gate.address, upgrade + SMUGGLED)
    assert answer.status in (200, 502), answer
    came = upstream.requests()
    assert b"smuggled" not in came
    lines = [line.lower() for line in came.split(b"\r\n\r\n")[0].split(b"\r\n")]
    assert lines[0] == b"get /ws/public/echo/?a=b http/1.1"
    assert [line for line in lines if line.startswith((b"connection:", b"upgrade:"))] in (
        [b"connection: upgrade", b"upgrade: websocket"],
        [b"upgrade: websocket", b"connection: upgrade"],
    )
    for name in (b"te:", b"x-private", b"content-length", b"transfer-encoding"):
        assert not any(line.startswith(name) for line in lines)


# What the upstream answers may be ambiguous too.

ANSWERS = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nok",
    "a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "a header folded": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "a second answer that nobody asked for": OK + b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_ambiguous_answer_does_not_reach_the_next_client(name, gate, upstream):
    def answer(connection, recorded):
        connection.sendall(ANSWERS[name])
        if name == "half a head":
            return
        connection.settimeout(1)
        try:
            while data := connection.recv(65536):
                recorded += data
        except TimeoutError:
            pass

    try:
        upstream.answer = answer
        first = exchange(gate.address, b"GET /one/ HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        upstream.answer = OK
        second = exchange(gate.address, b"GET /two/ HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    finally:
        upstream.answer = OK
    assert first.status in (200, 502), first
    assert first.status == 502 or first.body == b"ok"
    assert (second.status, second.body) == (200, b"ok")


def test_an_answer_may_not_inject_headers_into_a_refused_upgrade(gate, upstream):
    upstream.answer = b"HTTP/1.1 403 Forbidden\r\nX-A: b\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n"
    try:
        answer = exchange(gate.address, b"GET /ws/public/echo/ HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n")
    finally:
        upstream.answer = OK
    assert answer.status in (403, 502)
    assert answer.header("set-cookie") is None
