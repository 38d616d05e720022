"""A limit per user holds over all sluicegates on one Redis: what one lets go another lets in, and what was killed ends."""

import time
import uuid

import pytest

from support import overlay
from support.redis_server import Redis
from support.sluicegate import Sluicegate
from support.websocket_client import Socket

LEASE = 15.0  # seconds for which a killed process's sockets count
CONFIG = "[limits]\nconnections_per_user = 3\n"
USER = 1


@pytest.fixture(scope="module")
def own_redis(work):
    server = Redis(work)
    yield server
    server.stop()


@pytest.fixture
def gates(work, own_redis, sqlite_files):
    own_redis.client().flushall()
    caches = overlay.redis_cache(own_redis.url(), KEY_PREFIX="site")
    settings = overlay.write(work, {"CACHES": caches, "DATABASES": sqlite_files.make()}, "shared")
    started = [Sluicegate(work, settings, config=CONFIG) for _ in range(2)]
    yield started
    for gate in started:
        gate.stop()


def knock(gate, redis):
    ticket = str(uuid.uuid4())
    redis.client().set(f"site:1:{ticket}", USER, ex=60)
    return Socket(gate.address, f"/ws/chat/?uuid={ticket}")


def enter(gate, redis):
    socket = knock(gate, redis)
    assert socket.admitted, socket.answer
    return socket


def is_refused(gate, redis):
    with knock(gate, redis) as socket:
        if socket.admitted:
            return False
        assert (socket.answer.status, socket.answer.json()["code"]) == (429, "limit_user")
        return True


def until_let_in(gate, redis, seconds):
    begun = time.monotonic()
    while is_refused(gate, redis):
        assert time.monotonic() - begun < seconds, f"nobody is let in for {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begun


def test_two_sluicegates_count_together(gates, own_redis):
    one, other = gates
    sockets = [enter(one, own_redis), enter(one, own_redis), enter(other, own_redis)]
    assert is_refused(one, own_redis) and is_refused(other, own_redis)
    sockets[0].drop()
    assert until_let_in(other, own_redis, 3) < 3
    for socket in sockets:
        socket.drop()
    for gate in gates:
        assert gate.process.stop() == 0
    assert own_redis.client().keys("*sluicegate.users*") == []


def test_sockets_of_a_killed_sluicegate_count_for_the_lease_and_no_longer(gates, own_redis):
    one, other = gates
    sockets = [enter(one, own_redis) for _ in range(3)]
    # Renewed meanwhile.
    time.sleep(1)
    assert is_refused(other, own_redis)
    one.process.kill()
    assert is_refused(other, own_redis)
    took = until_let_in(other, own_redis, LEASE + 3)
    print(f"\nlet in {took:.1f} s after the kill")
    assert took > LEASE - 6, "the lease is renewed each 5 s"
    for socket in sockets:
        socket.drop()


def test_a_cleared_cache_is_written_again_within_a_renewal(gates, own_redis):
    one, other = gates
    sockets = [enter(one, own_redis) for _ in range(3)]
    own_redis.client().flushall()
    end = time.monotonic() + 8
    while not own_redis.client().keys("site:1:sluicegate.users.*"):
        assert time.monotonic() < end, "it is not written again"
        time.sleep(0.1)
    assert is_refused(other, own_redis)
    for socket in sockets:
        socket.drop()


def test_a_redis_user_who_may_not_count_falls_back_to_one_process(work, own_redis, sqlite_files):
    client = own_redis.client()
    client.execute_command("ACL", "SETUSER", "tickets", "on", ">secret", "~*", "+@all", "-eval", "-evalsha")
    url = own_redis.url().replace("redis://", "redis://tickets:secret@")
    settings = {"CACHES": overlay.redis_cache(url, KEY_PREFIX="site"), "DATABASES": sqlite_files.make()}
    gate = Sluicegate(work, overlay.write(work, settings, "shared-acl"), config=CONFIG)
    try:
        sockets = [enter(gate, own_redis) for _ in range(3)]
        assert is_refused(gate, own_redis)
        log = gate.process.log.read_text(encoding="utf-8")
        assert log.count("counts the sockets of this process alone") == 1
        for socket in sockets:
            socket.drop()
    finally:
        gate.stop()
