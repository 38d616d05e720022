"""
Sockets that a Django view decides on, under docs/ask.md's own classes: who is let in, what is stored and sent, what is told
of ends, also of a sluicegate that was killed; and whatever a view may answer that is none.
"""

import base64
import contextlib
import json
import re
import signal
import time
from urllib.parse import quote

import pytest

from support import http_client, overlay
from support.django_server import COMPAT, DjangoUnderDaphne, DjangoUnderUvicorn
from support.processes import free_port
from support.sluicegate import Sluicegate
from support.tokens import bearer
from support.websocket_client import BINARY, Socket

PROJECT = COMPAT / "projects" / "rooms"
TARGET = "rooms.asgi:application"
TICKET = "/api/auth/auth_for_ws_connection/"
ALICE, BOB, CAROL = 1, 2, 3
MAX_OPEN = 4
LEASE = 4

# The example of docs/ask.md, but for its comments.
DOCUMENTED = re.search(r"^```toml\n(.*?)^```$", (COMPAT.parent / "docs" / "ask.md").read_text("utf-8"), re.M | re.S)[1]
OTHERS = """
[[route]]
path = "ws/odd/"
[route.ask]
url = "/sockets/odd/"
timeout = "1s"
[[route.receive]]
ask = true

[[route]]
path = "ws/echo/"
[route.ask]
url = "/sockets/caf%C3%A9/"
[[route.receive]]
ask = true
"""
CONFIG = f"[ask]\nmax_open = {MAX_OPEN}\n[channel_layer]\nlease = '{LEASE}s'\n[websocket]\nallowed_origins = 'not_checked'\n"


class Rooms:
    """The project under uvicorn, and sluicegates in front of it."""

    def __init__(self, work, fork, redis, database, name, kind="uvicorn", **more):
        self.work, self.fork, self.kind = work, fork, kind
        file = work / f"rooms-{name}.sqlite3"
        databases = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}}
        layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [redis.url(database)]}}
        settings = {
            "DATABASES": databases,
            "CACHES": overlay.redis_cache(redis.url(database)),
            "CHANNEL_LAYERS": {"default": layer},
            **more,
        }
        self.redis, self.database = redis, database
        self.overlay = overlay.write(work, settings, f"rooms-{name}")
        order = {"project": str(PROJECT), "env": {"MYSITE_OVERLAY": str(self.overlay)}, "log": str(work / "prepare.log")}
        fork.order(order | {"call": ["prepare"]}, 120)
        self.port = free_port()
        self.start_django()
        self.gates = []
        self.gate = self.start_gate()

    def start_django(self):
        if self.kind == "daphne":
            self.django = DjangoUnderDaphne(self.work, self.overlay, project=PROJECT, target=TARGET)
            self.port = self.django.address[1]
            return
        self.django = DjangoUnderUvicorn(self.fork, self.overlay, project=PROJECT, target=TARGET, port=self.port)

    def start_gate(self, **how):
        arguments = ["--upstream", f"http://127.0.0.1:{self.port}"]
        how = {"config": CONFIG, "routes": DOCUMENTED + OTHERS} | how
        gate = Sluicegate(self.work, self.overlay, project=PROJECT, target=TARGET, arguments=arguments, **how)
        self.gates.append(gate)
        return gate

    def stop(self):
        for gate in self.gates:
            gate.stop()
        self.django.stop()

    def get(self, target):
        answer = http_client.send(self.django.address, "GET", target, [("Host", "testserver"), *self.https()])
        assert answer.status == 200, answer
        return answer.json()

    def https(self):
        return [("X-Forwarded-Proto", "https")]

    def asked(self):
        return self.get("/asked/")["asked"]

    def departures(self):
        found = self.get("/departures/")["departures"]
        return [(departure["channel_name"], departure["code"]) for departure in found]

    def ticket(self, user=ALICE):
        headers = [("Host", "testserver"), bearer(user), *self.https()]
        return http_client.send(self.gate.address, "GET", TICKET, headers).json()["uuid"]

    def open(self, path, user=ALICE, gate=None, headers=(), query=""):
        target = f"{path}?{query}uuid={self.ticket(user)}"
        return Socket((gate or self.gate).address, target, headers)

    def keys(self):
        return sorted(key.decode() for key in self.redis.client(self.database).keys("asgi:sluicegate:*"))


@pytest.fixture(scope="module")
def shared(work, fork, redis_server, redis_databases):
    rooms = Rooms(work, fork, redis_server, next(redis_databases), "shared")
    yield rooms
    rooms.stop()


@pytest.fixture
def rooms(shared):
    """In which nobody is any more, and nobody hears of those who were."""
    wait_until(lambda: not shared.keys())
    time.sleep(0.1)
    return shared


def wait_until(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def how(**answer):
    return json.dumps(answer)


def test_a_member_is_let_in_and_gets_the_first_state(rooms):
    with rooms.open("/ws/room/lobby/") as alice:
        assert alice.admitted, alice.answer
        assert alice.read_json()["action"] == "state"
    question = rooms.asked()[-1]["question"]
    assert question["type"] in ("websocket.connect", "websocket.disconnect")


def test_who_is_no_member_is_refused(rooms):
    for path, user in (("/ws/room/lobby/", CAROL), ("/ws/room/nowhere/", ALICE)):
        with rooms.open(path, user) as refused:
            assert (refused.answer.status, refused.answer.json()["code"]) == (403, "ask_refused"), refused.answer


def test_who_is_refused_sees_the_view_s_code_where_refusals_close(rooms):
    gate = rooms.start_gate(config=CONFIG + "refuse = 'close'\n")
    with rooms.open("/ws/room/lobby/", CAROL, gate) as refused:
        assert refused.admitted
        assert refused.read() == {"op": "close", "code": 4403, "reason": ""}
    gate.stop()


def test_a_view_is_asked_as_documented(rooms):
    headers = [("Accept-Language", "de"), ("X-Other", "1"), ("Sec-WebSocket-Protocol", "v2, v1")]
    with rooms.open("/ws/room/lobby/", headers=headers, query="tab=1&tab=2&") as alice:
        assert alice.admitted, alice.answer
        asked = rooms.asked()[-1]
        channel_name = asked["question"]["channel_name"]
        assert re.fullmatch(r"specific\.[0-9a-f]{32}![0-9a-f]{32}", channel_name)
        assert asked["question"] == {
            "type": "websocket.connect",
            "user": {"id": ALICE},
            "route": "ws/room/<slug:room>/",
            "kwargs": {"room": "lobby"},
            "query": {"tab": "2"},
            "headers": {"accept-language": "de"},
            "subprotocols": ["v2", "v1"],
            "channel_name": channel_name,
        }
        assert asked["headers"]["Host"] == "rooms.example.com"
        alice.read_json()
        alice.send_text('{"action": "message", "text": "hi", "n": 1.50}')
        assert alice.read_json() == {"action": "message", "user": ALICE, "text": "hi"}
        question = rooms.asked()[-1]["question"]
        assert question["type"] == "websocket.receive"
        assert (question["context"], question["content"]["text"]) == ({"room": 1, "org": 3}, "hi")


def test_a_message_is_stored_and_sent_to_all_and_typing_to_all_but_its_sender(rooms):
    with rooms.open("/ws/room/lobby/", ALICE) as alice, rooms.open("/ws/room/lobby/", BOB) as bob:
        before = alice.read_json()["messages"], bob.read_json()["messages"]
        assert before[0] == before[1]
        asked = len(rooms.asked())
        bob.send_text('{"action": "typing"}')
        assert alice.read_json() == {"action": "typing", "user": BOB}
        assert len(rooms.asked()) == asked
        alice.send_text('{"action": "message", "text": "f\\u00fcr alle"}')
        for member in (alice, bob):
            assert member.read_json() == {"action": "message", "user": ALICE, "text": "f\u00fcr alle"}
    with rooms.open("/ws/room/lobby/", BOB) as bob:
        assert bob.read_json()["messages"][0] == {"user": ALICE, "text": "f\u00fcr alle"}


def test_an_end_is_told_and_what_the_view_answers_reaches_the_others(rooms):
    with rooms.open("/ws/room/lobby/", BOB) as bob:
        bob.read_json()
        with rooms.open("/ws/room/lobby/", ALICE) as alice:
            alice.read_json()
            name = rooms.asked()[-1]["question"]["channel_name"]
            alice.send(8, b"\x0f\xa1")
            assert alice.read()["code"] == 4001
        assert bob.read_json() == {"action": "left", "user": ALICE}
        assert (name, 4001) in rooms.departures()


def test_no_key_remains_without_sockets(rooms):
    with rooms.open("/ws/room/lobby/") as alice:
        alice.read_json()
        assert len(wait_until(lambda: rooms.keys() if len(rooms.keys()) == 2 else None)) == 2
    wait_until(lambda: not rooms.keys())


def test_a_view_that_awaits_sees_text_and_bytes_that_are_no_json(rooms):
    with rooms.open("/ws/echo/", headers=[("Sec-WebSocket-Protocol", "v2, v1")]) as alice:
        assert alice.admitted and alice.answer.header("sec-websocket-protocol") == "v2"
        alice.send_text('{"a": [NaN, 12345678901234567890123], "b": "\\ud800"}')
        # Python's own json reads the lone surrogate, and writes it again; nobody can send it as text.
        alice.send_text('{"a": [1.0, 12345678901234567890123]}')
        assert alice.read()["payload"] == b'{"content": {"a": [1.0, 12345678901234567890123]}}'
        alice.send_text("no {json")
        assert alice.read_json() == {"text": "no {json"}
        alice.send(BINARY, b"\x00\xff")
        assert alice.read_json() == {"bytes": base64.b64encode(b"\x00\xff").decode()}


FAILURES = {
    "a status": {"status": 500},
    "a forbidding": {"status": 403},
    "a creation": {"status": 201},
    "no JSON": {"raw": "<html>"},
    "nothing": {"raw": ""},
    "a list": {"answer": []},
    "an unknown key": {"answer": {"sends": 1}},
    "a wrong type": {"answer": {"group_add": 1}},
    "a group that Channels refuses": {"answer": {"group_add": "a b"}},
    "a code that is none": {"answer": {"close": 1006}},
    "a long context": {"answer": {"context": {"a": "x" * 4096}}},
    "a late answer": {"seconds": 1.5},
    "an endless answer": {"raw": "x" * (1024 * 1024 + 1)},
}
NO_FRAME = {**FAILURES, "a subprotocol": {"answer": {"subprotocol": "v1"}}, "groups": {"answer": {"groups": ["a"]}}}


# The others are too long for a query, and tried with frames.
@pytest.mark.parametrize("name", [name for name, answer in FAILURES.items() if len(json.dumps(answer)) < 1000])
def test_at_connect_anything_else_is_503(name, rooms):
    query = f"how={quote(how(**FAILURES[name]))}&"
    with rooms.open("/ws/odd/", query=query) as refused:
        assert (refused.answer.status, refused.answer.json()["code"]) == (503, "ask_failed"), refused.answer
        assert refused.answer.header("retry-after")


@pytest.mark.parametrize("name", NO_FRAME)
def test_of_a_frame_with_another_answer_nothing_is_sent_and_the_socket_lives(name, rooms):
    with rooms.open("/ws/odd/") as alice:
        assert alice.admitted, alice.answer
        alice.send_text(how(**NO_FRAME[name]))
        alice.send_text(how(answer={"send": "alive"}))
        assert alice.read_json() == "alive"


def test_a_frame_may_close_and_say_why(rooms):
    with rooms.open("/ws/odd/") as alice:
        alice.send_text(how(answer={"send": 1, "close": {"code": 4001, "reason": "enough"}}))
        assert alice.read_json() == 1
        assert alice.read() == {"op": "close", "code": 4001, "reason": "enough"}


def test_groups_are_joined_and_left_as_the_view_says(rooms):
    event = {"group": "side", "event": {"type": "side.event", "n": 1}}
    extra = '[[route]]\npath = "ws/side/"\n[route.ask]\nurl = "/sockets/odd/"\n[[route.receive]]\nask = true\n'
    extra += '[route.events."side.event"]\nsend = { n = "{{ event.n }}" }\n'
    gate = rooms.start_gate(routes=extra)
    with rooms.open("/ws/side/", ALICE, gate) as alice, rooms.open("/ws/side/", BOB, gate) as bob:
        alice.send_text(how(answer={"group_add": "side", "send": "joined"}))
        assert alice.read_json() == "joined"
        bob.send_text(how(answer={"group_send": [event]}))
        assert alice.read_json() == {"n": 1}
        alice.send_text(how(answer={"group_discard": ["side"], "send": "left"}))
        assert alice.read_json() == "left"
        bob.send_text(how(answer={"group_send": event, "send": "sent"}))
        assert bob.read_json() == "sent"
        assert alice.read(timeout=0.5) == {"op": "TIMEOUT"}
    gate.stop()


def test_frames_of_one_socket_are_asked_about_one_after_another(rooms):
    with rooms.open("/ws/odd/") as alice:
        for number in range(6):
            alice.send_text(how(answer={"send": number}, seconds=0.2 if number % 2 == 0 else 0))
        assert [alice.read_json() for _ in range(6)] == list(range(6))


def test_open_questions_are_bounded_and_the_others_wait_their_turn(rooms):
    with contextlib.ExitStack() as stack:
        members = [stack.enter_context(rooms.open("/ws/odd/")) for _ in range(2 * MAX_OPEN)]
        begun = time.monotonic()
        for member in members:
            member.send_text(how(answer={"send": "done"}, seconds=0.4))
        assert [member.read_json() for member in members] == ["done"] * len(members)
        assert 0.8 <= time.monotonic() - begun < 3


# How a client might spell the path of a question.
SPELLINGS = [
    "/sockets/room/",
    "/sockets/room",
    "/sockets/%72oom/",
    "/%73ockets/room/?x=1",
    "//sockets/room/",
    "/sockets//room/",
    "/sockets/./room/",
    "/sockets/x/../room/",
    "/sockets/odd/%0A",
    "/sockets/odd/",
    "/sockets/caf%C3%A9/",
    "/sockets/caf%c3%a9",
    "http://testserver/sockets/room/",
]


@pytest.mark.parametrize("target", SPELLINGS)
def test_nobody_else_reaches_the_view_through_sluicegate(target, rooms):
    asked = len(rooms.asked())
    request = f"POST {target} HTTP/1.1\r\nHost: testserver\r\nX-Forwarded-Proto: https\r\nContent-Length: 2\r\n\r\n{{}}"
    answer = http_client.exchange(rooms.gate.address, request.encode())
    assert answer.status == 404, answer
    with Socket(rooms.gate.address, target.removeprefix("http://testserver")) as refused:
        assert refused.answer.status in (403, 404), refused.answer
    assert len(rooms.asked()) == asked
    # What is beside it is Django's.
    assert http_client.send(rooms.gate.address, "GET", "/asked/", [("Host", "testserver")]).status == 200


def test_the_spellings_lead_to_the_view_where_django_takes_them(rooms):
    """So the list above is of some use: without sluicegate these are refused by the view, or redirected to it."""
    statuses = {}
    for target in SPELLINGS:
        request = f"POST {target} HTTP/1.1\r\nHost: testserver\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        statuses[target] = http_client.exchange(rooms.django.address, request).status
    reaching = [target for target, status in statuses.items() if status in (403, 301)]
    for target in ("/sockets/room/", "/sockets/room", "/sockets/%72oom/", "/sockets/odd/", "/sockets/caf%c3%a9"):
        assert target in reaching, statuses


def test_a_wrong_or_old_signature_is_refused_by_the_view(rooms):
    for signature in ("", "x.y", f"{int(time.time())}.{'0' * 64}", "0." + "0" * 64):
        headers = [("Host", "testserver"), ("X-Sluicegate-Signature", signature), ("Content-Type", "application/json")]
        answer = http_client.send(rooms.django.address, "POST", "/sockets/room/", headers, b'{"type": "websocket.connect"}')
        assert answer.status == 403, answer


def test_https_is_not_asked_for_of_sluicegate(work, fork, redis_server, redis_databases):
    secure = {"SECURE_SSL_REDIRECT": True, "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"]}
    rooms = Rooms(work, fork, redis_server, next(redis_databases), "https", **secure)
    try:
        with rooms.open("/ws/room/lobby/") as alice:
            assert alice.admitted, alice.answer
    finally:
        rooms.stop()


def test_views_run_under_daphne_too(work, fork, redis_server, redis_databases):
    rooms = Rooms(work, fork, redis_server, next(redis_databases), "daphne", kind="daphne")
    try:
        with rooms.open("/ws/room/lobby/") as alice, rooms.open("/ws/echo/", BOB) as bob:
            assert alice.read_json()["action"] == "state"
            alice.send_text('{"action": "message", "text": "hi"}')
            assert alice.read_json()["text"] == "hi"
            bob.send_text("text")
            assert bob.read_json() == {"text": "text"}
    finally:
        rooms.stop()


@pytest.fixture
def own(work, fork, redis_server, redis_databases):
    """For tests that stop something."""
    rooms = Rooms(work, fork, redis_server, next(redis_databases), f"own-{time.monotonic_ns()}")
    yield rooms
    rooms.stop()


def test_without_django_the_handshake_is_503_the_ticket_used_up_and_open_sockets_live(own):
    with own.open("/ws/room/lobby/") as alice:
        alice.read_json()
        ticket = own.ticket(BOB)
        own.django.stop()
        target = f"/ws/room/lobby/?uuid={ticket}"
        with Socket(own.gate.address, target) as refused:
            assert (refused.answer.status, refused.answer.json()["code"]) == (503, "ask_failed")
        alice.send_text('{"action": "message", "text": "lost"}')
        alice.send(9, b"ping")
        assert alice.read() == {"op": "pong", "payload": b"ping"}
        own.start_django()
        with Socket(own.gate.address, target) as refused:
            assert refused.answer.json()["code"] == "ticket_invalid"
        alice.send_text('{"action": "message", "text": "kept"}')
        assert alice.read_json()["text"] == "kept"


def test_an_end_is_told_when_django_is_back(own):
    with own.open("/ws/room/lobby/") as alice:
        alice.read_json()
        own.django.stop()
    time.sleep(1)
    own.start_django()
    wait_until(lambda: len(own.departures()) == 1, 15)
    wait_until(lambda: not own.keys())


def test_a_sluicegate_that_stops_tells_first_and_leaves_no_key(own):
    sockets = [own.open("/ws/room/lobby/") for _ in range(20)]
    wait_until(lambda: len(own.keys()) == 2)
    own.gate.process.stop(signal.SIGTERM, 20)
    assert len(own.departures()) == 20
    assert {code for _, code in own.departures()} == {1012}
    assert own.keys() == []
    for member in sockets:
        member.drop()


def test_a_reload_changes_nothing_for_open_sockets(own):
    with own.open("/ws/room/lobby/") as alice:
        alice.read_json()
        name = own.asked()[-1]["question"]["channel_name"]
        before = wait_until(lambda: own.keys() if len(own.keys()) == 2 else None)
        own.gate.send_signal(signal.SIGHUP)
        wait_until(lambda: "settings reloaded" in own.gate.output())
        alice.send_text('{"action": "message", "text": "still here"}')
        assert alice.read_json()["text"] == "still here"
        with own.open("/ws/room/lobby/", BOB) as bob:
            bob.read_json()
            time.sleep(LEASE)
            assert (own.keys(), own.departures()) == (before, [])
    wait_until(lambda: len(own.departures()) == 2)
    assert name in dict(own.departures())
    wait_until(lambda: not own.keys())


def test_of_one_that_is_killed_another_tells_once(own):
    others = [own.start_gate(), own.start_gate()]
    sockets = [own.open("/ws/room/lobby/") for _ in range(20)]
    client = own.redis.client(own.database)
    wait_until(lambda: any(client.type(key) == b"hash" and client.hlen(key) == 20 for key in own.keys()))
    own.gate.stop()
    assert own.departures() == []
    wait_until(lambda: len(own.departures()) >= 20, 3 * LEASE)
    time.sleep(LEASE)
    departures = own.departures()
    assert len(departures) == len(set(departures)) == 20
    assert {code for _, code in departures} == {1006}
    assert own.keys() == []
    for member in sockets:
        member.drop()
    del others


def test_of_one_that_is_killed_alone_the_next_one_tells(own):
    with own.open("/ws/room/lobby/") as alice:
        alice.read_json()
        wait_until(lambda: len(own.keys()) == 2)
        own.gate.stop()
    time.sleep(LEASE + 1)
    assert len(own.keys()) == 2
    own.start_gate()
    wait_until(lambda: len(own.departures()) == 1, 10)
    wait_until(lambda: not own.keys())
