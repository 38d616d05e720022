"""
Open sockets with Django's own consumers through sluicegate: frames of any size and kind, closes and their codes both
ways, back-pressure. The same is done with Django directly, under uvicorn and Daphne.
"""

import hashlib
import signal
import struct
import time
import zlib

import pytest

from support import behind
from support.websocket_client import BINARY, CLOSE, PING, PONG, TEXT, close_payload, frames_until_end

MIB = 1024 * 1024
DEFLATE = ("Sec-WebSocket-Extensions", "permessage-deflate")
SIDES = ["django", "sluicegate"]
# The largest message that each server takes.
LARGEST = {"uvicorn": 16 * MIB, "daphne": MIB}


# What Daphne itself cannot: it keeps all that a client does not take, and refuses to send more than it would read.
uvicorn = pytest.mark.parametrize("pair", ["uvicorn"], indirect=True)


def until(ready, seconds=10):
    end = time.monotonic() + seconds
    while not (result := ready()):
        assert time.monotonic() < end
        time.sleep(0.03)
    return result


def resident(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def pattern(size):
    return (hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1))[:size]


# Frames

# Daphne sends no empty message: an echo of one never comes.
SIZES = [0, 1, 125, 126, 127, 4096, 65535, 65536, 65537, 300_000, MIB, 16 * MIB]


@pytest.mark.parametrize(
    "side, stack", [("django", "public"), ("sluicegate", "public"), ("sluicegate", "ticket")], ids=str
)
def test_messages_of_every_size_and_kind_come_back_whole(side, stack, pair):
    with pair.open(side, f"/ws/{stack}/echo/") as client:
        for size in SIZES:
            if size > LARGEST[pair.kind] or (size == 0 and pair.kind == "daphne"):
                continue
            data = pattern(size)
            client.send(BINARY, data)
            assert client.read(30) == {"op": "binary", "payload": data}, size
            text = b"a" * (size % 2) + "\u00e9".encode() * (size // 2)
            client.send(TEXT, text)
            assert client.read(30) == {"op": "text", "payload": text}, size


@pytest.mark.parametrize("side", SIDES)
def test_many_messages_stay_in_order(side, pair):
    with pair.open(side, "/ws/ticket/count/") as client:
        for number in range(1000):
            kind = "binary" if number % 2 else "text"
            assert client.read() == {"op": kind, "payload": str(number).encode()}
    with pair.open(side, "/ws/ticket/echo/") as client:
        for number in range(500):
            client.send(TEXT, str(number).encode() * (number % 40 + 1))
        for number in range(500):
            assert client.read()["payload"] == str(number).encode() * (number % 40 + 1)


@pytest.mark.parametrize("side", SIDES)
def test_fragments_are_one_message_and_pings_between_them_are_answered(side, pair):
    with pair.open(side, "/ws/ticket/echo/") as client:
        client.send(TEXT, b"one ", final=False)
        client.send(PING, b"first")
        assert client.read() == {"op": "pong", "payload": b"first"}
        client.send(0, b"two ", final=False)
        client.send(PONG, b"nobody asked")
        client.send(0, b"", final=False)
        client.send(PING, b"")
        assert client.read() == {"op": "pong", "payload": b""}
        client.send(0, b"three")
        assert client.read() == {"op": "text", "payload": b"one two three"}
        client.send(PING, b"x" * 125)
        assert client.read() == {"op": "pong", "payload": b"x" * 125}


@pytest.mark.parametrize("side", SIDES)
def test_frames_may_come_byte_by_byte(side, pair):
    from support.websocket_client import frame

    with pair.open(side, "/ws/ticket/echo/") as client:
        data = frame(TEXT, b"slow", final=False) + frame(PING, b"p") + frame(0, b"x" * 130) + frame(BINARY, b"\x00" * 3)
        for byte in data:
            client.connection.sendall(bytes([byte]))
        assert client.read() == {"op": "pong", "payload": b"p"}
        assert client.read() == {"op": "text", "payload": b"slow" + b"x" * 130}
        assert client.read() == {"op": "binary", "payload": b"\x00" * 3}


@pytest.mark.parametrize("stack", ["ticket", "public"])
@pytest.mark.parametrize("side", SIDES)
def test_compression_is_between_client_and_django(side, stack, pair):
    with pair.open(side, f"/ws/{stack}/echo/", [DEFLATE]) as client:
        extensions = client.answer.header("sec-websocket-extensions")
        if pair.kind == "daphne":
            assert extensions is None  # it has none
            return
        assert extensions.startswith("permessage-deflate")
        inflate = zlib.decompressobj(-12)  # one context for all messages of this direction
        compress = zlib.compressobj(wbits=-12)
        for text in (b"again and " * 1000, b"again and " * 10, b"x"):
            data = compress.compress(text) + compress.flush(zlib.Z_SYNC_FLUSH)
            client.send(TEXT, data[:-4], reserved=0x40)
            head = client.stream.read(2)
            length = head[1] if head[1] < 126 else struct.unpack(">H", client.stream.read(2))[0]
            assert head[0] == 0xC1
            assert inflate.decompress(client.stream.read(length) + b"\x00\x00\xff\xff") == text


@pytest.mark.parametrize("side", SIDES)
def test_the_server_judges_how_large_a_message_may_be(side, pair):
    with pair.open(side, "/ws/ticket/echo/") as client:
        try:
            client.send(BINARY, b"x" * (LARGEST[pair.kind] + 1))
        except OSError:
            pass
        got = client.read(30)
        if pair.kind == "uvicorn":
            assert (got["op"], got["code"]) == ("close", 1009)
        elif side == "django":
            assert got["op"] in ("EOF", "RESET")
        else:
            assert got == {"op": "close", "code": 1012, "reason": ""}  # Daphne went away without a word


@pytest.mark.parametrize("size", [LARGEST["uvicorn"] + 1, 64 * MIB])
@uvicorn
def test_a_consumer_may_send_what_it_likes(size, pair):
    with pair.open("sluicegate", "/ws/ticket/told/") as client:
        client.send_text(f'{{"send": {size}}}')
        got = client.read(60)
        assert (got["op"], len(got["payload"])) == ("binary", size)
        assert got["payload"] == b"\xa5" * size


# Closes

CLOSES = {
    "1000 and a reason": close_payload(1000, "done"),
    "1001": close_payload(1001),
    "4001 and a reason": close_payload(4001, "b\u00e4h"),
    "3000": close_payload(3000),
    "a long reason": close_payload(4999, "x" * 123),
    "no code": b"",
    "a code that nobody may send": close_payload(999),
    "half a code": b"\x03",
    "a reason that is no UTF-8": struct.pack(">H", 4000) + b"\xff\xfe",
}


@pytest.mark.parametrize("name", CLOSES)
def test_a_close_of_the_client_reaches_the_consumer_and_the_answer_comes_back(name, pair):
    """Daphne answers 1000 whatever came, and it resets connections that break the protocol; so it does here."""
    outcomes = []
    for side, _ in pair.both:
        recorder = behind.fresh_name()
        with pair.open(side, f"/ws/ticket/recorded/{recorder}/") as client:
            client.send(CLOSE, CLOSES[name])
            frames = frames_until_end(client)
        disconnected = until(lambda recorder=recorder: [entry for entry in pair.recorded(recorder) if entry[0] == "disconnect"])
        outcomes.append((frames, disconnected))
    direct, through = outcomes
    assert through[1] == direct[1]
    if direct[0][-1]["op"] == "RESET" or len(direct[0]) == 1:
        assert through[0][-1]["op"] in ("EOF", "RESET")
    else:
        assert through[0] == direct[0]


CONSUMER_CLOSES = [[1000, None], [1000, "done"], [4001, "why"], [3000, None], [None, None], [4000, "x" * 123]]


@pytest.mark.parametrize("code, reason", CONSUMER_CLOSES)
def test_a_close_of_the_consumer_reaches_the_client(code, reason, pair):
    outcomes = []
    for side, _ in pair.both:
        with pair.open(side, "/ws/ticket/told/") as client:
            wanted = f'"{reason}"' if reason else "null"
            client.send_text(f'{{"text": 3, "close": [{"null" if code is None else code}, {wanted}]}}')
            got = [client.read(), client.read()]
            client.send(CLOSE, close_payload(got[1]["code"]))
            outcomes.append([*got, frames_until_end(client)[-1]["op"] in ("EOF", "RESET")])
    assert outcomes[1] == outcomes[0]
    assert outcomes[0][1]["op"] == "close"


def test_a_close_right_after_the_handshake_is_not_lost(pair):
    outcomes = []
    for side, _ in pair.both:
        with pair.open(side, "/ws/ticket/close-at-once/") as client:
            outcomes.append(client.read())
    assert outcomes[1] == outcomes[0]
    assert outcomes[0]["code"] == 4001


def test_an_exception_of_the_consumer(pair):
    """uvicorn ends TCP without a word, as a restart does, so the client is told 1012; Daphne sends 1011."""
    expected = {
        "uvicorn": ([{"op": "EOF"}], [{"op": "close", "code": 1012, "reason": ""}]),
        "daphne": ([{"op": "close", "code": 1011, "reason": ""}],) * 2,
    }[pair.kind]
    for (side, _), frames in zip(pair.both, expected):
        with pair.open(side, "/ws/ticket/told/") as client:
            client.send_text('{"raise": "asked for"}')
            assert client.read() == frames[0], side


def test_the_consumer_is_told_how_a_client_went_away(pair):
    codes = []
    for side, _ in pair.both:
        recorder = behind.fresh_name()
        with pair.open(side, f"/ws/ticket/recorded/{recorder}/") as client:
            client.send_text("kept")
            until(lambda recorder=recorder: len(pair.recorded(recorder)) == 2)
        codes.append(until(lambda recorder=recorder: pair.recorded(recorder)[2:]))
        assert pair.recorded(recorder)[:2] == [["connect"], ["receive", "kept"]]
    assert codes[1] == codes[0]


WRONG = {
    "an unmasked frame": lambda client: client.send(TEXT, b"hello", masked=False),
    "a reserved opcode": lambda client: client.send(3, b"hello"),
    "a ping of 126 bytes": lambda client: client.send(PING, b"x" * 126),
    "a fragmented ping": lambda client: client.send(PING, b"x", final=False),
    "text that is no UTF-8": lambda client: client.send(TEXT, b"\xff\xfe"),
    "a reserved bit": lambda client: client.send(TEXT, b"hello", reserved=0x40),
    "a continuation of nothing": lambda client: client.send(0, b"hello"),
    "text within a text": lambda client: (client.send(TEXT, b"a", final=False), client.send(TEXT, b"b")),
}
# These are judged before they reach Django, in the words that uvicorn has for them.
JUDGED_HERE = {"an unmasked frame", "a reserved opcode", "a ping of 126 bytes", "a fragmented ping"}


@pytest.mark.parametrize("name", WRONG)
def test_a_frame_that_is_wrong(name, pair):
    outcomes = []
    for side, _ in pair.both:
        with pair.open(side, "/ws/ticket/echo/") as client:
            WRONG[name](client)
            outcomes.append([frame for frame in frames_until_end(client) if frame["op"] not in ("EOF", "RESET", "TIMEOUT")])
    direct, through = outcomes
    if pair.kind == "uvicorn":
        assert through == direct
    elif name in JUDGED_HERE:
        assert [(frame["op"], frame["code"]) for frame in through] == [("close", 1002)]
    else:
        # Daphne resets; to the client that is a server that went away.
        assert direct == [] and through == [{"op": "close", "code": 1012, "reason": ""}]


# Slow ones


@uvicorn
def test_a_client_that_reads_nothing_stops_the_consumer(pair):
    """Memory stays bounded, and what was sent arrives in order when the client reads again."""
    before = resident(pair.gate.pid)
    with pair.open("sluicegate", "/ws/ticket/flood/") as client:
        time.sleep(1.5)
        assert resident(pair.gate.pid) - before < 8 * MIB
        for number in range(640):
            assert client.read() == {"op": "binary", "payload": number.to_bytes(4, "big") * 16384}


@uvicorn
def test_a_consumer_that_is_slow_stops_the_client(pair):
    """What the server itself does not take stays at the client."""
    before = resident(pair.gate.pid)
    with pair.open("sluicegate", "/ws/ticket/told/") as client:
        client.send_text('{"sleep": 3}')
        client.connection.settimeout(1)
        sent = 0
        try:
            while sent < 80 * MIB:
                client.send(BINARY, b"x" * 500_000)
                sent += 500_000
        except TimeoutError:
            pass
        assert resident(pair.gate.pid) - before < 8 * MIB
        assert sent < 60 * MIB


# Half-open connections and the end of sluicegate


def test_a_client_that_answers_no_ping_is_closed_and_the_consumer_learns_of_it(pair, work):
    config = '[websocket]\nping_interval = "1s"\nping_timeout = "1s"\n'
    gate = behind.gate(work, pair.overlay, pair.django, config=config)
    try:
        from support.websocket_client import Socket

        recorder = behind.fresh_name()
        with Socket(gate.address, f"/ws/public/recorded/{recorder}/") as client:
            seen = []
            while not seen or seen[-1]["op"] not in ("close", "EOF", "RESET", "TIMEOUT"):
                seen.append(client.read(6))
            assert seen[0]["op"] == "ping"
            assert seen[-1] == {"op": "close", "code": 1011, "reason": "keepalive ping timeout"}
        ended = until(lambda: [entry for entry in pair.recorded(recorder) if entry[0] == "disconnect"])
        assert ended[0][1] in (1005, 1006, 1011)
    finally:
        gate.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_sluicegate_closes_both_sides_with_1012(number, pair, work):
    from support.websocket_client import Socket

    gate = behind.gate(work, pair.overlay, pair.django)
    try:
        recorder = behind.fresh_name()
        with Socket(gate.address, f"/ws/public/recorded/{recorder}/") as client:
            until(lambda: pair.recorded(recorder) == [["connect"]])
            gate.send_signal(number)
            got = client.read()
            assert (got["op"], got.get("code")) == ("close", 1012)
            client.send(CLOSE, close_payload(1012))
            assert frames_until_end(client)[-1]["op"] in ("EOF", "RESET")
        assert gate.process.child.wait(15) == 0
        assert until(lambda: pair.recorded(recorder)[1:]) == [["disconnect", 1012]]
    finally:
        gate.stop()
