"""Thousands of clients in one process, which remember what they were sent."""

import asyncio
import collections
import itertools
import resource
import struct
import threading
import time

from support.websocket_client import BINARY, CLOSE, PING, PONG, TEXT, close_payload, frame, handshake_bytes

# So many loopback addresses are connected from, in turn, that ports do not run out.
ADDRESSES = 200


def _set(future):
    """Who waited may have been cancelled."""
    if not future.done():
        future.set_result(None)


class Client(asyncio.Protocol):
    """
    `texts`: what came, in order. `ended`: None, or how: a close code, or "EOF"; `ended_at`: when, by the loop's clock.
    `head`: the answer's, where it is a refusal.
    """

    __slots__ = ("texts", "ended", "ended_at", "status", "head", "transport", "_answered", "_gone", "_rest")

    def __init__(self, loop):
        self.texts, self.ended, self.ended_at, self.status, self.head, self._rest = [], None, None, None, b"", b""
        self._answered, self._gone = loop.create_future(), loop.create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self._rest:
            data = self._rest + data
        at = 0
        if self.status is None:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._rest = data
                return
            self.status, at = int(data[9:12]), end + 4
            if self.status != 101:
                self.head = data[:end]
            _set(self._answered)
        while len(data) - at >= 2:
            first, length = data[at], data[at + 1]
            body = at + 2
            if length >= 126:
                body += 2 if length == 126 else 8
                if len(data) < body:
                    break
                length = int.from_bytes(data[at + 2 : body], "big")
            if len(data) < body + length:
                break
            at = body + length
            self._frame(first & 0x0F, data[body:at])
        self._rest = data[at:]

    def _frame(self, opcode, payload):
        if opcode in (TEXT, BINARY):
            self.texts.append(payload)
        elif opcode == PING:
            self.transport.write(frame(PONG, payload))
        elif opcode == CLOSE:
            self.ended = struct.unpack(">H", payload[:2])[0] if payload else 1005
            self.ended_at = time.monotonic()
            self.transport.write(frame(CLOSE, payload[:2]))

    def connection_lost(self, error):
        self.ended = self.ended or "EOF"
        _set(self._answered)
        _set(self._gone)


class Crowd:
    """A thread with an event loop of its own."""

    def __init__(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        import uvloop

        self._loop, self._clients = uvloop.new_event_loop(), []
        self._sources = itertools.cycle(f"127.0.1.{number + 1}" for number in range(ADDRESSES))
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def _run(self, work, seconds):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def open(self, address, targets, *, at_once=100, seconds=120):
        """A client for each target, in order; all are admitted, or this fails."""
        clients = self._run(self._open_all(address, list(targets), at_once), seconds)
        self._clients += clients
        refused = {client.status for client in clients} - {101}
        assert not refused, f"answered with {refused}"
        return clients

    def begin(self, address, targets):
        """A client for each target, which has sent its handshake and may wait for the answer."""

        async def all_of_them():
            return [await self._begin(address, target) for target in targets]

        clients = self._run(all_of_them(), 120)
        self._clients += clients
        return clients

    async def _open_all(self, address, targets, at_once):
        room = asyncio.Semaphore(at_once)

        async def one(target):
            async with room:
                return await self._open(address, target)

        return await asyncio.gather(*map(one, targets))

    async def _open(self, address, target):
        client = await self._begin(address, target)
        await client._answered
        return client

    async def _begin(self, address, target):
        source = (next(self._sources), 0)
        _, client = await self._loop.create_connection(lambda: Client(self._loop), *address, local_addr=source)
        client.transport.write(handshake_bytes(target))
        return client

    def come_and_go(self, address, targets, *, at_once, every, seconds):
        """A client for each target: opens, waits for a text, and leaves; a new one starts each `every` seconds."""

        async def all_of_them():
            room = asyncio.Semaphore(at_once)
            started = self._loop.time()
            tasks = []
            for number, (target, leave) in enumerate(targets):
                await asyncio.sleep(max(0, started + number * every - self._loop.time()))
                await room.acquire()
                task = self._loop.create_task(one(target, leave))
                task.add_done_callback(lambda _: room.release())
                tasks.append(task)
            return await asyncio.gather(*tasks)

        async def one(target, leave):
            client = await self._open(address, target)
            if client.status != 101:
                return f"answered with {client.status}"
            client.transport.write(frame(TEXT, b'{"action": "say", "message": "hello"}'))
            for _ in range(1000):
                if client.texts or client.ended:
                    break
                await asyncio.sleep(0.02)
            told = "heard" if client.texts else f"heard nothing, ended with {client.ended}"
            if leave == "drop":
                client.transport.abort()
            else:
                client.transport.write(frame(CLOSE, close_payload(1000)))
            await asyncio.wait_for(client._gone, 30)
            return told

        return self._run(all_of_them(), seconds)

    def keep_coming(self, address, targets, *, every):
        """
        A new client each `every` seconds, which leaves as soon as it is answered. What is returned ends this when it is
        called, and says how often clients were answered how: {101: 512, "ConnectionRefusedError": 3}.
        """
        ending, told = threading.Event(), collections.Counter()

        async def one(target):
            try:
                client = await self._open(address, target)
            except OSError as error:
                told[type(error).__name__] += 1
                return
            told[client.status or "dropped"] += 1
            client.transport.abort()
            await client._gone

        async def come():
            tasks = []
            for target in targets:
                if ending.is_set():
                    break
                tasks.append(self._loop.create_task(one(target)))
                await asyncio.sleep(every)
            await asyncio.wait_for(asyncio.gather(*tasks), 30)

        coming = asyncio.run_coroutine_threadsafe(come(), self._loop)

        def end():
            ending.set()
            coming.result(60)
            return dict(told)

        return end

    def leave(self, clients):
        """Breaks their connections."""
        self._run(self._abort(clients), 60)

    def stop(self):
        """Breaks what is still connected."""
        self.leave(self._clients)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _abort(self, clients):
        for client in clients:
            client.transport.abort()
        await asyncio.gather(*(client._gone for client in clients))


def wait_until(ready, seconds=30, what="it"):
    """What `ready()` returned when it was true."""
    end = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < end, f"{what} took more than {seconds} s"
        time.sleep(0.02)
    return found


def memory(pid):
    """Of a process: (all that is resident, and of that what is no file's), in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return tuple(int(fields[name].split()[0]) for name in ("VmRSS", "RssAnon"))
