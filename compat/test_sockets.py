"""
Handshakes: each recorded one goes to Django under uvicorn and under Daphne, and to sluicegate. Whom Python admits
sluicegate admits, with the same headers and the same user; whom it refuses is refused, with a status and a reason.
"""

import sqlite3
from dataclasses import dataclass

import django
import pytest

from support import http_client, overlay, vectors
from support.django_server import DjangoUnderDaphne, DjangoUnderUvicorn
from support.sluicegate import Sluicegate
from support.tokens import bearer
from support.websocket_client import Socket

CASES = vectors.load("websocket-handshake.json")["cases"]
RECORDED = django.VERSION[:2] == (5, 2)
TICKET = "/api/auth/auth_for_ws_connection/"

# What the Python consumer of a route decided: a declared consumer accepts whom the ticket admits.
CONSUMERS_OWN = {case["name"] for case in CASES if case["name"].startswith("consumer ")}

# Python answers 500 to all of these. sluicegate names the reason.
MISSING, MALFORMED, INVALID = {"ticket_missing"}, {"ticket_malformed"}, {"ticket_invalid"}
NO_USER, INACTIVE, NO_ROUTE = {"user_not_found"}, {"user_inactive"}, {"no_route"}
REFUSED = {
    "reused ticket": INVALID,
    "expired ticket (key gone)": INVALID,
    "no query string": MISSING,
    "empty uuid": MISSING,
    "parameter name UUID": MISSING,
    "+ before the name": MISSING,
    "key ':1:' is not reachable with an empty uuid": MISSING,
    "not a uuid": MALFORMED,
    "two uuid parameters, good then bad": MALFORMED,
    "upper-case uuid": MALFORMED,
    "uuid without dashes": MALFORMED,
    "uuid in braces": MALFORMED,
    "trailing %20": MALFORMED,
    "%ff in value": MALFORMED,
    "5000 characters": MALFORMED,
    "Authorization header is ignored": MALFORMED,
    "any other cache key holding text is deleted by the attempt": MALFORMED,
    "stored value: unknown user id": NO_USER,
    "stored value: pickle 5 str abc": NO_USER,
    "stored value: pickle 5 False": NO_USER,
    "stored value: pickle 5 None": NO_USER,
    "stored value: pickle 5 list": INVALID,
    "stored value: text 1.0": INVALID,
    "stored value: garbage text": INVALID,
    "stored value: JSON string": INVALID,
    "stored value: truncated pickle": INVALID,
    "stored value: pickle of a builtin function reference": INVALID,
    "user deleted after issue": NO_USER,
    "path not routed": NO_ROUTE,
    "path not routed, bad ticket": NO_ROUTE,
    "path without trailing slash": NO_ROUTE,
    "path with suffix": NO_ROUTE,
    "double slash inside": NO_ROUTE,
    "upper-case path": NO_ROUTE,
}
# Python admits these, sluicegate does not, on purpose.
ANY_KEY = "?uuid= must be a UUID as Python prints one, so that no other entry of the cache can be named"
NOT_ACTIVE = "an inactive user is refused at the handshake too"
ADMITTED_BY_PYTHON_ALONE = {
    "any other cache key holding an int authenticates": (ANY_KEY, MALFORMED),
    "key ':1:None' is read when no uuid parameter is sent": (ANY_KEY, MISSING),
    "key with colon and version": (ANY_KEY, MALFORMED),
    "stored value: int of inactive user": (NOT_ACTIVE, INACTIVE),
    "user deactivated after issue": (NOT_ACTIVE, INACTIVE),
}
# The key that is gone or left afterwards differs, on purpose.
ROUTE_FIRST = "the route is looked up before the ticket is redeemed"
UNREADABLE = "an unreadable value is deleted too"
KEYS_DIFFER = {name: ROUTE_FIRST for name in REFUSED if REFUSED[name] is NO_ROUTE and "bad ticket" not in name}
KEYS_DIFFER |= {
    "stored value: text 1.0": UNREADABLE,
    "stored value: garbage text": UNREADABLE,
    "stored value: JSON string": UNREADABLE,
    "stored value: truncated pickle": UNREADABLE,
    "any other cache key holding text is deleted by the attempt": ANY_KEY,
    "any other cache key holding an int authenticates": ANY_KEY,
    "key ':1:None' is read when no uuid parameter is sent": ANY_KEY,
    "key with colon and version": ANY_KEY,
}


@dataclass
class Outcome:
    answer: http_client.Answer
    who: dict | None
    deleted: set


class Site:
    """One server of each kind for one stack of middleware, on one database and cache."""

    def __init__(self, work, fork, sqlite_files, redis_server, number, stack):
        databases = sqlite_files.make("default")
        self.database = databases["default"]["NAME"]
        self.redis = redis_server.client(number)
        settings = {"DATABASES": databases, "CACHES": overlay.redis_cache(redis_server.url(number)), "WS_STACK": stack}
        self.work, self.overlay = work, overlay.write(work, settings, "sockets")
        self.uvicorn = DjangoUnderUvicorn(fork, self.overlay)
        self.others = {}

    def server(self, kind):
        if kind == "uvicorn":
            return self.uvicorn
        if kind not in self.others:
            make = {"daphne": DjangoUnderDaphne, "sluicegate": Sluicegate}[kind]
            try:
                self.others[kind] = make(self.work, self.overlay)
            except Exception as error:
                self.others[kind] = error
        if isinstance(self.others[kind], Exception):
            raise self.others[kind]
        return self.others[kind]

    def run(self, case, kind):
        """Sets a case up, sends its handshake, and tells what came of it. Users are as before afterwards."""
        server = self.server(kind)
        self.redis.flushdb()
        with sqlite3.connect(self.database, timeout=10) as connection:
            rows = connection.execute("select * from auth_user").fetchall()
        try:
            return self._run(case, server)
        finally:
            with sqlite3.connect(self.database, timeout=10) as connection:
                connection.execute("delete from auth_user")
                marks = ",".join("?" * len(rows[0]))
                connection.executemany(f"insert into auth_user values ({marks})", rows)

    def _run(self, case, server):
        tickets = {}
        for step in case["setup"]:
            if "issue_ticket_for" in step:
                headers = [("Host", "testserver"), bearer(step["issue_ticket_for"])]
                tickets[step["as"]] = http_client.send(self.uvicorn.address, "GET", TICKET, headers).json()["uuid"]
            elif "use_ticket" in step:
                with Socket(self.uvicorn.address, f"/ws/chat/?uuid={tickets[step['use_ticket']]}") as socket:
                    assert socket.admitted
            elif "redis_set" in step:
                self.redis.set(step["redis_set"], bytes.fromhex(step["value_hex"]), ex=600)
            elif "redis_del" in step:
                self.redis.delete(filled(step["redis_del"], tickets))
            elif "sql" in step:
                with sqlite3.connect(self.database, timeout=10) as connection:
                    connection.execute(step["sql"])
            else:
                raise AssertionError(f"unknown step {step}")
        before = set(self.redis.keys())
        request = case["request"]
        headers = [tuple(header) for header in request["headers"]]
        target = filled(request["target"], tickets)
        with Socket(server.address, target, headers, request.get("overrides")) as socket:
            says = socket.admitted and target.split("?")[0].startswith(("/ws/chat/", "/ws/re/"))
            who = socket.whoami() if says else None
        gone = {key.decode() for key in before - set(self.redis.keys())}
        names = {value: "{" + name + "}" for name, value in tickets.items()}
        deleted = {key if key[3:] not in names else key[:3] + names[key[3:]] for key in gone}
        return Outcome(socket.answer, who, deleted)

    def stop(self):
        self.uvicorn.stop()
        for server in self.others.values():
            if not isinstance(server, Exception):
                server.stop()


def filled(text, tickets):
    for name, ticket in tickets.items():
        text = text.replace("{" + name + "}", ticket)
    ticket = tickets.get("t", "")
    percent = "".join(f"%{ord(character):02X}" for character in ticket)
    return text.replace("{T}", ticket.upper()).replace("{nodash}", ticket.replace("-", "")).replace("{pct}", percent)


@pytest.fixture(scope="module")
def sites(work, fork, sqlite_files, redis_server, redis_databases):
    made = {}

    def site(case):
        key = str(case["ws_stack"])
        if key not in made:
            made[key] = Site(work, fork, sqlite_files, redis_server, next(redis_databases), case["ws_stack"])
        return made[key]

    yield site
    for made_site in made.values():
        made_site.stop()


def each(cases):
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def check_recorded(outcome, expect):
    assert outcome.answer.status == expect["status"]
    got = {name: value for name, value in outcome.answer.headers if name not in ("date", "server")}
    assert got == {name: value for name, value in expect["headers"].items() if name not in ("date", "server")}
    if "body" in expect and outcome.answer.status != 101:
        assert outcome.answer.text() == expect["body"]
    if outcome.who is not None and "user" in expect:
        assert str(outcome.who["user"]) == expect["user"]
    assert outcome.deleted == set(expect["keys_deleted"])


if RECORDED:

    @each(CASES)
    def test_django_under_uvicorn_answers_as_recorded(case, sites):
        check_recorded(sites(case).run(case, "uvicorn"), case["expect"]["uvicorn"])

    # Daphne's refusals of a ticket are 5 s of silence each; one stands for all.
    SPOKEN = [case for case in CASES if case["expect"]["daphne"]["status"] or case["name"] == "reused ticket"]

    @each([case for case in SPOKEN if case["ws_stack"] == "jwt"])
    def test_django_under_daphne_answers_as_recorded(case, sites):
        outcome = sites(case).run(case, "daphne")
        assert outcome.answer.status == case["expect"]["daphne"]["status"]
        assert len(outcome.deleted) == len(case["expect"]["daphne"]["keys_deleted"])
        if outcome.who is not None and "user" in case["expect"]["daphne"]:
            assert str(outcome.who["user"]) == case["expect"]["daphne"]["user"]


@each([case for case in CASES if case["name"] not in CONSUMERS_OWN])
def test_sluicegate_admits_whom_django_admits(case, sites):
    name, site = case["name"], sites(case)
    python, ours = site.run(case, "uvicorn"), site.run(case, "sluicegate")
    if name in ADMITTED_BY_PYTHON_ALONE:
        assert python.answer.status == 101
        check_refusal(ours.answer, ADMITTED_BY_PYTHON_ALONE[name][1])
    elif python.answer.status == 101:
        assert ours.answer.status == 101, ours.answer
        assert ours.who == python.who
        dropped = {"date", "server", "sec-websocket-extensions"}  # no compression is negotiated
        headers = [
            sorted((key, value.lower()) for key, value in outcome.answer.headers if key not in dropped)
            for outcome in (ours, python)
        ]
        assert headers[0] == headers[1]
    elif python.answer.status == 500:
        check_refusal(ours.answer, REFUSED[name])
    elif python.answer.status == 403:
        check_refusal(ours.answer, {"origin_refused"})
    elif python.answer.status == 400:
        assert ours.answer.status == (426 if "Version" in name else 400)
        assert ours.answer.json()["code"] == "bad_handshake"
        if "Version" in name:
            assert ours.answer.header("sec-websocket-version") == "13"
    else:
        assert (ours.answer.status, ours.answer.text()) == (python.answer.status, python.answer.text())
    if name in KEYS_DIFFER:
        assert ours.deleted != python.deleted, "the stated difference is gone"
        assert ours.deleted <= {":1:22222222-2222-4222-8222-222222222222"}
    else:
        assert ours.deleted == python.deleted


def check_refusal(answer, codes):
    assert answer.status == (404 if codes == NO_ROUTE else 403), answer
    assert answer.header("content-type") == "application/json"
    body = answer.json()
    assert list(body) == ["detail", "code"]
    assert body["code"] in codes


def test_every_listed_name_is_a_case():
    names = {case["name"] for case in CASES}
    assert REFUSED.keys() | ADMITTED_BY_PYTHON_ALONE.keys() | KEYS_DIFFER.keys() <= names
