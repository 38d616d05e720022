"""
The ticket view: each recorded request goes to Django under uvicorn and to sluicegate, over real sockets, and the two
whole answers are compared. Django is also held against the recording, so that this driver is known to be right.
"""

import json

import django
import pytest

from support import http_client, overlay, vectors
from support.django_server import DjangoUnderUvicorn
from support.processes import NotReady
from support.sluicegate import Sluicegate

# Where sluicegate answers otherwise on purpose, by the name of the case, with the reason.
ODD_CLAIM = "a validly signed token with odd content is a 401 in SimpleJWT's words, not Django's 500"
BROWSABLE = "the browsable API's page is answered as JSON: the page is not part of the contract"
UNKNOWN_METHOD = "uvicorn's parser refuses a method that it does not know; here it reaches the view, as under Daphne"
PASSWORD = "a password in the request is not read: see config_for"
NO_ID = "django-channels-jwt finds users by `id`: no ticket of such a model can work, so sluicegate does not start"
DIFFERENT = {
    "pk named code valid token": NO_ID,
    "pk named code no auth": NO_ID,
    "[basic,jwt] valid Basic credentials": PASSWORD,
    "[basic,jwt] wrong Basic credentials": PASSWORD,
    "[session,basic,jwt] valid Basic credentials": PASSWORD,
    "[session,basic,jwt] wrong Basic credentials": PASSWORD,
    "[session,basic (DRF default)] valid Basic credentials": PASSWORD,
    "[session,basic (DRF default)] wrong Basic credentials": PASSWORD,
    "unknown method with auth": UNKNOWN_METHOD,
    "exp numeric string in the future": ODD_CLAIM,
    "exp one past year 9999": ODD_CLAIM,
    "exp 10^30": ODD_CLAIM,
    "user_id non-numeric string abc": ODD_CLAIM,
    "user_id empty string": ODD_CLAIM,
    "user_id string 1.0": ODD_CLAIM,
    "user_id string 1e0": ODD_CLAIM,
    "user_id list": ODD_CLAIM,
    "user_id empty list": ODD_CLAIM,
    "user_id object": ODD_CLAIM,
    "field public_id not a uuid": ODD_CLAIM,
    "uuid pk not a uuid": ODD_CLAIM,
    "Accept browser": BROWSABLE,
    "Accept text/html": BROWSABLE,
    "Accept text/html without auth": BROWSABLE,
    "?format=api": BROWSABLE,
}
if django.VERSION < (5, 0):  # which hands a number beyond SQLite's range to SQLite, and fails
    DIFFERENT |= {"user_id 2^63": ODD_CLAIM, "user_id 10^30 int": ODD_CLAIM}


def all_cases():
    """Every case of every file, those with the same settings together."""
    cases = [(name, case) for name in vectors.http_files() for case in vectors.load(name)["cases"]]
    return sorted(cases, key=lambda item: (settings_key(item[1]), item[0]))


def settings_key(case):
    return json.dumps([case.get("user_model", "default"), case["settings"]], sort_keys=True)


_NAMED = all_cases()
CASES = [case for _, case in _NAMED]
IDS = [f"{name.removeprefix('http-').removesuffix('.json')}: {case['name']}" for name, case in _NAMED]


class Pairs:
    """Django and sluicegate with the same settings; one pair at a time."""

    def __init__(self, work, fork, redis_server, redis_databases, sqlite_files):
        self.work, self.fork, self.redis_server = work, fork, redis_server
        self.redis_databases, self.sqlite_files = redis_databases, sqlite_files
        self.key, self.django, self.gate = None, None, None

    def use(self, case):
        if settings_key(case) == self.key:
            return
        self.stop()
        self.key = settings_key(case)
        kind = case.get("user_model", "default")
        settings = case["settings"] | {
            "DATABASES": self.sqlite_files.make(kind),
            "CACHES": overlay.redis_cache(self.redis_server.url(next(self.redis_databases))),
        }
        self.overlay = overlay.write(self.work, overlay.with_user_model(settings, kind), "http")

    def django_address(self, case):
        self.use(case)
        self.django = self.django or DjangoUnderUvicorn(self.fork, self.overlay)
        return self.django.address

    def gate_address(self, case):
        self.use(case)
        if isinstance(self.gate, Exception):
            raise self.gate
        try:
            self.gate = self.gate or Sluicegate(self.work, self.overlay, config=config_for(case))
        except Exception as error:
            self.gate = error
            raise
        return self.gate.address

    def stop(self):
        for server in (self.django, self.gate):
            if server is not None and not isinstance(server, Exception):
                server.stop()
        self.django = self.gate = None


@pytest.fixture(scope="module")
def pairs(work, fork, redis_server, redis_databases, sqlite_files):
    pairs = Pairs(work, fork, redis_server, redis_databases, sqlite_files)
    yield pairs
    pairs.stop()


def config_for(case):
    """Sessions and passwords are not read: a project that also takes them has to say that its clients need neither."""
    classes = case["settings"].get("REST_FRAMEWORK", {}).get("DEFAULT_AUTHENTICATION_CLASSES", ())
    kinds = [kind for kind in ("session", "basic") if any(f"{kind.title()}Authentication" in name for name in classes)]
    return f"[ticket]\nignore_authentication = {json.dumps(kinds)}\n" if kinds else ""


def send(address, request):
    body = request.get("body")
    for setup in request.get("setup_requests", ()):
        send(address, setup)
    headers = [tuple(header) for header in request["headers"]]
    return http_client.send(address, request["method"], request["target"], headers, body and body.encode())


def comparable(answer, reference=None):
    """
    An answer as text, without its clock and its server's name. Where Django's is chunked or has no length (it left
    that to uvicorn), ours may say its length.
    """
    reference = reference or answer
    dropped = {"date", "server", "transfer-encoding"}
    if reference.header("content-length") is None:
        dropped.add("content-length")
    headers = sorted(f"{name}: {value}" for name, value in answer.headers if name not in dropped)
    return "\n".join([str(answer.status), *headers, "", http_client.without_uuid(answer.text())])


def answer_of_django(case, pairs, _answers={}):  # noqa: B006
    """Asked once for the two tests of a case."""
    key = settings_key(case) + case["name"]
    if key not in _answers:
        _answers[key] = send(pairs.django_address(case), case["request"])
    return _answers[key]


if django.VERSION[:2] == (5, 2):  # the recorded one

    @pytest.mark.parametrize("case", CASES, ids=IDS)
    def test_django_answers_as_recorded(case, pairs):
        assert vectors.differences(answer_of_django(case, pairs), case["expect"]) == []


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_sluicegate_answers_as_django(case, pairs):
    from_django = answer_of_django(case, pairs)
    if DIFFERENT.get(case["name"]) is NO_ID:
        with pytest.raises(NotReady, match="no field `id`"):
            pairs.gate_address(case)
        return
    from_gate = send(pairs.gate_address(case), case["request"])
    if case["name"] in DIFFERENT:
        differs_on_purpose(case, from_django, from_gate)
    else:
        assert comparable(from_gate, from_django) == comparable(from_django)


def differs_on_purpose(case, from_django, from_gate):
    """The difference is the stated one, and it is still there."""
    reason = DIFFERENT[case["name"]]
    if reason is ODD_CLAIM:
        assert from_django.status == 500
        assert from_gate.status == 401
        assert from_gate.json().get("code") in ("token_not_valid", "user_not_found"), from_gate.text()
    elif reason is BROWSABLE:
        assert from_django.header("content-type") == "text/html; charset=utf-8"
        assert from_gate.status == from_django.status
        assert from_gate.header("content-type") == "application/json"
    elif reason is PASSWORD:
        assert from_gate.status in (401, 403)
        assert from_gate.json() == {"detail": "Authentication credentials were not provided."}
        assert comparable(from_gate, from_django) != comparable(from_django)
    elif reason is UNKNOWN_METHOD:
        assert (from_django.status, from_django.text()) == (400, "Invalid HTTP request received.")
        assert vectors.differences(from_gate, case["expect_daphne"]) == []
    else:
        raise AssertionError(f"no check for {reason!r}")


def test_every_difference_names_a_case():
    assert DIFFERENT.keys() <= {case["name"] for case in CASES}
