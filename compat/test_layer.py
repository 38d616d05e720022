"""
Python consumers and sluicegate's sockets in one group: everybody hears what a client on either side says, what a view
sends and what another process sends, once and in order; and each client gets the same bytes on both sides.
"""

import json
import signal
import threading

import pytest

from support import behind
from support.groups import Site
from support.redis_server import Redis
from support.websocket_client import BINARY, CLOSE, close_payload

once = pytest.mark.one_django

KEYS = {"symmetric_encryption_keys": ["the newest key", "an older key"]}
LAYERS = {
    f"{kind}, {form}, {'encrypted' if keys else 'plain'}, {hosts} host{'s' * (hosts > 1)}": (kind, form, keys, hosts)
    for kind in ("core", "pubsub")
    for form in ("msgpack", "json")
    for keys in ({}, KEYS)
    for hosts in (1, 3)
}
# Each of their parts twice: for what is slow, and with every Django.
SOME = [
    "core, msgpack, plain, 1 host",
    "core, json, encrypted, 3 hosts",
    "pubsub, msgpack, encrypted, 1 host",
    "pubsub, json, plain, 3 hosts",
]
# What both serializers can hold, and JSON tells apart.
MESSAGES = ["hello", "Grüße \U0001f30a \x00\u2028 <&>", "", 7, -(2**63), 2**64 - 1, 1.0, 1e300, -0.0, 1.5e-7, True, None]
MESSAGES += [[], {}, [1, [2.0, {"three": None}]], {"z": 1, "a": {"b": [False]}, "\u00e9": "x" * 5000}]


@pytest.fixture(scope="module")
def hosts(work):
    servers = [Redis(work) for _ in range(3)]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def make(work, fork, redis_server, hosts):
    sites = []

    def make(kind="core", form="msgpack", keys=(), count=1, **how):
        layer = {"serializer_format": form, **dict(keys)} | how.pop("layer", {})
        sites.append(Site(work, fork, redis_server, hosts[:count], kind=kind, layer=layer, **how))
        return sites[-1]

    yield make
    for site in sites:
        site.stop()


class Both:
    """A Python server and sluicegate as members of one layer."""

    def __init__(self, site, server="uvicorn"):
        self.site, self.kind = site, site.kind
        self.python, self.gate = site.python(server), site.gate()

    def members(self, room, python=1, gate=1, **how):
        servers = [self.python] * python + [self.gate] * gate
        members = [self.site.open(server, room, **how) for server in servers]
        return settled(self.site, members)


def settled(site, members):
    """Python's pub/sub layer joins a group when its connection's task next runs, after the client was accepted."""
    if site.kind == "pubsub":
        threading.Event().wait(0.3)
    return members


@pytest.fixture(scope="module")
def both(make):
    """One for each layer, its database of Redis shared by the tests of this file."""
    made = {}

    def both(name="core, msgpack, plain, 1 host"):
        if name not in made:
            made[name] = Both(make(*LAYERS[name]), "daphne" if "json, encrypted" in name else "uvicorn")
        return made[name]

    return both


@pytest.fixture(params=[name if name in SOME else pytest.param(name, marks=once) for name in LAYERS])
def layer(request, both):
    return both(request.param)


@pytest.fixture(params=["core, msgpack, plain, 1 host", "pubsub, msgpack, plain, 1 host"], ids=["core", "pubsub"])
def one(request, both):
    return both(request.param)


def at_once(*calls):
    """Runs them in threads, and raises what one of them raised."""
    errors = []

    def run(call):
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors


def by_producer(texts):
    """{producer: [frame as it came]}, of messages that are [producer, anything]."""
    found = {}
    for text in texts:
        found.setdefault(json.loads(text)["message"][0], []).append(text)
    return found


def test_everybody_hears_everybody_once_and_in_order(layer):
    site, room = layer.site, behind.fresh_name()
    members = layer.members(room, python=2, gate=3)
    elsewhere = layer.members(behind.fresh_name())
    group = f"room_{room}"

    def events(producer):
        return [{"type": "room.message", "message": [producer, message]} for message in MESSAGES]

    def client(producer, member):
        for message in MESSAGES:
            member.say([producer, message])

    def view():
        for event in events("view"):
            site.view(layer.python, f"/group-send/{group}/", event)

    at_once(
        lambda: client("python", members[0]),
        lambda: client("sluicegate", members[-1]),
        view,
        lambda: site.command("group_send", group, *map(json.dumps, events("command"))),
    )
    heard = [by_producer(member.texts(4 * len(MESSAGES))) for member in members]
    for producer in ("python", "sluicegate", "view", "command"):
        as_python_writes = [json.dumps({"message": [producer, message]}) for message in MESSAGES]
        for member in heard:
            assert member[producer] == as_python_writes
    # What comes next is what is sent next: nothing came twice.
    members[0].say("last")
    for member in members:
        assert member.texts(1) == ['{"message": "last"}']
    assert all(member.is_silent() for member in elsewhere)


@pytest.mark.parametrize("name", SOME)
def test_a_worker_answers_by_the_channels_name(name, both):
    layer = both(name)
    site = layer.site
    members = layer.members(behind.fresh_name(), python=1, gate=2)
    worker = site.worker()
    # With several hosts, Python sends to a channel by another host than its receiver listens on: about half of all
    # answers reach no Python consumer. sluicegate's receive on all hosts.
    askers = members if len(site.servers) == 1 else members[1:]
    for number in range(20):
        for index, member in enumerate(askers):
            member.tell(action="job", number=100 * index + number)
    for index, member in enumerate(askers):
        got = [json.loads(text)["done"] for text in member.texts(20)]
        assert sorted(got) == [100 * index + number for number in range(20)]
        if len(site.servers) == 1:
            assert got == sorted(got)
    worker.kill()


@once
def test_binary_frames_are_events_too(one):
    members = one.members(behind.fresh_name(), python=2, gate=2)
    payloads = [b"", b"\x00\xff", bytes(range(256)) * 300]
    for number, payload in enumerate(payloads * 2):
        members[number % 4].send(BINARY, payload)
        for member in members:
            assert member.read() == {"op": "binary", "payload": payload}


@once
def test_bytes_are_no_json(both):
    """A difference on purpose: Python's consumer ends with the error; a declared one lives, by default."""
    python, ours = both("core, json, plain, 1 host").members(behind.fresh_name())
    ours.send(BINARY, b"\x00")
    ours.say("still here")
    for member in (python, ours):
        assert member.texts(1) == ['{"message": "still here"}']
    python.send(BINARY, b"\x00")
    assert python.read()["op"] in ("close", "EOF")
    ours.say("nothing came of it")
    assert ours.texts(1) == ['{"message": "nothing came of it"}']


@once
def test_who_types_is_not_told(one):
    members = one.members(behind.fresh_name(), python=2, gate=2, user=behind.BOB)
    for typist in members:
        typist.tell(action="typing")
        for member in members:
            if member is not typist:
                assert member.texts(1) == ['{"typing": 2, "name": "bob"}']
    members[0].say("last")
    for member in members:
        assert member.texts(1) == ['{"message": "last"}']


def heard_its_own(client):
    """
    Waits until its consumer is done with what it told the group. A Python consumer that still has an event to send when
    its client is gone ends with uvicorn's `ClientDisconnected`, and never comes to its `disconnect`.
    """
    for _ in range(2):
        client.tell(action="whoami")
        while "channel_name" not in client.read_json():
            pass


@once
@pytest.mark.parametrize("leave", ["1000", "4321", "no code", "broken"])
def test_who_comes_and_goes_is_told(leave, one):
    watchers = one.members(room := behind.fresh_name())
    told = {}
    for side, server in (("python", one.python), ("sluicegate", one.gate)):
        client = one.site.open(server, room, behind.BOB, "door")
        told[side] = [watcher.texts(1) for watcher in watchers]
        heard_its_own(client)
        if leave == "broken":
            client.drop()
        else:
            client.send(CLOSE, close_payload(None if leave == "no code" else int(leave)))
        told[side] += [watcher.texts(1) for watcher in watchers]

    # As under uvicorn, where a connection that ends without a close frame is 1005, too.
    code = int(leave) if leave.isdigit() else 1005
    assert told["python"] == [['{"joined": 2}']] * 2 + [[f'{{"left": 2, "code": {code}}}']] * 2
    assert told["sluicegate"] == told["python"]


@once
def test_who_comes_is_in_the_group_when_its_client_knows(one):
    """Its own `joined` is the first that a client hears. (Under pub/sub Python's consumer may miss it.)"""
    for _ in range(20):
        client = one.site.open(one.gate, behind.fresh_name(), behind.BOB, "door")
        assert client.texts(1) == ['{"joined": 2}']
        client.drop()


@once
def test_an_event_closes(one):
    members = one.members(behind.fresh_name(), python=2, gate=2)
    members[1].tell(action="end")
    for member in members:
        assert member.texts(1) == ['{"message": "goodbye"}']
        assert member.read() == {"op": "close", "code": 4001, "reason": "the end"}


@once
@pytest.mark.parametrize(
    "event",
    [{"type": "room.nobody"}, {"type": "_private"}, {"type": "room_message"}, {"message": "no type"}, {"type": 1}],
    ids=json.dumps,
)
def test_an_event_without_a_handler(event, one):
    """A difference on purpose: Python's consumer ends with the error; a declared one lives, unless told otherwise."""
    python, ours = one.members(room := behind.fresh_name())
    one.site.view(one.python, f"/group-send/room_{room}/", event)
    ours.say("still here")
    assert ours.texts(1) == ['{"message": "still here"}']
    assert python.read()["op"] in ("close", "EOF")


@once
def test_one_socket_by_its_channels_name(one):
    members = one.members(behind.fresh_name(), python=2, gate=2)
    for number, member in enumerate(members):
        member.tell(action="whoami")
        name = member.read_json()["channel_name"]
        one.site.view(one.python, f"/send/{name}/", {"type": "room.message", "message": number})
        assert member.texts(1) == [f'{{"message": {number}}}']
    assert all(member.is_silent() for member in members)


@once
def test_who_left_hears_nothing_and_nothing_is_left(one):
    members = one.members(room := behind.fresh_name(), python=1, gate=3)
    for member in members[1:]:
        member.send(CLOSE, close_payload(1000))
        assert member.read()["op"] == "close"
    members[0].say("alone")
    assert members[0].texts(1) == ['{"message": "alone"}']
    if one.kind == "core":
        (name,) = one.site.members(f"room_{room}")
        members[0].tell(action="whoami")
        assert members[0].read_json() == {"channel_name": name.decode()}


@once
@pytest.mark.parametrize("kind", ["core", "pubsub"])
def test_two_sluicegates_and_two_pythons(kind, make):
    site = make(kind)
    servers = [site.python(), site.python("daphne"), site.gate(), site.gate()]
    members = settled(site, [site.open(server, "lobby") for server in servers * 2])
    for number, member in enumerate(members):
        member.say(number)
        for each in members:
            assert each.texts(1) == [f'{{"message": {number}}}']
    if kind == "core":
        # One member for each socket of Python's, and one for each sluicegate.
        assert len(site.members("room_lobby")) == 4 + 2


@once
@pytest.mark.parametrize("kind", ["core", "pubsub"])
def test_sluicegate_leaves_nothing_in_redis(kind, make):
    site = make(kind)
    gate = site.gate()
    members = [site.open(gate, f"room-{number % 7}") for number in range(21)]
    members[0].say("hello")
    for member in members[::7]:
        assert member.texts(1) == ['{"message": "hello"}']
    gate.send_signal(signal.SIGTERM)
    for member in members:
        assert member.read() == {"op": "close", "code": 1012, "reason": ""}
        member.drop()
    assert gate.process.stop() == 0
    assert site.keys() == []
