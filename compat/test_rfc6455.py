"""RFC 6455, in the order of the Autobahn suite's sections 1 to 7, against `examples/echo`: it returns what it gets."""

import itertools
import os

import pytest

from support import http_client, overlay
from support.sluicegate import Sluicegate
from support.tokens import bearer
from support.websocket_client import BINARY, CLOSE, PING, PONG, TEXT, Socket, close_payload, frame, frames_until_end

pytestmark = pytest.mark.one_django

TICKET = "/api/auth/auth_for_ws_connection/"
CONTINUATION = 0
EOF = {"op": "EOF"}


@pytest.fixture(scope="module")
def echo(work, sqlite_files, redis_server, redis_databases):
    settings = {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(redis_server.url(next(redis_databases)))}
    server = Sluicegate(work, overlay.write(work, settings, "rfc6455"), own="echo", routes="")
    yield server
    server.stop()


@pytest.fixture
def client(echo):
    answer = http_client.send(echo.address, "GET", TICKET, [("Host", "testserver"), bearer(1)])
    with Socket(echo.address, f"/ws/echo/?uuid={answer.json()['uuid']}") as socket:
        assert socket.admitted, socket.answer
        yield socket


def text(payload):
    return {"op": "text", "payload": payload}


def binary(payload):
    return {"op": "binary", "payload": payload}


def pong(payload):
    return {"op": "pong", "payload": payload}


def close(code, reason=""):
    return {"op": "close", "code": code, "reason": reason}


def sent(opcode, payload):
    return text(payload) if opcode == TEXT else binary(payload)


def until_end(client):
    """What comes until the connection ends; it does, in good order."""
    frames = frames_until_end(client, 10)
    assert frames[-1] == EOF, frames
    return frames[:-1]


def still_works(client):
    client.send(TEXT, b"still here")
    assert client.read() == text(b"still here")


def in_pieces(client, raw, size):
    for start in range(0, len(raw), size):
        client.connection.sendall(raw[start : start + size])


# 1: framing

LENGTHS = [0, 1, 2, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 131072]
by_opcode = pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])


def content(opcode, length):
    return b"*" * length if opcode == TEXT else bytes(itertools.islice(itertools.cycle(range(256)), length))


@by_opcode
@pytest.mark.parametrize("length", LENGTHS)
def test_1_a_message_of_any_length_comes_back(opcode, length, client):
    payload = content(opcode, length)
    client.send(opcode, payload)
    assert client.read() == sent(opcode, payload)
    still_works(client)


@by_opcode
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 997, 1460])
@pytest.mark.parametrize("length", [0, 5, 125, 126, 1500])
def test_1_it_does_not_matter_where_tcp_cuts(opcode, length, piece, client):
    payload = content(opcode, length)
    in_pieces(client, frame(opcode, payload), piece)
    assert client.read() == sent(opcode, payload)


@by_opcode
@pytest.mark.parametrize("piece", [1460, 4099, 32768])
def test_1_a_long_message_in_pieces(opcode, piece, client):
    payload = content(opcode, 1_000_003)
    in_pieces(client, frame(opcode, payload), piece)
    assert client.read() == sent(opcode, payload)


@by_opcode
@pytest.mark.parametrize("length, wide", [(0, 126), (5, 126), (125, 126), (0, 127), (125, 127), (126, 127), (65535, 127)])
def test_1_a_length_in_more_bytes_than_it_needs_is_understood(opcode, length, wide, client):
    """RFC 6455, 5.2 wants the shortest form from senders. Like websockets, it is read in any."""
    payload, plain = content(opcode, length), frame(opcode, content(opcode, length))
    masked = plain[len(plain) - length - 4 :]
    extended = length.to_bytes(2 if wide == 126 else 8, "big")
    client.connection.sendall(bytes([0x80 | opcode, 0x80 | wide]) + extended + masked)
    assert client.read() == sent(opcode, payload)


def test_1_many_messages_in_one_write_come_back_in_order(client):
    payloads = [b"%d" % number for number in range(1000)]
    client.connection.sendall(b"".join(frame(TEXT, payload) for payload in payloads))
    assert [client.read() for _ in payloads] == [text(payload) for payload in payloads]


def test_1_a_length_of_more_than_63_bits_is_refused(client):
    client.connection.sendall(bytes([0x82, 0xFF]) + b"\xff" * 8 + b"mask")
    assert [each["op"] for each in until_end(client)] == ["close"]


@by_opcode
def test_1_an_unmasked_frame_is_refused(opcode, client):
    client.send(opcode, b"hello", masked=False)
    assert until_end(client) == [close(1002, "incorrect masking")]


@by_opcode
def test_1_any_mask_is_taken_off(opcode, client):
    for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04", os.urandom(4)):
        payload = content(opcode, 1000)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        client.connection.sendall(bytes([0x80 | opcode, 0x80 | 126]) + (1000).to_bytes(2, "big") + mask + masked)
        assert client.read() == sent(opcode, payload)


# 2: pings and pongs


@pytest.mark.parametrize("payload", [b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125], ids=len)
def test_2_a_ping_is_answered_with_its_payload(payload, client):
    client.send(PING, payload)
    assert client.read() == pong(payload)
    in_pieces(client, frame(PING, payload), 1)
    assert client.read() == pong(payload)
    still_works(client)


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@pytest.mark.parametrize("length", [126, 127, 1000, 65536])
def test_2_a_control_frame_of_more_than_125_bytes_is_refused(opcode, length, client):
    client.connection.sendall(frame(opcode, b"\xfe" * length)[:20])
    assert until_end(client) == [close(1002, "control frame too long")]


@pytest.mark.parametrize("payload", [b"", b"nobody asked"])
def test_2_a_pong_that_nobody_asked_for_is_ignored(payload, client):
    client.send(PONG, payload)
    client.send(PING, b"and a ping")
    assert client.read() == pong(b"and a ping")
    still_works(client)


def test_2_each_of_many_pings_is_answered_in_order(client):
    payloads = [b"payload-%d" % number for number in range(10)]
    raw = b"".join(frame(PING, payload) for payload in payloads)
    for piece in (len(raw), 1):
        in_pieces(client, raw, piece)
        assert [client.read() for _ in payloads] == [pong(payload) for payload in payloads]


# 3: reserved bits

BITS = [bits << 4 for bits in range(1, 8)]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE, CONTINUATION])
def test_3_a_reserved_bit_is_refused(opcode, bits, client):
    client.send(TEXT, b"before")
    if opcode == CONTINUATION:
        client.send(TEXT, b"first", final=False)
    client.send(opcode, b"", reserved=bits)
    client.send(TEXT, b"after")
    assert until_end(client) == [text(b"before"), close(1002, "reserved bits must be 0")]


@pytest.mark.parametrize("bits", BITS)
def test_3_a_reserved_bit_is_refused_byte_by_byte(bits, client):
    in_pieces(client, frame(TEXT, b"before") + frame(TEXT, b"x", reserved=bits), 1)
    assert until_end(client) == [text(b"before"), close(1002, "reserved bits must be 0")]


# 4: reserved opcodes

RESERVED = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]


@pytest.mark.parametrize("payload", [b"", b"reserved opcode payload"], ids=["empty", "payload"])
@pytest.mark.parametrize("opcode", RESERVED)
def test_4_a_reserved_opcode_is_refused(opcode, payload, client):
    client.send(TEXT, b"before")
    client.send(opcode, payload)
    client.send(TEXT, b"after")
    assert until_end(client) == [text(b"before"), close(1002, "invalid opcode")]


@pytest.mark.parametrize("opcode", RESERVED)
def test_4_a_reserved_opcode_is_refused_within_a_message(opcode, client):
    client.send(TEXT, b"first", final=False)
    in_pieces(client, frame(opcode), 1)
    assert until_end(client) == [close(1002, "invalid opcode")]


# 5: fragmentation


def fragments(opcode, parts):
    last = len(parts) - 1
    return [
        frame(opcode if index == 0 else CONTINUATION, part, final=index == last) for index, part in enumerate(parts)
    ]


@by_opcode
@pytest.mark.parametrize(
    "parts",
    [[b"fragment1", b"fragment2"], [b"", b""], [b"", b"", b""], [b"", b"x", b""], [b"a", b"", b"b"], [b"x"] * 300],
    ids=["two", "empty", "three empty", "empty around", "empty between", "many"],
)
@pytest.mark.parametrize("piece", [1, 100_000], ids=["byte by byte", "at once"])
def test_5_fragments_are_one_message(opcode, parts, piece, client):
    in_pieces(client, b"".join(fragments(opcode, parts)), piece)
    assert client.read() == sent(opcode, b"".join(parts))
    still_works(client)


@by_opcode
def test_5_control_frames_may_stand_between_fragments(opcode, client):
    raw = fragments(opcode, [b"one", b"two", b"three"])
    raw.insert(2, frame(PONG, b"unsolicited"))
    raw.insert(1, frame(PING, b"second") + frame(PING, b""))
    raw.insert(0, frame(PING, b"first"))
    for piece in (1, 10_000):
        in_pieces(client, b"".join(raw), piece)
        assert [client.read() for _ in range(4)] == [
            pong(b"first"),
            pong(b"second"),
            pong(b""),
            sent(opcode, b"onetwothree"),
        ]


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_5_a_control_frame_cannot_be_fragmented(opcode, client):
    client.send(opcode, b"", final=False)
    client.send(CONTINUATION, b"")
    assert until_end(client) == [close(1002, "fragmented control frame")]


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("payload", [b"", b"non-continuation payload"])
def test_5_a_continuation_of_nothing_is_refused(final, payload, client):
    client.send(CONTINUATION, payload, final=final)
    client.send(TEXT, b"Hello, world!")
    assert until_end(client) == [close(1002, "unexpected continuation frame")]


@pytest.mark.parametrize("final", [True, False])
@by_opcode
def test_5_a_continuation_after_a_whole_message_is_refused(opcode, final, client):
    client.send(opcode, b"whole")
    client.send(CONTINUATION, b"more", final=final)
    assert until_end(client) == [sent(opcode, b"whole"), close(1002, "unexpected continuation frame")]


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("second", [TEXT, BINARY])
@by_opcode
def test_5_a_message_within_another_is_refused(opcode, second, final, client):
    client.send(opcode, b"first", final=False)
    client.send(second, b"second", final=final)
    assert until_end(client) == [close(1002, "expected a continuation frame")]


@by_opcode
def test_5_a_message_that_is_never_finished_is_no_message(opcode, client):
    client.send(opcode, b"first", final=False)
    client.send(CONTINUATION, b"second", final=False)
    client.send(PING, b"alive")
    assert client.read() == pong(b"alive")
    client.send(CLOSE, close_payload(1000))
    assert until_end(client) == [close(1002, "incomplete fragmented message")]


# 6: UTF-8

VALID = {
    "greek": "κόσμε",
    "euro": "Hello-µ@ßöäüàá-UTF-8!! €",
    "first of 1 byte": "\x00",
    "first of 2 bytes": "\x80",
    "first of 3 bytes": "\u0800",
    "first of 4 bytes": "\U00010000",
    "last of 1 byte": "\x7f",
    "last of 2 bytes": "\u07ff",
    "last of 3 bytes": "\uffff",
    "last of 4 bytes": "\U0010ffff",
    "before the surrogates": "\ud7ff",
    "after the surrogates": "\ue000",
    "the replacement character": "\ufffd",
    "no characters": "\ufffe\uffff\U0001fffe\U0001ffff\U0008fffe\U000ffffe\U0010fffe",
    "byte order mark": "\ufeffx",
    "emoji": "👩‍👩‍👧🌊",
}
INVALID = {
    "greek, then a surrogate": "κόσμε".encode() + b"\xed\xa0\x80edited",
    "beyond the last character": "κόσμε".encode() + b"\xf4\x90\x80\x80edited",
    "first of 5 bytes": b"\xf8\x88\x80\x80\x80",
    "first of 6 bytes": b"\xfc\x84\x80\x80\x80\x80",
    "last of 4 bytes": b"\xf7\xbf\xbf\xbf",
    "last of 5 bytes": b"\xfb\xbf\xbf\xbf\xbf",
    "last of 6 bytes": b"\xfd\xbf\xbf\xbf\xbf\xbf",
    "one continuation": b"\x80",
    "another continuation": b"\xbf",
    "two continuations": b"\x80\xbf",
    "seven continuations": b"\x80\xbf\x80\xbf\x80\xbf\x80",
    "all continuations": bytes(range(0x80, 0xC0)),
    "starts of 2 bytes": b" ".join(bytes([byte]) for byte in range(0xC0, 0xE0)) + b" ",
    "starts of 3 bytes": b" ".join(bytes([byte]) for byte in range(0xE0, 0xF0)) + b" ",
    "starts of 4 bytes": b" ".join(bytes([byte]) for byte in range(0xF0, 0xF8)) + b" ",
    "starts of 5 bytes": b"\xf8 \xf9 \xfa \xfb ",
    "starts of 6 bytes": b"\xfc \xfd ",
    "2 bytes cut short": b"\xc0",
    "3 bytes cut short": b"\xe0\x80",
    "4 bytes cut short": b"\xf0\x80\x80",
    "a good one cut short": b"\xe2\x82",
    "a good long one cut short": b"\xf0\x9f\x8c",
    "several cut short": b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80",
    "fe": b"\xfe",
    "ff": b"\xff",
    "fe fe ff ff": b"\xfe\xfe\xff\xff",
    "slash in 2 bytes": b"\xc0\xaf",
    "slash in 3 bytes": b"\xe0\x80\xaf",
    "slash in 4 bytes": b"\xf0\x80\x80\xaf",
    "slash in 5 bytes": b"\xf8\x80\x80\x80\xaf",
    "slash in 6 bytes": b"\xfc\x80\x80\x80\x80\xaf",
    "overlong 2": b"\xc1\xbf",
    "overlong 3": b"\xe0\x9f\xbf",
    "overlong 4": b"\xf0\x8f\xbf\xbf",
    "nul in 2 bytes": b"\xc0\x80",
    "nul in 3 bytes": b"\xe0\x80\x80",
    "nul in 4 bytes": b"\xf0\x80\x80\x80",
    "first surrogate": b"\xed\xa0\x80",
    "last high surrogate": b"\xed\xaf\xbf",
    "first low surrogate": b"\xed\xb0\x80",
    "last surrogate": b"\xed\xbf\xbf",
    "pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "another pair": b"\xed\xaf\xbf\xed\xbf\xbf",
}


@pytest.mark.parametrize("how", ["whole", "byte by byte", "a fragment a byte"])
@pytest.mark.parametrize("name", VALID)
def test_6_valid_text_comes_back(name, how, client):
    payload = VALID[name].encode()
    send_text(client, payload, how)
    assert client.read() == text(payload)
    still_works(client)


@pytest.mark.parametrize("how", ["whole", "byte by byte", "a fragment a byte"])
@pytest.mark.parametrize("name", INVALID)
def test_6_invalid_text_is_refused(name, how, client):
    send_text(client, INVALID[name], how)
    assert until_end(client) == [close(1007)]


def send_text(client, payload, how):
    """The server may have closed before everything was sent."""
    try:
        if how == "a fragment a byte":
            raw = fragments(TEXT, [payload[index : index + 1] for index in range(len(payload))])
            client.connection.sendall(b"".join(raw))
        else:
            in_pieces(client, frame(TEXT, payload), 1 if how == "byte by byte" else len(payload) + 14)
    except (BrokenPipeError, ConnectionResetError):
        pass


@pytest.mark.parametrize("name", [name for name in INVALID if "cut short" not in name or "good" not in name])
def test_6_invalid_text_is_refused_before_its_end(name, client):
    """The message never ends: the first bad byte does."""
    client.send(TEXT, INVALID[name] + b"x", final=False)
    assert until_end(client) == [close(1007)]


def test_6_a_character_may_be_cut_by_fragments_with_pings_between(client):
    first, second = "🌊".encode()[:2], "🌊".encode()[2:]
    client.send(TEXT, first, final=False)
    client.send(PING, b"\xff")
    client.send(CONTINUATION, second)
    assert [client.read(), client.read()] == [pong(b"\xff"), text("🌊".encode())]


def test_6_bytes_need_not_be_utf_8(client):
    for name in INVALID:
        client.send(BINARY, INVALID[name])
        assert client.read() == binary(INVALID[name])


# 7: close


def test_7_nothing_is_answered_after_a_close(client):
    client.send(TEXT, b"before")
    raw = frame(CLOSE, close_payload(1000)) + frame(TEXT, b"after") + frame(PING, b"after") + frame(CLOSE)
    client.connection.sendall(raw)
    assert until_end(client) == [text(b"before"), close(1000)]


def test_7_a_close_within_a_message_ends_it(client):
    client.send(TEXT, b"first", final=False)
    client.send(CLOSE, close_payload(1000))
    client.send(CONTINUATION, b"second")
    assert until_end(client) == [close(1002, "incomplete fragmented message")]


def test_7_a_long_message_is_returned_before_the_close(client):
    payload = b"BAsd7&jh23" * 26_000
    client.connection.sendall(frame(TEXT, payload) + frame(CLOSE, close_payload(1000)))
    assert until_end(client) == [text(payload), close(1000)]


def test_7_an_empty_close_is_answered_by_one(client):
    client.send(CLOSE)
    assert until_end(client) == [close(None)]


def test_7_a_close_of_one_byte_is_refused(client):
    client.send(CLOSE, b"a")
    assert until_end(client) == [close(1002, "close frame too short")]


@pytest.mark.parametrize("reason", ["", "Hello World!", "é" * 61, "*" * 123], ids=len)
def test_7_a_close_is_answered_with_its_code_and_reason(reason, client):
    client.send(CLOSE, close_payload(1000, reason))
    assert until_end(client) == [close(1000, reason)]


def test_7_a_reason_of_124_bytes_is_too_long(client):
    client.send(CLOSE, close_payload(1000, "*" * 124))
    assert until_end(client) == [close(1002, "control frame too long")]


@pytest.mark.parametrize("name", INVALID)
def test_7_a_reason_that_is_not_utf_8_is_refused(name, client):
    client.send(CLOSE, close_payload(1000) + INVALID[name])
    assert [(each["op"], each["code"]) for each in until_end(client)] == [("close", 1007)]


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
)
def test_7_a_code_that_may_be_sent_is_answered_with_itself(code, client):
    client.send(CLOSE, close_payload(code))
    assert until_end(client) == [close(code)]


@pytest.mark.parametrize(
    "code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32768, 65535]
)
@pytest.mark.parametrize("reason", ["", "why"], ids=["bare", "reason"])
def test_7_a_code_that_must_not_be_sent_is_refused(code, reason, client):
    client.send(CLOSE, close_payload(code, reason))
    assert until_end(client) == [close(1002, "invalid status code")]


def test_7_a_close_cut_into_bytes_is_one(client):
    in_pieces(client, frame(CLOSE, close_payload(4001, "bye")), 1)
    assert until_end(client) == [close(4001, "bye")]
