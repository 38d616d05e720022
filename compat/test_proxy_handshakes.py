"""
Handshakes with Django's own consumers through sluicegate: what the consumer sees, what it answers, and who is kept
out. Each is also made with Django directly, under uvicorn and Daphne.
"""

import json
from urllib.parse import parse_qsl

import pytest

from support import behind, overlay
from support.http_client import without_uuid
from support.websocket_client import Socket, Unsent

# What may differ of an answer; see test_proxy_http.py.
HOP = {"date", "connection", "upgrade", "keep-alive", "transfer-encoding", "content-length"}
# Headers that the consumer sees differently.
FORWARDED = {"x-forwarded-for", "traceparent"}
STACKS = ["ticket", "session", "public"]
DEFLATE = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")


def headers_for(pair, stack, *headers):
    """With a session's cookie where one is needed, in the one header that browsers send."""
    if stack != "session":
        return list(headers)
    cookies = [value for name, value in (*headers, pair.cookie()) if name == "Cookie"]
    return [*(header for header in headers if header[0] != "Cookie"), ("Cookie", "; ".join(cookies))]


def scope(pair, side, path, headers=(), **how):
    with pair.open(side, path, headers, **how) as client:
        assert client.admitted, f"{side}: {client.answer}"
        told = client.read_json()
    told["headers"] = sorted([name, without_uuid(value)] for name, value in told["headers"] if name not in FORWARDED)
    return told


def comparable(answer):
    headers = sorted((name, value) for name, value in answer.headers if name not in HOP)
    return answer.status, answer.reason, headers, answer.body


# What the consumer sees

BROWSER = [
    ("User-Agent", "Mozilla/5.0"),
    ("Origin", "https://app.example.com"),
    ("Accept-Language", "de"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Cache-Control", "no-cache"),
    ("Cookie", "theme=dark; other=1"),
]


@pytest.mark.parametrize("stack", STACKS)
def test_the_consumer_sees_the_same(stack, pair):
    headers = headers_for(pair, stack, *BROWSER, ("Sec-WebSocket-Protocol", "one, two"), DEFLATE)
    direct, through = [
        scope(pair, side, f"/ws/{stack}/scope/", headers, query="room=5&x=%C3%A9") for side, _ in pair.both
    ]
    for told in (direct, through):
        told["query_string"] = without_uuid(told["query_string"])
    assert through == direct
    assert through["user"] == {"ticket": "alice", "session": "alice", "public": None}[stack]
    assert through["subprotocols"] == ["one", "two"]


HEADERS = {
    "none of its own": [],
    "a session's cookie beside the ticket": None,
    "a header twice": [("X-Twice", "one"), ("X-Twice", "two")],
    "cookies in two headers": [("Cookie", "a=1"), ("Cookie", "b=2")],
    "credentials": [("Authorization", "Bearer abc"), ("X-Api-Key", "k")],
    "Latin-1": [("X-Latin", "caf\u00e9")],
    "an empty header": [("X-Empty", "")],
    "protocols in two headers": [("Sec-WebSocket-Protocol", "one"), ("Sec-WebSocket-Protocol", "two , three")],
    "a forwarded client": [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https")],
    "many headers": [(f"X-Number-{number}", str(number)) for number in range(60)],
    "a long cookie": [("Cookie", "long=" + "x" * 6000)],
}


@pytest.mark.parametrize("stack", ["ticket", "public"])
@pytest.mark.parametrize("name", HEADERS)
def test_the_consumer_sees_these_headers(name, stack, pair):
    headers = [pair.cookie("bob")] if HEADERS[name] is None else HEADERS[name]
    direct, through = [scope(pair, side, f"/ws/{stack}/scope/", headers) for side, _ in pair.both]
    for told in (direct, through):
        told["query_string"] = without_uuid(told["query_string"])
    assert through == direct


PATHS = ["scope/5/", "word/w_1/"]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("path", PATHS)
def test_captured_values_are_the_same(path, stack, pair):
    direct, through = [
        scope(pair, side, f"/ws/{stack}/{path}", headers_for(pair, stack)) for side, _ in pair.both
    ]
    assert (through["path"], through["kwargs"]) == (direct["path"], direct["kwargs"])
    assert through["kwargs"]


# Around a ticket, which stands for `{}`.
QUERIES = [
    "uuid={}",
    "uuid={}&a=1",
    "a=1&uuid={}",
    "a=1&uuid={}&b=%20+&c",
    "&&uuid={}&&",
    "a=%ff&uuid={}&=x&%",
    "uuid={}&UUID=x&uuid2=y",
    "%75uid={}",
    "uuid=other&uuid={}",
    "uuid={}&uuid=",
    "a=uuid%3D1&uuid={}",
    "uuid={}&a[]=1&b={{c}}",
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_rest_of_the_query_is_the_same(query, pair):
    """A fresh ticket stands in the place of the client's. Other parameters of its name, which count for nothing, go."""
    tickets = [pair.ticket(), pair.ticket()]
    told = []
    for (side, _), ticket in zip(pair.both, tickets):
        target = query.format(ticket)
        told.append(scope(pair, side, "/ws/ticket/scope/", user=None, query=target))
    direct, through = [
        [(name, value) for name, value in parse_qsl(each["query_string"], keep_blank_values=True) if name != "uuid"]
        for each in told
    ]
    assert through == direct
    assert tickets[0] in told[0]["query_string"]
    assert tickets[1] not in told[1]["query_string"], "the client's own ticket is used up"
    assert dict(parse_qsl(told[1]["query_string"]))["uuid"] != tickets[1]
    assert told[1]["user"] == told[0]["user"] == "alice"
    if "other" not in query and not query.endswith("uuid="):
        assert without_uuid(told[1]["query_string"]) == without_uuid(told[0]["query_string"])


@pytest.mark.parametrize("query", ["a=1&b=%20+&c", "uuid=11111111-1111-4111-8111-111111111111", "?", "a=%ff&&="])
def test_the_query_of_an_untouched_route_is_passed_on_to_the_byte(query, pair):
    for stack in ("session", "public"):
        direct, through = [
            scope(pair, side, f"/ws/{stack}/scope/", headers_for(pair, stack), query=query) for side, _ in pair.both
        ]
        assert through["query_string"] == direct["query_string"] == query


def test_the_user_is_the_tickets(pair):
    for user, name in ((behind.ALICE, "alice"), (behind.BOB, "bob")):
        for side, _ in pair.both:
            assert scope(pair, side, "/ws/ticket/scope/", user=user)["user"] == name
    for side, _ in pair.both:
        assert scope(pair, side, "/ws/session/scope/", [pair.cookie("bob")])["user"] == "bob"
        assert scope(pair, side, "/ws/session/scope/")["user"] == ""  # nobody is logged in


# What the consumer answers

PROTOCOLS = ("Sec-WebSocket-Protocol", "one, two")
ANSWERS = {
    "accepted": ("echo/", []),
    "accepted, compression offered": ("echo/", [DEFLATE]),
    "accepted with a subprotocol": ("last-subprotocol/", [PROTOCOLS]),
    "accepted, no subprotocol chosen": ("no-subprotocol/", [PROTOCOLS]),
    "accepted with a subprotocol never offered": ("unoffered-subprotocol/", [PROTOCOLS]),
    "accepted with headers and cookies": ("headers/", []),
    "refused": ("refuses/", []),
    "refused with a code": ("refuses-4001/", []),
    "denied": ("denies/", []),
    "an exception": ("raises/", []),
    "answered with 401": ("answers/401/", []),
    "answered with 302": ("answers/302/", []),
    "answered with 404": ("answers/404/", []),
    "answered with 503": ("answers/503/", []),
}
# Daphne cannot, and keeps the client waiting, or drops it.
NOT_UNDER_DAPHNE = {name for name in ANSWERS if name.startswith("answered")}
CUT_UNDER_DAPHNE = {"accepted with a subprotocol never offered"}


@pytest.mark.parametrize("stack", ["ticket", "public"])
@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_is_the_consumers(name, stack, pair):
    path, headers = ANSWERS[name]
    if pair.kind == "daphne" and name in CUT_UNDER_DAPHNE:
        stack = "public"  # it takes five seconds
    if pair.kind == "daphne" and name in NOT_UNDER_DAPHNE:
        path = "refuses/"
    answers = []
    for side, _ in pair.both:
        with pair.open(side, f"/ws/{stack}/{path}", headers) as client:
            answers.append(client.answer)
    direct, through = answers
    if pair.kind == "daphne" and name in CUT_UNDER_DAPHNE:
        assert direct.status is None
        assert (through.status, through.json()["code"]) == (502, "upstream_failed")
        return
    assert comparable(through) == comparable(direct)


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws/public/nowhere/", "/ws/public/scope", "/nowhere/?uuid=x"])
def test_a_path_that_nobody_routes_is_answered_by_django(path, pair):
    answers = []
    for _, address in pair.both:
        with Socket(address, path) as client:
            answers.append(client.answer)
    assert comparable(answers[1]) == comparable(answers[0])


def test_the_client_is_accepted_after_the_consumer_accepted_and_not_before(pair):
    for side, address in pair.both:
        name = behind.fresh_name()
        client = Unsent(address)
        client.fire(f"/ws/public/waits/{name}/")
        client.connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.connection.recv(1)
        assert pair.recorded(name) == [["connect"]]
        client.connection.settimeout(10)
        pair.release(name)
        assert client.finish().status == 101
        client.drop()


# Who is kept out


def knock(pair, query, path="/ws/ticket/echo/", headers=()):
    with Socket(pair.gate.address, f"{path}?{query}" if query else path, headers) as client:
        return client.answer


@pytest.mark.parametrize(
    "query, code",
    [
        ("", "ticket_missing"),
        ("uuid=", "ticket_missing"),
        ("uuid=x", "ticket_malformed"),
        ("uuid=0f5a3c1e-8d2b-4a6f-9c7e-1b2d3e4f5a6b", "ticket_invalid"),
    ],
)
def test_no_ticket_no_entry(query, code, pair):
    answer = knock(pair, query)
    assert (answer.status, answer.json()["code"]) == (403, code)


def test_a_ticket_is_good_for_one_socket(pair):
    ticket = pair.ticket()
    assert knock(pair, f"uuid={ticket}").status == 101
    again = knock(pair, f"uuid={ticket}")
    assert (again.status, again.json()["code"]) == (403, "ticket_invalid")


def test_a_ticket_that_sluicegate_issued_is_good_at_django_and_the_other_way_round(pair):
    ticket = pair.send("sluicegate", "GET", behind.TICKET, [behind.bearer(behind.BOB)]).json()["uuid"]
    assert scope(pair, "django", "/ws/ticket/scope/", user=None, query=f"uuid={ticket}")["user"] == "bob"
    assert scope(pair, "sluicegate", "/ws/ticket/scope/", user=behind.BOB)["user"] == "bob"


@pytest.mark.parametrize(
    "overrides",
    [{"version": "12"}, {"version": None}, {"key": None}, {"key": "short"}],
    ids=["an old version", "no version", "no key", "a short key"],
)
@pytest.mark.parametrize("path", ["/ws/ticket/echo/", "/ws/public/echo/"])
def test_a_handshake_with_a_defect_is_refused(overrides, path, pair):
    """Here, with a reason; the ticket is not used up."""
    ticket = pair.ticket()
    with Socket(pair.gate.address, f"{path}?uuid={ticket}", (), overrides) as client:
        assert client.answer.status == (426 if "version" in overrides else 400), client.answer
        assert client.answer.json()["code"] == "bad_handshake"
    assert knock(pair, f"uuid={ticket}").status == 101


def test_an_upgrade_to_something_else_is_an_ordinary_request(pair):
    headers = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")]
    told = pair.send("sluicegate", "GET", "/see/", headers).json()
    assert not {"upgrade", "http2-settings"} & {name for name, _ in told["headers"]}


# Other settings


@pytest.fixture(scope="module")
def one_cache(redis_server, redis_databases):
    return overlay.redis_cache(redis_server.url(next(redis_databases)))


def test_a_middleware_of_the_projects_own_decides_itself(work, fork, one_cache):
    """It overrides `auth`, so nothing is redeemed for it: it gets the client's own ticket, and what else it asks for."""
    path = behind.settings(work, fork, one_cache, WS_OWN_MIDDLEWARE=True)
    pair = behind.Pair(work, fork, path, config='[websocket]\nallowed_origins = "not_checked"\n')
    try:
        for side, _ in pair.both:
            for query, status in (("device=phone", 101), ("device=fridge", 500)):
                ticket = pair.ticket()
                with pair.open(side, "/ws/own/scope/", query=f"{query}&uuid={ticket}") as client:
                    assert client.answer.status == status, side
                    if status == 101:
                        told = client.read_json()
                        assert (told["user"], told["query_string"]) == ("alice", f"device=phone&uuid={ticket}")
        assert scope(pair, "sluicegate", "/ws/ticket/scope/")["user"] == "alice"
    finally:
        pair.stop()


def test_origins_are_checked_where_the_project_checks_them(work, fork, one_cache):
    pair = behind.Pair(work, fork, behind.settings(work, fork, one_cache, WS_STACK="origin"))
    try:
        for stack in STACKS:
            for origin, allowed in (("https://app.example.com", True), ("https://evil.example.org", False), (None, False)):
                headers = headers_for(pair, stack, *([("Origin", origin)] if origin else []))
                for side, _ in pair.both:
                    with pair.open(side, f"/ws/{stack}/echo/", headers) as client:
                        assert client.answer.status == (101 if allowed else 403), (side, stack, origin)
        ticket = pair.ticket()
        refused = knock(pair, f"uuid={ticket}", headers=[("Origin", "https://evil.example.org")])
        assert refused.json()["code"] == "origin_refused"
        assert knock(pair, f"uuid={ticket}", headers=[("Origin", "https://app.example.com")]).status == 101
    finally:
        pair.stop()


def test_a_refusal_can_be_a_close_that_a_browser_sees(work, fork, one_cache):
    path = behind.settings(work, fork, one_cache)
    pair = behind.Pair(work, fork, path, config='[websocket]\nrefuse = "close"\n')
    try:
        refusals = [("public/refuses/", 4403), ("public/answers/404/", 4404), ("public/answers/429/", 4429)]
        refusals += [("public/answers/503/", 4503), ("public/raises/", 4503)]
        for route, code in refusals:
            with pair.open("sluicegate", f"/ws/{route}") as client:
                assert client.admitted
                assert client.read() == {"op": "close", "code": code, "reason": "upstream_refused"}
        with pair.open("sluicegate", "/ws/ticket/echo/", user=None) as client:
            assert client.read() == {"op": "close", "code": 4401, "reason": "ticket_missing"}
    finally:
        pair.stop()


def test_an_inactive_user_is_kept_out(pair, redis_server):
    """As at every route that sluicegate checks the ticket of; Python asks only when it issues."""
    ticket = pair.ticket(behind.BOB)
    settings = json.loads(pair.overlay.read_text())
    location = settings["CACHES"]["default"]["LOCATION"]
    redis_server.client(int(location.rsplit("/", 1)[1])).set(f":1:{ticket}", str(behind.CAROL), ex=600)
    answer = knock(pair, f"uuid={ticket}")
    assert (answer.status, answer.json()["code"]) == (403, "user_inactive")


@pytest.mark.parametrize("path", ["/ws/ticket//told/", "/ws/ticket/%2Ftold/", "/ws/ticket//%2F/told/"])
def test_slashes_between_routers_lead_past_no_check(path, pair, redis_server):
    """Channels drops them before each of its routers."""
    settings = json.loads(pair.overlay.read_text())
    client = redis_server.client(int(settings["CACHES"]["default"]["LOCATION"].rsplit("/", 1)[1]))
    ticket = pair.ticket(behind.BOB)
    client.set(f":1:{ticket}", str(behind.CAROL), ex=600)
    answer = knock(pair, f"uuid={ticket}", path)
    assert (answer.status, answer.json()["code"]) == (403, "user_inactive")
    client.set(":1:online_visitors", "1", ex=600)
    answer = knock(pair, "uuid=online_visitors", path)
    assert (answer.status, answer.json()["code"]) == (403, "ticket_malformed")
    assert client.get(":1:online_visitors") is not None
    assert knock(pair, f"uuid={pair.ticket()}", path).status == 101
