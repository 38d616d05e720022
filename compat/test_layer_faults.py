"""
Thousands of sockets on two sluicegates while a Python process sends: each message arrives once at every member of its
group, in order; also when Redis restarts, forgets or fails over, and when one of the two dies.
"""

import json
import signal
import time
import uuid

import pytest

from support import behind, http_client
from support.crowd import Crowd, wait_until
from support.groups import PATIENT, Site
from support.redis_server import Redis, Sentinel

pytestmark = pytest.mark.one_django

SOCKETS, GROUPS = 2000, 50
# Of each of two producers: with two processes in each group, this is far below a capacity of 100.
PER_SECOND = 100
LEASE = 3
CONFIG = f'[channel_layer]\nlease = "{LEASE}s"\n'


class Town:
    """Two sluicegates with `SOCKETS` clients each, spread over all groups."""

    def __init__(self, work, fork, cache, redis):
        self.redis, self.crowd = redis, Crowd()
        self.site = Site(work, fork, cache, [redis], config=CONFIG)
        self.gates, self.members = [], []
        try:
            self.gates = [self.site.gate() for _ in range(2)]
            self.members = [self.populate(gate) for gate in self.gates]
        except Exception:
            self.stop()
            raise

    def populate(self, gate):
        """(group, client) of each socket."""
        tickets = [str(uuid.uuid4()) for _ in range(SOCKETS)]
        pipeline = self.site.tickets.pipeline(transaction=False)
        for ticket in tickets:
            pipeline.set(f":1:{ticket}", behind.ALICE, ex=600)
        pipeline.execute()
        targets = [f"/ws/room/{number % GROUPS}/?uuid={ticket}" for number, ticket in enumerate(tickets)]
        clients = self.crowd.open(gate.address, targets)
        return [(f"room_{number % GROUPS}", client) for number, client in enumerate(clients)]

    def everybody(self):
        return [member for members in self.members for member in members]

    def forget(self):
        for _, client in self.everybody():
            client.texts.clear()

    def produce(self, meanwhile=lambda: None, seconds=2.0):
        """Two processes send while `meanwhile` is done, for some time before and after; what they tell, by their name."""
        producers = [self.site.producer(behind.fresh_name(), GROUPS, PER_SECOND) for _ in range(2)]
        for producer in producers:
            producer.start()
        time.sleep(seconds)
        meanwhile()
        time.sleep(seconds)
        return {producer.name: producer.end() for producer in producers}

    def stop(self):
        self.site.stop()
        self.crowd.stop()


@pytest.fixture(scope="module")
def redis(work):
    redis = Redis(work)
    yield redis
    redis.stop()


@pytest.fixture(scope="module")
def town(work, fork, redis_server, redis):
    town = Town(work, fork, redis_server, redis)
    yield town
    town.stop()


def heard(client):
    """{producer: [number]} of one client, in order."""
    found = {}
    for text in client.texts:
        producer, number = json.loads(text)["message"]
        found.setdefault(producer, []).append(number)
    return found


def all_arrived(members, told, seconds=30):
    """Every message at every member of its group, once and in order."""
    wanted = {}
    for group in {group for group, _ in members}:
        wanted[group] = {producer: sent["sent"][group] for producer, sent in told.items()}
    counts = {group: sum(map(len, numbers.values())) for group, numbers in wanted.items()}
    wait_until(lambda: all(len(client.texts) >= counts[group] for group, client in members), seconds, "the last message")
    for group, client in members:
        assert heard(client) == wanted[group]


def lost(members, told):
    """How many messages did not arrive, over all members; what arrived, did once and in order."""
    missing = 0
    for group, client in members:
        got = heard(client)
        assert got.keys() <= told.keys()
        for producer, numbers in got.items():
            assert numbers == sorted(set(numbers)), "twice, or out of order"
            tried = told[producer]["sent"].get(group, []) + told[producer]["failed"].get(group, [])
            assert set(numbers) <= set(tried)
        missing += sum(len(set(sent["sent"].get(group, [])) - set(got.get(name, []))) for name, sent in told.items())
    return missing


def readiness(gate):
    answer = http_client.send(gate.address, "GET", "/readyz", [("Host", "x")], timeout=15)
    return answer.status, answer.json()


def becomes(status, gate, seconds=30):
    wait_until(lambda: readiness(gate)[0] == status, seconds, f"{status} of /readyz")
    return readiness(gate)[1]


def everything_works(town, members=None):
    town.forget()
    told = town.produce(seconds=1)
    assert not any(sent["failed"] for sent in told.values())
    all_arrived(members or town.everybody(), told)


def nobody_left(members):
    assert {client.ended for _, client in members} == {None}


def test_every_message_arrives_once_at_every_member_and_in_order(town):
    town.forget()
    told = town.produce(seconds=3)
    assert not any(sent["failed"] for sent in told.values())
    assert sum(len(numbers) for sent in told.values() for numbers in sent["sent"].values()) > 6 * PER_SECOND
    all_arrived(town.everybody(), told)
    # Redis knows of two members, however many sockets there are.
    assert [len(town.site.members(f"room_{number}")) for number in range(GROUPS)] == [2] * GROUPS


@pytest.mark.parametrize("kept", [False, True], ids=["with nothing kept", "with its data kept"])
def test_redis_restarts(kept, town):
    redis = town.redis
    redis.client().config_set("appendonly", "yes" if kept else "no")
    if kept:
        wait_until(lambda: not redis.client().info("persistence")["aof_rewrite_in_progress"])
    town.forget()

    def restart():
        redis.process.kill()
        for gate in town.gates:
            told = becomes(503, gate)
            assert told["channel_layer"] == "unavailable", told
            assert told["cache"] == "ok", told
        redis.command = [part if part != "no" else "yes" for part in redis.command] if kept else redis.command
        redis.start()
        for gate in town.gates:
            becomes(200, gate)

    told = town.produce(restart)
    assert any(sent["failed"] for sent in told.values()), "nobody noticed"
    missing = lost(town.everybody(), told)
    print(f"\n{missing} of the messages that Redis took were lost, over {2 * SOCKETS} members")
    everything_works(town)
    nobody_left(town.everybody())


def test_redis_forgets_everything(town):
    """Connections stay, so nobody is told; memberships are written again with each third of the lease."""
    town.forget()
    told = town.produce(lambda: (town.redis.client().flushall(), time.sleep(LEASE / 3 + 1)))
    assert lost(town.everybody(), told) > 0
    everything_works(town)
    nobody_left(town.everybody())


def test_one_sluicegate_is_killed(town):
    """The last one of this town's."""
    survivors, dead = town.members
    town.forget()
    told = town.produce(lambda: town.gates[1].send_signal(signal.SIGKILL))
    assert lost(dead, told) > 0
    # The dead one's queue fills up, and hinders nobody.
    all_arrived(survivors, told)
    wait_until(lambda: all(client.ended for _, client in dead), what="the end of the dead one's sockets")
    time.sleep(LEASE + 1)
    everything_works(town, survivors)
    # Python's own group_send has removed the dead one's memberships, by their age.
    assert [len(town.site.members(f"room_{number}")) for number in range(GROUPS)] == [1] * GROUPS
    nobody_left(survivors)


# Smaller, with servers of their own


def test_redis_fails_over_to_its_replica(work, fork, redis_server):
    primary = Redis(work)
    primary.client().config_set("repl-diskless-sync-delay", 0)
    replica = Redis(work, replica_of=primary)
    wait_until(lambda: replica.client().info("replication").get("master_link_status") == "up", what="the replica")
    sentinel = Sentinel(work, primary)
    wait_until(lambda: sentinel.client().sentinel_slaves("mymaster"), what="Sentinel's look at the replica")
    hosts = [{"sentinels": [["127.0.0.1", sentinel.port]], "master_name": "mymaster", **PATIENT}]
    site = Site(work, fork, redis_server, [primary], layer={"hosts": hosts}, config=CONFIG)
    try:
        gate = site.gate()
        members = [site.open(gate, "lobby") for _ in range(3)]

        def speaks():
            name = behind.fresh_name()
            members[0].say(name)
            for member in members:
                assert member.texts(1) == [f'{{"message": "{name}"}}']

        speaks()
        primary.process.kill()
        becomes(503, gate)
        becomes(200, gate, 60)
        speaks()
        site.command("group_send", "room_lobby", json.dumps({"type": "room.message", "message": "from Django"}))
        for member in members:
            assert member.texts(1) == ['{"message": "from Django"}']
        assert replica.client().info("replication")["role"] == "master"
        for member in members:
            member.drop()
        assert gate.process.stop() == 0
        assert "connections lost, and with them perhaps messages" in gate.output()
    finally:
        site.stop()
        for server in (sentinel, replica, primary):
            server.stop()


def test_redis_restarts_under_pub_sub(work, fork, redis_server):
    """Nothing is kept for who is away; subscriptions are made again before a message is."""
    redis = Redis(work)
    site = Site(work, fork, redis_server, [redis], kind="pubsub")
    try:
        gates = [site.gate() for _ in range(2)]
        members = [site.open(gate, "lobby") for gate in gates * 2]
        for round in range(2):
            members[round].say(round)
            for member in members:
                assert member.texts(1) == [f'{{"message": {round}}}']
            redis.process.kill()
            for gate in gates:
                becomes(503, gate)
            redis.start()
            for gate in gates:
                becomes(200, gate)
        site.command("group_send", "room_lobby", json.dumps({"type": "room.message", "message": "from Django"}))
        for member in members:
            assert member.texts(1) == ['{"message": "from Django"}']
        for member in members:
            member.drop()
        for gate in gates:
            assert gate.process.stop() == 0
            assert "connections lost, and with them perhaps messages" in gate.output()
    finally:
        site.stop()
        redis.stop()


@pytest.fixture
def narrow(work, fork, redis_server, redis):
    """A layer whose queues hold ten messages."""
    site = Site(work, fork, redis_server, [redis], layer={"capacity": 10})
    yield site
    site.stop()


def burst(send, count=30):
    for number in range(count):
        send(number)
    return [f'{{"message": {number}}}' for number in range(count)]


def until_silent(member):
    texts = []
    while (got := member.read(1))["op"] == "text":
        texts.append(got["payload"].decode())
    assert got == {"op": "TIMEOUT"}, got
    return texts


def test_a_burst_from_django_beyond_capacity(narrow):
    """What Python drops it tells in its own log alone; the queue holds the oldest, and one was on its way already."""
    python, gate = narrow.python(), narrow.gate()
    theirs, ours = narrow.open(python, "lobby"), narrow.open(gate, "lobby")
    gate.process.freeze()
    sent = burst(lambda number: narrow.view(python, "/group-send/room_lobby/", {"type": "room.message", "message": number}))
    gate.process.thaw()
    got = until_silent(ours)
    assert len(got) in (10, 11)
    assert got == sent[: len(got)]
    assert theirs.texts(30) == sent
    assert "1 of 2 channels over capacity in group room_lobby" in python.output()


def test_a_burst_from_here_beyond_capacity_is_counted(narrow):
    python, gate = narrow.python(), narrow.gate()
    theirs, ours = narrow.open(python, "lobby"), narrow.open(gate, "lobby")
    python.send_signal(signal.SIGSTOP)
    sent = burst(ours.say)
    assert ours.texts(30) == sent
    python.send_signal(signal.SIGCONT)
    got = until_silent(theirs)
    assert len(got) in (10, 11)
    assert got == sent[: len(got)]
    ours.drop()
    assert gate.process.stop() == 0
    assert f"{30 - len(got)} sent to queues that were full, and dropped" in gate.output()
