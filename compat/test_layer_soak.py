"""
Sockets come and go, and groups with them: memory returns to where it was, and nothing is left in Redis.
`COMPAT_SOAK=50000/1000/300` says how many sockets, in how many groups, over how many seconds.
"""

import itertools
import os
import uuid

import pytest

from support import behind
from support.crowd import Crowd, memory, wait_until
from support.groups import Site

pytestmark = pytest.mark.one_django

SOCKETS, GROUPS, SECONDS = map(int, os.environ.get("COMPAT_SOAK", "5000/200/20").split("/"))
AT_ONCE = 500


@pytest.fixture
def site(work, fork, redis_server):
    # Room for the beginning, in which all speak at once.
    site = Site(work, fork, redis_server, [redis_server], layer={"capacity": 10_000})
    yield site
    site.stop()


def targets(site, groups, count):
    """Each with a ticket that is made when it is needed; every third client breaks its connection."""
    names = itertools.cycle(groups)
    for number in range(count):
        ticket = str(uuid.uuid4())
        site.tickets.set(f":1:{ticket}", behind.ALICE, ex=600)
        yield f"/ws/room/{next(names)}/?uuid={ticket}", "drop" if number % 3 == 0 else "close"


def come_and_go(site, gate, crowd, groups, count, seconds):
    every = seconds / count
    how = {"at_once": AT_ONCE, "every": every, "seconds": seconds * 3 + 120}
    told = crowd.come_and_go(gate.address, targets(site, groups, count), **how)
    assert set(told) == {"heard"}
    wait_until(lambda: site.groups_in_use() == 0, 30, "leaving all groups")


def test_memory_returns_and_nothing_is_left(site):
    gate, crowd = site.gate(), Crowd()
    fresh = memory(gate.pid)
    # What is allocated once: as many sockets at a time as there may be later, which then come more slowly.
    come_and_go(site, gate, crowd, [f"warm-{number}" for number in range(GROUPS)], 4 * AT_ONCE, 0)
    start = memory(gate.pid)
    come_and_go(site, gate, crowd, [f"room-{number}" for number in range(GROUPS)], SOCKETS, SECONDS)
    end = memory(gate.pid)
    told = f"KiB resident, and without files: {fresh} fresh, {start} at the start, {end} at the end"
    print(f"\n{SOCKETS} sockets, {GROUPS} groups, {SECONDS} s: {told}")
    assert end[0] < start[0] * 1.1, told
    assert end[1] < start[1] * 1.1, told
    # The queue of the process is empty, and so no key: but for the group in which it hears commands, until it ends.
    wait_until(lambda: {key.split(":", 1)[1] for key in site.keys()} == {"group:sluicegate"}, 10, "emptying Redis")
    assert gate.process.stop() == 0
    crowd.stop()
    assert site.keys() == []
