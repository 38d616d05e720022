"""
Clients that come back when their socket is cut, as docs/limits.md tells them to: with a new ticket each time, when
`Retry-After` says, else after a random pause that grows. A browser is not told why a handshake failed; an app is, and
keeps the ticket that a 503 has not used up.
"""

import asyncio
import collections
import itertools
import json
import random
import threading
import time

from support.crowd import Client, Crowd
from support.http_client import request_bytes
from support.tokens import bearer
from support.websocket_client import handshake_bytes

TICKET_VIEW = "/api/auth/auth_for_ws_connection/"
PATIENCE = 60  # seconds, for one answer
LONGEST_PAUSE = 30


class Answer(asyncio.Protocol):
    """One answer, after which the server closes."""

    __slots__ = ("data", "done")

    def __init__(self, loop):
        self.data, self.done = b"", loop.create_future()

    def data_received(self, data):
        self.data += data

    def connection_lost(self, error):
        if not self.done.done():
            self.done.set_result(None)


class Visitor:
    """`back_at`: since when it has a socket, by the monotonic clock, or None. `tickets`: how many it was given."""

    __slots__ = ("user", "target", "source", "is_app", "client", "ticket", "tickets", "attempts", "back_at")

    def __init__(self, user, target, source, is_app):
        self.user, self.target, self.source, self.is_app = user, target, source, is_app
        self.client = self.ticket = self.back_at = None
        self.tickets = self.attempts = 0


class Refused(Exception):
    """No socket. `retry_after`: when to try again, in seconds, where that was said."""

    def __init__(self, retry_after=None):
        self.retry_after = retry_after


class Browsers(Crowd):
    """`told`: what came of all attempts: {"ticket 200": 100, "socket 101": 99, "socket 503": 1}."""

    def __init__(self, address):
        super().__init__()
        self.address, self.visitors = address, []
        self.told, self.pauses = collections.Counter(), collections.Counter()
        self._alive, self._tasks = True, []

    def come(self, people, within):
        """A visitor for each (user, target, source address), every second one an app; all set out `within` these seconds."""
        added = [Visitor(*person, is_app=number % 2 == 1) for number, person in enumerate(people)]
        self.visitors += added

        async def begin():
            self._tasks += [self._loop.create_task(self._visit(visitor, random.random() * within)) for visitor in added]

        self._run(begin(), 60)

    def wait_for_all(self, since, seconds):
        """Until all have a socket that is younger than `since`. The seconds after which each had it, in order."""
        end = time.monotonic() + seconds
        while missing := sum((visitor.back_at or 0) < since for visitor in self.visitors):
            assert time.monotonic() < end, f"{missing} wait after {seconds} s: {dict(self.told)}"
            time.sleep(0.05)
        return sorted(visitor.back_at - since for visitor in self.visitors)

    def forget(self):
        """Counts from here on."""
        self.told, self.pauses = collections.Counter(), collections.Counter()
        for visitor in self.visitors:
            visitor.tickets = visitor.attempts = 0

    def stop(self):
        self._alive = False
        self._run(self._leave(), 60)
        super().stop()

    async def _leave(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for visitor in self.visitors:
            if visitor.client:
                visitor.client.transport.abort()

    async def _visit(self, visitor, pause):
        failures = 0
        while self._alive:
            await asyncio.sleep(pause)
            retry_after = None
            try:
                visitor.attempts += 1
                async with asyncio.timeout(PATIENCE):
                    await self._attempt(visitor)
            except Refused as refused:
                failures, retry_after = failures + 1, refused.retry_after
            except (OSError, TimeoutError) as error:
                failures += 1
                self.told[type(error).__name__] += 1
            else:
                failures, visitor.back_at = 0, time.monotonic()
                await visitor.client._gone
                visitor.back_at = None
            pause = random.random() * min(LONGEST_PAUSE, 2**failures)
            if retry_after is not None:
                self.pauses[retry_after] += 1
                pause = retry_after + random.random()

    async def _attempt(self, visitor):
        if visitor.ticket is None:
            visitor.ticket = await self._ticket(visitor)
            visitor.tickets += 1
        where = {"local_addr": (visitor.source, 0)}
        _, client = await self._loop.create_connection(lambda: Client(self._loop), *self.address, **where)
        visitor.client = client
        client.transport.write(handshake_bytes(f"{visitor.target}?uuid={visitor.ticket}"))
        try:
            await client._answered
        finally:
            if client.status != 101:
                client.transport.abort()
        self.told[f"socket {client.status or 'dropped'}"] += 1
        if client.status == 101:
            visitor.ticket = None
            return
        if not visitor.is_app:
            visitor.ticket = None
            raise Refused
        if client.status != 503:
            visitor.ticket = None
        raise Refused(retry_after_of(client.head))

    async def _ticket(self, visitor):
        headers = [("Host", "testserver"), bearer(visitor.user), ("Connection", "close")]
        where = {"local_addr": (visitor.source, 0)}
        transport, answer = await self._loop.create_connection(lambda: Answer(self._loop), *self.address, **where)
        transport.write(request_bytes("GET", TICKET_VIEW, headers))
        try:
            await answer.done
        finally:
            transport.abort()
        head, _, body = answer.data.partition(b"\r\n\r\n")
        status = head[9:12].decode() or "dropped"
        self.told[f"ticket {status}"] += 1
        if status != "200":
            raise Refused(retry_after_of(head))
        return json.loads(body)["uuid"]


def retry_after_of(head):
    """Of an answer's head, in seconds."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"retry-after":
            return int(value)
    return None


class Watch:
    """Asks again and again, in a thread; `highest` is the most that each question was answered with."""

    def __init__(self, every=0.1, **questions):
        self.highest, self.failed = dict.fromkeys(questions, 0), None
        self._end = threading.Event()

        def ask():
            while not self._end.wait(every):
                for name, question in questions.items():
                    try:
                        self.highest[name] = max(self.highest[name], question())
                    except Exception as error:
                        self.failed = error

        self._thread = threading.Thread(target=ask)
        self._thread.start()

    def stop(self):
        self._end.set()
        self._thread.join()
        if self.failed:
            raise self.failed
        return self.highest


def sources(count):
    """So many loopback addresses, in turn."""
    return itertools.cycle(f"127.0.{2 + number // 250}.{1 + number % 250}" for number in range(count))
