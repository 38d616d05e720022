"""
Redis and the database freeze, die and come back. sluicegate answers 503 with Retry-After within its time limit, never
that a ticket is invalid, and serves again without a restart.
"""

import sqlite3
import time
from contextlib import contextmanager

import pytest

from support import http_client, overlay
from support.databases import MariaDb, Postgres
from support.django_server import DjangoUnderUvicorn
from support.redis_server import Redis
from support.sluicegate import Sluicegate
from support.tokens import bearer
from support.websocket_client import Socket, Unsent

TICKET = "/api/auth/auth_for_ws_connection/"
UNKNOWN = "0f5a3c1e-8d2b-4a6f-9c7e-1b2d3e4f5a6b"
LIMIT = 5.0  # seconds for an answer: the time limits of one operation are 3 s by default
RECOVERY = 8.0  # seconds until it serves again


@pytest.fixture(scope="module")
def own_redis(work):
    server = Redis(work)
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def own_database(request, work, fork):
    server = Postgres(work) if request.param == "postgresql" else MariaDb(work)
    server.create("faults")
    settings = {"DATABASES": {"default": server.django("faults")}, "CACHES": overlay.database_cache()}
    fork.prepare(overlay.write(work, settings, "faults"))
    yield server
    server.stop()


@contextmanager
def gate_on(work, databases, caches):
    gate = Sluicegate(work, overlay.write(work, {"DATABASES": databases, "CACHES": caches}, "faults"))
    try:
        yield gate
    finally:
        gate.stop()


def ask(gate, user=1):
    return http_client.send(gate.address, "GET", TICKET, [("Host", "testserver"), bearer(user)], timeout=30)


def knock(gate, ticket=UNKNOWN):
    with Socket(gate.address, f"/ws/chat/?uuid={ticket}", timeout=30) as socket:
        return socket.answer


def serves(gate):
    answer = ask(gate)
    return answer.status == 200 and knock(gate, answer.json()["uuid"]).status == 101


def recovers(gate):
    end = time.monotonic() + RECOVERY
    while not serves(gate):
        assert time.monotonic() < end, f"does not serve again\n{gate.output()}"
        time.sleep(0.2)


def is_unavailable(call, code, gate):
    """A 503 in time, with a reason and when to come again."""
    started = time.monotonic()
    answer = call(gate)
    took = time.monotonic() - started
    assert answer.status == 503, f"{answer}\n{gate.output()}"
    assert answer.json()["code"] == code
    assert int(answer.header("retry-after")) >= 1
    assert took < LIMIT, f"the answer took {took:.1f} s"


def becomes(status, gate):
    """What `/readyz` answers; it asks the parts once a second at most. `/healthz` is always 200: the process lives."""
    end = time.monotonic() + RECOVERY
    while probe(gate, "/readyz") != status:
        assert time.monotonic() < end, f"/readyz is not {status}"
        time.sleep(0.2)
    return probe(gate, "/healthz") == 200


def probe(gate, path):
    return http_client.send(gate.address, "GET", path, [("Host", "anything")]).status


@pytest.mark.parametrize("fault", ["frozen", "dead"])
def test_a_redis_that_does_not_answer(fault, work, sqlite_files, own_redis):
    with gate_on(work, sqlite_files.make(), overlay.redis_cache(own_redis.url(1))) as gate:
        assert serves(gate)
        assert becomes(200, gate)
        own_redis.process.freeze() if fault == "frozen" else own_redis.process.kill()
        try:
            is_unavailable(ask, "unavailable_cache", gate)
            is_unavailable(knock, "unavailable_cache", gate)
            assert becomes(503, gate)
        finally:
            own_redis.process.thaw() if fault == "frozen" else own_redis.start()
        recovers(gate)
        assert becomes(200, gate)


def test_many_at_once_do_not_wait_for_each_other(work, sqlite_files, own_redis):
    with gate_on(work, sqlite_files.make(), overlay.redis_cache(own_redis.url(2))) as gate:
        assert serves(gate)
        own_redis.process.freeze()
        try:
            sockets = [Unsent(gate.address) for _ in range(100)]
            started = time.monotonic()
            for socket in sockets:
                socket.fire(f"/ws/chat/?uuid={UNKNOWN}")
            answers = [socket.finish() for socket in sockets]
            took = time.monotonic() - started
        finally:
            own_redis.process.thaw()
        for socket in sockets:
            socket.drop()
        assert {(answer.status, answer.json()["code"]) for answer in answers} == {(503, "unavailable_cache")}
        assert took < LIMIT
        recovers(gate)


def test_a_redis_that_lost_its_connections_is_not_noticed(work, sqlite_files, own_redis):
    """As after a failover or an idle time-out: the next request opens a new one."""
    with gate_on(work, sqlite_files.make(), overlay.redis_cache(own_redis.url(3))) as gate:
        assert serves(gate)
        own_redis.client().client_kill_filter(_type="normal", skipme=True)
        time.sleep(0.2)
        assert serves(gate), gate.output()


@pytest.mark.parametrize("fault", ["frozen", "dead"])
def test_a_database_that_does_not_answer(fault, work, own_redis, own_database):
    databases = {"default": own_database.django("faults")}
    with gate_on(work, databases, overlay.redis_cache(own_redis.url(4))) as gate:
        assert serves(gate)
        ticket = ask(gate).json()["uuid"]
        own_database.freeze() if fault == "frozen" else own_database.die()
        try:
            is_unavailable(ask, "unavailable_database", gate)
            is_unavailable(lambda gate: knock(gate, ticket), "unavailable_database", gate)
            assert knock(gate).json()["code"] == "ticket_invalid"  # no user to look up
            assert becomes(503, gate)
        finally:
            own_database.thaw() if fault == "frozen" else own_database.restart()
        recovers(gate)


@pytest.mark.parametrize("fault", ["frozen", "dead"])
def test_a_database_cache_that_does_not_answer(fault, work, own_database):
    databases = {"default": own_database.django("faults")}
    with gate_on(work, databases, overlay.database_cache()) as gate:
        assert serves(gate)
        own_database.freeze() if fault == "frozen" else own_database.die()
        try:
            is_unavailable(knock, "unavailable_cache", gate)
        finally:
            own_database.thaw() if fault == "frozen" else own_database.restart()
        recovers(gate)


def test_a_locked_sqlite_file(work, sqlite_files, own_redis):
    databases = sqlite_files.make()
    with gate_on(work, databases, overlay.redis_cache(own_redis.url(5))) as gate:
        assert serves(gate)
        holder = sqlite3.connect(databases["default"]["NAME"], isolation_level=None)
        holder.execute("begin exclusive")
        try:
            is_unavailable(ask, "unavailable_database", gate)
        finally:
            holder.execute("rollback")
            holder.close()
        recovers(gate)


def test_django_answers_500_where_redis_is_dead(work, fork, sqlite_files):
    """What sluicegate differs from, still true."""
    redis = Redis(work)
    settings = {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(redis.url(1))}
    django = DjangoUnderUvicorn(fork, overlay.write(work, settings, "faults"))
    try:
        assert ask(django).status == 200
        redis.stop()
        assert ask(django).status == 500
        assert knock(django).status == 500
    finally:
        django.stop()
        redis.stop()
