"""
`hold`: Django's server goes away and comes back, and the clients' sockets stay.
"""

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import json
import time
import uuid

import pytest

from support import behind, overlay
from support.http_client import send
from support.processes import free_port
from support.raw_upstream import RawUpstream, read_head
from support.websocket_client import ACCEPT, BINARY, CLOSE, PING, PONG, TEXT, Socket, close_payload, frame, handshake_bytes

pytestmark = pytest.mark.one_django

MIB = 1024 * 1024
HOLD = '[upstream]\nhold = "60s"\n'
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    + ACCEPT.encode()
    + b"\r\n"
)


class Restartable:
    """A Django that comes back on the same port."""

    def __init__(self, work, fork, path, config=HOLD):
        self.fork, self.path = fork, path
        self.django = behind.django("uvicorn", fork, path)
        self.gate = behind.gate(work, path, self.django, config=config)
        cache = json.loads(path.read_text())
        self.database = cache["DATABASES"]["default"]["NAME"]

    def end(self, number=signal.SIGKILL):
        """Ends the server, and waits until it is gone."""
        self.django.send_signal(number)
        end = time.monotonic() + 30
        while os.path.exists(f"/proc/{self.django.pid}"):
            assert time.monotonic() < end
            time.sleep(0.01)

    def start(self):
        self.django = behind.django("uvicorn", self.fork, self.path, port=self.django.address[1])

    def ticket(self, user=behind.ALICE):
        headers = [("Host", "testserver"), behind.bearer(user)]
        return send(self.gate.address, "GET", behind.TICKET, headers).json()["uuid"]

    def open(self, path, headers=(), user=behind.ALICE):
        query = f"?uuid={self.ticket(user)}" if path.startswith("/ws/ticket/") else ""
        client = Socket(self.gate.address, path + query, headers, timeout=30)
        assert client.admitted, client.answer
        return client

    def stop(self):
        self.gate.stop()
        self.django.stop()


@pytest.fixture
def path(work, fork, redis_server, redis_databases):
    return behind.settings(work, fork, overlay.redis_cache(redis_server.url(next(redis_databases))))


@pytest.fixture
def site(work, fork, path):
    site = Restartable(work, fork, path)
    yield site
    site.stop()


@pytest.mark.parametrize("stack", ["ticket", "public"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_socket_stays_and_what_it_sends_meanwhile_arrives(number, stack, site):
    with site.open(f"/ws/{stack}/echo/") as client:
        client.send_text("before")
        assert client.read()["payload"] == b"before"
        site.end(number)
        time.sleep(0.2)
        for text in (b"one", b"two", b"three"):
            client.send(TEXT, text)
        client.send(PING, b"are you there")
        assert client.read() == {"op": "pong", "payload": b"are you there"}
        site.start()
        assert [client.read()["payload"] for _ in range(3)] == [b"one", b"two", b"three"]
        client.send(CLOSE, close_payload(4001, "done"))
        assert client.read() == {"op": "close", "code": 4001, "reason": "done"}


def test_the_consumer_sees_the_same_user_and_request_again(site):
    with site.open("/ws/ticket/scope/7/", [("X-A", "b"), ("Cookie", "c=d")], user=behind.BOB) as client:
        first = client.read_json()
        site.end()
        site.start()
        second = client.read_json()
    tickets = [told.pop("query_string") for told in (first, second)]
    assert tickets[0] != tickets[1], "a fresh ticket each time"
    for told in (first, second):
        told["headers"] = [header for header in told["headers"] if header[0] != "sec-websocket-key"]
    assert second == first
    assert second["user"] == "bob"


def test_what_does_not_fit_the_buffer_waits_at_the_client_and_nothing_is_lost(work, fork, path):
    site = Restartable(work, fork, path, config=HOLD + 'hold_buffer = "64 KiB"\n')
    try:
        with site.open("/ws/ticket/echo/") as client:
            site.end()
            time.sleep(0.2)
            before = resident(site.gate.pid)
            client.connection.settimeout(0.5)
            data = b"".join(frame(BINARY, number.to_bytes(4, "big") * 2500) for number in range(4000))  # 40 MB
            sent = 0
            with contextlib.suppress(TimeoutError):
                while sent < len(data):
                    sent += client.connection.send(data[sent : sent + 65536])
            assert sent < len(data), "it was all taken"
            assert resident(site.gate.pid) - before < 4 * MIB
            site.start()
            client.connection.settimeout(30)
            # The rest of a frame that was begun, and one more.
            size = len(data) // 4000
            whole = sent // size + 1
            client.connection.sendall(data[sent : whole * size])
            for number in range(whole):
                assert client.read(30) == {"op": "binary", "payload": number.to_bytes(4, "big") * 2500}, number
    finally:
        site.stop()


def test_the_time_is_over(work, fork, path):
    site = Restartable(work, fork, path, config='[upstream]\nhold = "1s"\n')
    try:
        with site.open("/ws/ticket/echo/") as client:
            site.end()
            started = time.monotonic()
            got = client.read()
            assert (got["op"], got["code"]) == ("close", 1012)
            assert 0.8 < time.monotonic() - started < 4
    finally:
        site.stop()


@pytest.mark.parametrize("what, code", [("is_active = 0", "user_inactive"), ("id = 99", "user_not_found")])
def test_a_user_who_may_no_longer_enter_does_not(what, code, site):
    with site.open("/ws/ticket/echo/", user=behind.BOB) as client:
        site.end()
        with sqlite3.connect(site.database, timeout=10) as connection:
            connection.execute(f"update auth_user set {what} where id = 2")
        site.start()
        assert client.read() == {"op": "close", "code": 4403, "reason": code}


def test_an_exception_of_the_consumer_looks_like_a_restart(site):
    """uvicorn ends TCP without a word in both cases."""
    with site.open("/ws/ticket/told/") as client:
        client.send_text('{"raise": "asked for"}')
        time.sleep(0.5)
        client.send_text('{"user": 1}')
        assert client.read() == {"op": "text", "payload": b"alice"}


def test_a_close_of_the_consumer_is_a_close(site):
    with site.open("/ws/ticket/told/") as client:
        client.send_text('{"close": [4001, "why"]}')
        assert client.read() == {"op": "close", "code": 4001, "reason": "why"}


def test_nothing_is_compressed_where_sockets_are_held(site):
    """A compression's memory would not survive."""
    with site.open("/ws/public/scope/", [("Sec-WebSocket-Extensions", "permessage-deflate")]) as client:
        assert client.answer.header("sec-websocket-extensions") is None
        assert "sec-websocket-extensions" not in {name for name, _ in client.read_json()["headers"]}


def test_a_client_that_goes_away_meanwhile_is_forgotten(site):
    client = site.open("/ws/ticket/recorded/gone/")
    site.end()
    time.sleep(0.2)
    client.drop()
    time.sleep(0.3)
    site.start()
    time.sleep(2.5)
    assert send(site.django.address, "GET", "/recorded/gone/", [("Host", "testserver")]).json() == []


def test_sluicegate_ends_while_it_holds(site):
    with site.open("/ws/ticket/echo/") as client:
        site.end()
        time.sleep(0.3)
        site.gate.send_signal(signal.SIGTERM)
        got = client.read()
        assert (got["op"], got["code"]) == ("close", 1012)
        client.send(CLOSE, close_payload(1012))
        assert site.gate.process.child.wait(15) == 0


# What a server may do that Django would not, or only now and then


class Script:
    """An upstream that accepts each connection's handshake and then does what the test says of that number."""

    def __init__(self, *acts):
        self.acts, self.heads = list(acts), []
        self.server = RawUpstream(self.serve)

    def serve(self, connection, recorded):
        read_head(connection, recorded)
        self.heads.append(bytes(recorded))
        key = [line for line in bytes(recorded).split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: ")][0]
        act = self.acts[min(len(self.heads), len(self.acts)) - 1]
        act(connection, accept_for(key.split(b": ")[1]))


def accept_for(key):
    import base64
    import hashlib

    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return SWITCHING.replace(ACCEPT.encode(), accept)


def accepts(*frames, protocol=None, stay=True):
    def act(connection, switching):
        chosen = b"Sec-WebSocket-Protocol: " + protocol + b"\r\n" if protocol else b""
        connection.sendall(switching + chosen + b"\r\n" + b"".join(frames))
        while stay and connection.recv(65536):
            pass
        time.sleep(0.05)

    return act


def refuses(connection, switching):
    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")


def text(data, **how):
    return frame(TEXT, data, masked=False, **how)


def closing(code):
    return frame(CLOSE, close_payload(code), masked=False)


def play(work, path, *acts, headers=(), config=HOLD):
    """All that a client reads until its socket ends, and the script."""
    script = Script(*acts)
    gate = behind.gate(work, path, script.server.url, config=config)
    try:
        with Socket(gate.address, "/ws/public/x/", headers) as client:
            assert client.admitted, client.answer
            frames = []
            while True:
                got = client.read(8)
                frames.append(got)
                if got["op"] in ("close", "EOF", "RESET", "TIMEOUT"):
                    return frames, script
    finally:
        gate.stop()
        script.server.stop()


ONE, TWO = {"op": "text", "payload": b"one"}, {"op": "text", "payload": b"two"}


def close_of(code, reason=""):
    return {"op": "close", "code": code, "reason": reason}


def test_a_server_that_says_1012_comes_back(work, path):
    frames, script = play(
        work, path, accepts(text(b"one"), closing(1012), stay=False), accepts(text(b"two"), closing(4000))
    )
    assert frames == [ONE, TWO, close_of(4000)]
    assert len(script.heads) == 2


def test_a_message_that_broke_off_cannot_be_mended(work, path):
    """At a frame's boundary the client can still be told why."""
    half = text(b"two", final=False)
    frames, _ = play(work, path, accepts(text(b"one"), half, stay=False), accepts(text(b"three")))
    assert (frames[0], frames[-1]["op"], frames[-1].get("code")) == (ONE, "close", 1012)
    frames, _ = play(work, path, accepts(text(b"one"), text(b"two")[:-1], stay=False), accepts(text(b"three")))
    assert frames[0] == ONE
    assert frames[-1]["op"] in ("EOF", "RESET")


def test_a_server_that_refuses_the_socket_the_second_time(work, path):
    frames, _ = play(work, path, accepts(text(b"one"), stay=False), refuses)
    assert (frames[0], frames[1]["op"], frames[1]["code"]) == (ONE, "close", 1012)


def test_a_server_that_chooses_another_subprotocol_the_second_time(work, path):
    offered = [("Sec-WebSocket-Protocol", "a, b")]
    acts = [accepts(text(b"one"), protocol=b"a", stay=False), accepts(text(b"two"), protocol=b"b")]
    frames, _ = play(work, path, *acts, headers=offered)
    assert (frames[0], frames[1]["op"], frames[1]["code"]) == (ONE, "close", 1012)
    acts[1] = accepts(text(b"two"), closing(4000), protocol=b"a")
    frames, _ = play(work, path, *acts, headers=offered)
    assert frames == [ONE, TWO, close_of(4000)]


def test_a_server_that_never_keeps_a_socket_is_given_up(work, path):
    """The time counts from the first loss: to come back for a moment does not begin it anew."""
    started = time.monotonic()
    frames, script = play(work, path, accepts(stay=False), config='[upstream]\nhold = "2s"\n')
    assert (frames[-1]["op"], frames[-1]["code"]) == ("close", 1012)
    assert 1.5 < time.monotonic() - started < 6
    assert 3 <= len(script.heads) <= 12, "it backs off"


# 2,000 of them

CLIENTS, WITH_TICKETS = 2000, 500


class Client:
    """One of many sockets in this process; pings are answered whatever it waits for."""

    def __init__(self):
        self.heard, self.ended = asyncio.Queue(), None

    async def open(self, address, target):
        self.reader, self.writer = await asyncio.open_connection(*address)
        self.writer.write(handshake_bytes(target))
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.listener = asyncio.create_task(self.listen())

    async def listen(self):
        try:
            while self.ended is None:
                head = await self.reader.readexactly(2)
                payload = await self.reader.readexactly(head[1])
                if head[0] & 0x0F == PING:
                    self.writer.write(frame(PONG, payload))
                elif head[0] & 0x0F == CLOSE:
                    self.ended = payload
                else:
                    self.heard.put_nowait(payload)
        except (OSError, EOFError) as error:
            self.ended = error
        self.heard.put_nowait(None)

    def say(self, text):
        self.writer.write(frame(TEXT, text))

    async def hear(self):
        text = await self.heard.get()
        assert text is not None, f"the socket ended: {self.ended}"
        return text

    async def echoes(self, text):
        self.say(text)
        assert await self.hear() == text


def resident(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def test_2000_sockets_outlive_two_restarts(work, fork, path, redis_server, capsys):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # The time counts over both restarts, which follow each other closely.
    site = Restartable(work, fork, path, config='[upstream]\nhold = "5m"\n')
    location = json.loads(path.read_text())["CACHES"]["default"]["LOCATION"]
    redis = redis_server.client(int(location.rsplit("/", 1)[1]))
    tickets = [str(uuid.uuid4()) for _ in range(WITH_TICKETS)]
    for ticket in tickets:
        redis.set(f":1:{ticket}", b"1", ex=600)
    targets = [f"/ws/ticket/echo/?uuid={ticket}" for ticket in tickets] + ["/ws/public/echo/"] * (CLIENTS - WITH_TICKETS)
    memory, times = {"at first": resident(site.gate.pid)}, {}

    async def run():
        clients = [Client() for _ in targets]
        started = time.monotonic()
        waiting = iter(list(zip(clients, targets)))

        async def opener():
            for client, target in waiting:
                await client.open(site.gate.address, target)

        await asyncio.gather(*[opener() for _ in range(40)])
        times["all open"] = time.monotonic() - started
        await asyncio.gather(*[client.echoes(b"before") for client in clients])
        memory["open"] = resident(site.gate.pid)
        for number in (signal.SIGTERM, signal.SIGKILL):
            name = number.name
            await asyncio.to_thread(site.end, number)
            await asyncio.sleep(1)
            # Half of them speak while nobody is there.
            text = b"while it was away: " + name.encode()
            for client in clients[::2]:
                client.say(text)
            await asyncio.sleep(0.5)
            memory[f"held after {name}"] = resident(site.gate.pid)
            started = time.monotonic()
            await asyncio.to_thread(site.start)
            heard = await asyncio.gather(*[client.hear() for client in clients[::2]])
            assert set(heard) == {text}
            await asyncio.gather(*[client.echoes(b"after") for client in clients])
            times[f"all served after {name}"] = time.monotonic() - started
            memory[f"served after {name}"] = resident(site.gate.pid)
        assert [client.ended for client in clients if client.ended is not None] == []
        for client in clients:
            client.listener.cancel()
            client.writer.transport.abort()

    try:
        asyncio.run(asyncio.wait_for(run(), 150))
    except Exception:
        print(site.gate.output())
        raise
    finally:
        site.stop()
    with capsys.disabled():
        told = [f"{name} {value / MIB:.1f} MiB" for name, value in memory.items()]
        told += [f"{name} in {value:.1f} s" for name, value in times.items()]
        print(f"\n{CLIENTS} sockets, sluicegate's memory: {'; '.join(told)}")
    growth = max(memory.values()) - memory["at first"]
    assert growth < CLIENTS * 40 * 1024, f"{growth / CLIENTS:.0f} bytes a socket"
