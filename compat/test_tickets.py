"""A ticket issued by either is redeemed by the other, wherever tickets and users are kept."""

import importlib
import os

import django
import pytest

from support import http_client, overlay
from support.django_server import DjangoUnderUvicorn
from support.sluicegate import Sluicegate
from support.stack import CACHES, covering_subset, everything, people, small_subset
from support.tokens import bearer
from support.websocket_client import Socket

TICKET = "/api/auth/auth_for_ws_connection/"

if os.environ.get("COMPAT_ALL"):
    COMBINATIONS = everything()
elif django.VERSION[:2] == (5, 2):
    COMBINATIONS = covering_subset()
else:
    COMBINATIONS = small_subset()
IN_REDIS = [combination for combination in COMBINATIONS if combination.cache != "database"]


class Both:
    """Django under uvicorn and sluicegate on one database and one cache."""

    def __init__(self, work, fork, servers, redis_databases, combination):
        self.combination = combination
        self.people = people(combination.user_model, combination.database)
        number = next(redis_databases)
        self.caches = CACHES[combination.cache](servers, number)
        settings = {"DATABASES": servers.databases(combination.database, combination.user_model), "CACHES": self.caches}
        settings = overlay.with_user_model(settings, combination.user_model)
        path = overlay.write(work, settings, "tickets")
        self.redis = None if combination.cache == "database" else self._redis(servers, number)
        # JwtAuthMiddleware calls the cache from async code, which Django refuses to its database cache unless told.
        unsafe = {"DJANGO_ALLOW_ASYNC_UNSAFE": "true"} if combination.cache == "database" else {}
        self.django = DjangoUnderUvicorn(fork, path, env=unsafe)
        try:
            self.gate = Sluicegate(work, path)
        except BaseException:
            self.django.stop()
            raise

    def _redis(self, servers, number):
        cache = self.combination.cache
        by_name = {"redis, Unix socket": "redis_on_socket", "redis, password": "redis_with_password", "redis, TLS": "redis_with_tls"}
        return getattr(servers, by_name.get(cache, "redis")).client(number)

    def stop(self):
        self.django.stop()
        self.gate.stop()


@pytest.fixture(scope="module")
def both(request, work, fork, servers, redis_databases):
    both = Both(work, fork, servers, redis_databases, request.param)
    yield both
    both.stop()


each_combination = pytest.mark.parametrize("both", COMBINATIONS, ids=map(str, COMBINATIONS), indirect=True)


def issue(server, person):
    answer = http_client.send(server.address, "GET", TICKET, [("Host", "testserver"), bearer(person.claim)])
    assert answer.status == 200, f"{server.server}, user {person.id!r}: {answer.status} {answer.text()[:300]}\n{server.output()}"
    return answer.json()["uuid"]


def redeem(server, ticket):
    """Whom the server admitted; or the status of its refusal."""
    with Socket(server.address, f"/ws/chat/?uuid={ticket}") as socket:
        return socket.whoami() if socket.admitted else socket.answer.status


@each_combination
def test_each_redeems_what_the_other_issued(both):
    for person in (person for person in both.people if person.active):
        known = {"user": person.id if isinstance(person.id, int) else person.claim, "username": person.username}
        for issuer, redeemer in ((both.django, both.gate), (both.gate, both.django), (both.gate, both.gate)):
            ticket = issue(issuer, person)
            way = f"{issuer.server} -> {redeemer.server}, user {person.id!r}"
            assert redeem(redeemer, ticket) == known, way
            assert redeem(redeemer, ticket) in (403, 500), f"{way}: a second time"
            assert redeem(issuer, ticket) in (403, 500), f"{way}: a second time, at the issuer"


@pytest.mark.parametrize("both", IN_REDIS, ids=map(str, IN_REDIS), indirect=True)
def test_both_leave_the_same_bytes_in_the_cache(both):
    for person in (person for person in both.people if person.active):
        entries = {}
        for server in (both.django, both.gate):
            both.redis.flushdb()
            ticket = issue(server, person)
            [key] = both.redis.keys("*")
            value = uncompressed(both.redis.get(key), both.combination.cache)
            entries[server.server] = (key.decode().replace(ticket, "<ticket>"), value)
            assert 590_000 < both.redis.pttl(key) <= 600_000
        assert entries["sluicegate"] == entries["uvicorn"], f"user {person.id!r}"


def uncompressed(value, cache):
    """What a compressor makes of a value depends on its library: what it gives back does not."""
    module = {"zlib": "zlib", "gzip": "gzip", "lz4": "lz4.frame", "zstd": "pyzstd"}.get(cache.rpartition(", ")[2])
    if module is None or value.isdigit():
        return value
    return importlib.import_module(module).decompress(value)


@each_combination
def test_an_inactive_user_gets_no_ticket_from_either(both):
    person = next(person for person in both.people if not person.active)
    for server in (both.django, both.gate):
        answer = http_client.send(server.address, "GET", TICKET, [("Host", "testserver"), bearer(person.claim)])
        assert (answer.status, answer.json()["code"]) == (401, "user_inactive")
