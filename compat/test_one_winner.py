"""One ticket in two hundred handshakes at once, over two processes: exactly one is admitted, wherever tickets are."""

import pytest

from support import http_client, overlay
from support.django_server import DjangoUnderUvicorn
from support.sluicegate import Sluicegate
from support.stack import CACHES
from support.tokens import bearer
from support.websocket_client import Unsent

TICKET = "/api/auth/auth_for_ws_connection/"
HANDSHAKES = 200
ROUNDS = 3
STORES = [
    ("sqlite", "redis"),
    ("sqlite", "django-redis"),
    ("sqlite", "django-redis, Sentinel"),
    ("sqlite", "redis, TLS"),
    ("sqlite", "database"),
    ("postgresql", "database"),
    ("pgbouncer", "database"),
    ("mariadb", "database"),
]


def race(addresses, ticket):
    """All connections stand before the first handshake goes out; the answers of all."""
    sockets = [Unsent(addresses[number % len(addresses)]) for number in range(HANDSHAKES)]
    try:
        for socket in sockets:
            socket.fire(f"/ws/chat/?uuid={ticket}")
        return [socket.finish() for socket in sockets]
    finally:
        for socket in sockets:
            socket.drop()


def issue(server):
    answer = http_client.send(server.address, "GET", TICKET, [("Host", "testserver"), bearer(1)])
    assert answer.status == 200, answer
    return answer.json()["uuid"]


@pytest.mark.parametrize("database, cache", STORES, ids=[" / ".join(store) for store in STORES])
def test_one_of_two_hundred_is_admitted(database, cache, work, fork, servers, redis_databases):
    settings = {"DATABASES": servers.databases(database), "CACHES": CACHES[cache](servers, next(redis_databases))}
    path = overlay.write(work, settings, "race")
    gates = [Sluicegate(work, path), Sluicegate(work, path)]
    try:
        for _ in range(ROUNDS):
            answers = race([gate.address for gate in gates], issue(gates[0]))
            assert [answer.status for answer in answers].count(101) == 1
            others = {(answer.status, answer.json()["code"]) for answer in answers if answer.status != 101}
            assert others == {(403, "ticket_invalid")}
    finally:
        for gate in gates:
            gate.stop()


def test_django_and_sluicegate_together_admit_one(work, fork, servers, redis_databases):
    """Python reads, then deletes, and the deletion counts: beside our GETDEL that still lets one in."""
    number = next(redis_databases)
    settings = {"DATABASES": servers.databases("sqlite"), "CACHES": CACHES["redis"](servers, number)}
    path = overlay.write(work, settings, "race")
    django, gate = DjangoUnderUvicorn(fork, path), Sluicegate(work, path)
    try:
        for _ in range(ROUNDS):
            answers = race([django.address, gate.address], issue(gate))
            assert [answer.status for answer in answers].count(101) == 1
    finally:
        django.stop()
        gate.stop()
