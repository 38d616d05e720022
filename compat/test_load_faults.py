"""
PostgreSQL and Redis are frozen, killed and restarted while people get tickets and come in: what each is answered, what is
lost, and how soon all is as before. Open sockets stay; no ticket that was issued while both were up is refused, but for
those that a killed Redis has forgotten. Messages of the channel layer under the same faults: test_layer_faults.py.
"""

import collections
import json
import signal
import threading
import time

import pytest

from support import http_client, overlay
from support.crowd import memory
from support.databases import Postgres
from support.redis_server import Redis
from support.sluicegate import Sluicegate
from support.tokens import bearer
from support.websocket_client import Socket

pytestmark = pytest.mark.one_django

TICKET = "/api/auth/auth_for_ws_connection/"
PEOPLE, OPEN = 12, 40
FAULT = 4.0  # seconds that it lasts: longer than the time limit of one operation
RECOVERY = 8.0
LIMIT = 7.0  # seconds for any answer: one time limit for each of two operations, and a little


@pytest.fixture(scope="module")
def postgres(work):
    server = Postgres(work)
    server.create("load")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def redis(work):
    server = Redis(work)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def gate(work, fork, postgres, redis):
    settings = {"DATABASES": {"default": postgres.django("load")}, "CACHES": overlay.redis_cache(redis.url(1))}
    path = overlay.write(work, settings, "load")
    fork.prepare(path)
    # The same user in many sockets: nobody is looked up again meanwhile, so that only handshakes ask.
    started = Sluicegate(work, path, config='[websocket]\nuser_check_interval = "off"\n')
    yield started
    started.stop()


class Load:
    """People who get a ticket and come in, again and again, until they are told to stop."""

    def __init__(self, gate):
        self.gate, self.told, self.slowest = gate, [], 0.0
        self.is_over, self.lock = threading.Event(), threading.Lock()
        self.people = [threading.Thread(target=self.come_and_go, daemon=True) for _ in range(PEOPLE)]
        for person in self.people:
            person.start()

    def note(self, what, outcome, begun):
        with self.lock:
            self.told.append((begun, what, outcome))
            self.slowest = max(self.slowest, time.monotonic() - begun)

    def come_and_go(self):
        while not self.is_over.is_set():
            begun = time.monotonic()
            answer = http_client.send(self.gate.address, "GET", TICKET, [("Host", "testserver"), bearer(1)], timeout=30)
            self.note("ticket", outcome(answer), begun)
            if answer.status != 200:
                time.sleep(0.05)
                continue
            begun = time.monotonic()
            with Socket(self.gate.address, f"/ws/chat/?uuid={answer.json()['uuid']}", timeout=30) as socket:
                self.note("socket", outcome(socket.answer), begun)
                if socket.admitted:
                    assert socket.whoami()["user"] == 1
            time.sleep(0.02)

    def end(self):
        self.is_over.set()
        for person in self.people:
            person.join(60)
            assert not person.is_alive(), "somebody is still waiting"
        return collections.Counter((what, outcome) for _, what, outcome in self.told)

    def served_since(self, moment):
        with self.lock:
            return [begun for begun, what, outcome in self.told if begun > moment and (what, outcome) == ("socket", 101)]

    def others_since(self, moment):
        with self.lock:
            return [told for told in self.told if told[0] > moment and told[2] not in (101, 200)]


def outcome(answer):
    """The status, or the code of a refusal."""
    if answer.status in (101, 200):
        return answer.status
    assert answer.status in (403, 503), answer
    if answer.status == 503:
        assert int(answer.header("retry-after")) >= 1, answer
    return answer.json()["code"]


def freeze(server):
    (server if isinstance(server, Postgres) else server.process).freeze()
    time.sleep(FAULT)
    (server if isinstance(server, Postgres) else server.process).thaw()


def kill(server):
    server.die() if isinstance(server, Postgres) else server.process.kill()
    time.sleep(FAULT)
    server.start()


def restart(server):
    server.process.stop(signal.SIGINT)  # PostgreSQL's fast shutdown
    server.start()


@pytest.mark.parametrize("fault", [freeze, kill, restart], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_people_come_in_again_and_who_is_in_stays(name, fault, request, gate, redis):
    server = request.getfixturevalue(name)
    inside = [admitted(gate) for _ in range(OPEN)]
    load = Load(gate)
    time.sleep(1.5)
    assert not load.others_since(0), "before anything happened"
    before = memory(gate.process.pid)[0]
    begun = time.monotonic()
    fault(server)
    over = time.monotonic()
    # During the fault those who are in are answered as ever; after it, all.
    for socket in inside:
        assert socket.whoami()["user"] == 1
    while not load.served_since(over):
        assert time.monotonic() - over < RECOVERY, gate.process.output()
        time.sleep(0.02)
    back = load.served_since(over)[0] - over
    time.sleep(2.5)
    settled = time.monotonic()
    time.sleep(1.5)
    assert not load.others_since(settled), f"not as before {settled - over:.1f} s later: {load.others_since(settled)[:3]}"
    told = load.end()
    print(f"\n{name}, {fault.__name__}: {over - begun:.1f} s; served again {back:.2f} s after it; slowest answer "
          f"{load.slowest:.1f} s; {json.dumps({f'{what} {how}': count for (what, how), count in sorted(told.items(), key=str)})}")  # fmt: skip
    wrong = "unavailable_cache" if name == "postgres" else "unavailable_database"
    assert not any(how == wrong for _, how in told), told
    lost = told["socket", "ticket_invalid"]
    # A ticket is redeemed once and never again: where the answer of Redis or of the database is lost, so is the ticket.
    assert lost == 0 or name == "redis", told
    assert lost <= PEOPLE, "more than the tickets that were under way"
    assert load.slowest < LIMIT
    assert memory(gate.process.pid)[0] < before + 16 * 1024
    for socket in inside:
        assert socket.whoami()["user"] == 1
        socket.drop()


def admitted(gate):
    answer = http_client.send(gate.address, "GET", TICKET, [("Host", "testserver"), bearer(1)])
    socket = Socket(gate.address, f"/ws/chat/?uuid={answer.json()['uuid']}", timeout=30)
    assert socket.admitted, socket.answer
    return socket
