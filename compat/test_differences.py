"""
Where sluicegate differs from the Python packages on purpose: each difference by its number in the README, shown
beside Django, which still does what it does. 7 is in test_faults.py, 8 in src/access_token/jwks.rs, 10 in test_close.py, 12 in
test_proxy_frames.py and test_proxy_hold.py.
"""

import json
import re
import threading
import time

import pytest

from support import http_client, overlay
from support.django_server import DjangoUnderUvicorn
from support.redis_server import Redis
from support.sluicegate import Sluicegate
from support.tokens import SECRET_KEY, access_token, bearer
from support.websocket_client import Socket

TICKET = "/api/auth/auth_for_ws_connection/"
STORED = "22222222-2222-4222-8222-222222222222"


class Site:
    def __init__(self, work, fork, sqlite_files, redis_server, number):
        self.work, self.redis = work, redis_server.client(number)
        self.settings = {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(redis_server.url(number))}
        self.overlay = overlay.write(work, self.settings, "differences")
        self.django, self.gate = DjangoUnderUvicorn(fork, self.overlay), Sluicegate(work, self.overlay)

    def stop(self):
        self.django.stop()
        self.gate.stop()


@pytest.fixture(scope="module")
def site(work, fork, sqlite_files, redis_server, redis_databases):
    site = Site(work, fork, sqlite_files, redis_server, next(redis_databases))
    yield site
    site.stop()


@pytest.fixture
def configured(site):
    """Another sluicegate on the same settings, with lines of sluicegate.toml."""
    made = []

    def make(config):
        made.append(Sluicegate(site.work, site.overlay, config=config))
        return made[-1]

    yield make
    for gate in made:
        gate.stop()


def issue(server, user=1):
    answer = http_client.send(server.address, "GET", TICKET, [("Host", "testserver"), bearer(user)])
    assert answer.status == 200, answer
    return answer.json()["uuid"]


def knock(server, ticket, path="/ws/chat/"):
    with Socket(server.address, f"{path}?uuid={ticket}") as socket:
        return socket.answer


def refused(answer):
    return answer.status, answer.json()["code"]


@pytest.mark.parametrize(
    "text",
    ["online_visitors", "None", STORED.replace("2", "A"), STORED.replace("-", ""), f"%7B{STORED}%7D", f"{STORED}%20"],
)
def test_1_only_a_uuid_as_python_prints_one_is_looked_up(text, site):
    decoded = text.replace("%7B", "{").replace("%7D", "}").replace("%20", " ")
    key = f":1:{decoded}"
    site.redis.set(key, b"3")
    assert refused(knock(site.gate, text)) == (403, "ticket_malformed")
    assert site.redis.get(key) == b"3", "the entry is left alone"
    assert knock(site.django, text).status == 101, "Django logs the caller in as user 3"


def test_1_the_cache_is_not_asked(site):
    before = site.redis.info("stats")["total_commands_processed"]
    for text in ("online_visitors", "", STORED + "x"):
        knock(site.gate, text)
    assert site.redis.info("stats")["total_commands_processed"] - before <= 1  # our own INFO


def test_2_an_inactive_user_is_refused_at_the_handshake(site, configured):
    for server, expected in ((site.django, 101), (site.gate, 403)):
        site.redis.set(f":1:{STORED}", b"2")
        answer = knock(server, STORED)
        assert answer.status == expected
    assert refused(answer) == (403, "user_inactive")
    site.redis.set(f":1:{STORED}", b"2")
    assert knock(configured("[websocket]\ncheck_user_is_active = false\n"), STORED).status == 101


REFUSALS = [
    ("/ws/chat/", 403, 4401, "ticket_missing"),
    ("/ws/chat/?uuid=hello", 403, 4401, "ticket_malformed"),
    (f"/ws/chat/?uuid={STORED}", 403, 4401, "ticket_invalid"),
    ("/ws/nowhere/", 404, 4404, "no_route"),
]


@pytest.mark.parametrize("target, status, _, code", REFUSALS, ids=[refusal[3] for refusal in REFUSALS])
def test_3_a_refusal_has_a_status_and_a_reason_at_once(target, status, _, code, site):
    started = time.monotonic()
    with Socket(site.gate.address, target) as socket:
        answer = socket.answer
    assert time.monotonic() - started < 1
    assert refused(answer) == (status, code)
    assert re.fullmatch(r".+\.", answer.json()["detail"])
    assert knock(site.django, "hello").status == 500


def test_3_or_a_close_code_that_a_browser_can_see(site, configured):
    gate = configured('[websocket]\nrefuse = "close"\n')
    for target, _, close, code in REFUSALS:
        with Socket(gate.address, target) as socket:
            assert socket.admitted, code
            got = socket.read()
            assert (got["op"], got["code"]) == ("close", close)
            assert code in got["reason"]
    site.redis.set(f":1:{STORED}", b"2")
    with Socket(gate.address, f"/ws/chat/?uuid={STORED}") as socket:
        assert (socket.admitted, socket.read()["code"]) == (True, 4403)


def test_4_a_wrong_url_does_not_burn_the_ticket(site):
    ticket = issue(site.django)
    assert refused(knock(site.gate, ticket, "/ws/nope/")) == (404, "no_route")
    assert knock(site.gate, ticket).status == 101
    ticket = issue(site.django)
    assert knock(site.django, ticket, "/ws/nope/").status == 500
    assert knock(site.django, ticket).status == 500, "under Django it is gone"


def test_5_one_getdel_is_sent_and_nothing_else(site):
    ticket = issue(site.gate)
    seen, ready = [], threading.Event()

    def watch():
        with site.redis.monitor() as monitor:
            ready.set()
            for command in monitor.listen():
                if command["command"].startswith("ECHO done"):
                    return
                seen.append(command["command"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    ready.wait(5)
    time.sleep(0.1)
    assert knock(site.gate, ticket).status == 101
    site.redis.echo("done")
    watcher.join(5)
    assert [command for command in seen if ticket in command] == [f"GETDEL :1:{ticket}"]


@pytest.mark.parametrize("value", [b"zzz", b"\x80\x05K", b"cbuiltins\nlen\n."], ids=["text", "cut off", "a function"])
def test_5_an_unreadable_value_is_deleted_too(value, site):
    site.redis.set(f":1:{STORED}", value)
    assert refused(knock(site.gate, STORED)) == (403, "ticket_invalid")
    assert site.redis.get(f":1:{STORED}") is None


def test_5_a_key_that_holds_no_text_is_no_ticket(site):
    """A Redis list under the ticket's key: GETDEL answers WRONGTYPE. Django's answer is a refusal too."""
    site.redis.delete(f":1:{STORED}")
    site.redis.rpush(f":1:{STORED}", "1")
    assert knock(site.django, STORED).status == 500
    assert knock(site.gate, STORED).status == 403


@pytest.mark.parametrize(
    "claims", [{"user_id": "abc"}, {"user_id": [1]}, {"exp": "4102444800"}, {"exp": 10**30}], ids=json.dumps
)
def test_6_a_signed_token_with_odd_content_is_a_401(claims, site):
    headers = [("Host", "testserver"), ("Authorization", "Bearer " + access_token(1, **claims))]
    assert http_client.send(site.django.address, "GET", TICKET, headers).status == 500
    answer = http_client.send(site.gate.address, "GET", TICKET, headers)
    assert answer.status == 401
    assert answer.header("www-authenticate") == 'Bearer realm="api"'
    assert answer.json()["code"] in ("token_not_valid", "user_not_found")


def test_9_reads_and_deletes_go_to_the_primary(work, sqlite_files):
    """Django reads from a replica that may lag: here it is cut off, and holds nothing."""
    primary, other = Redis(work), Redis(work)
    settings = {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache([primary.url(1), other.url(1)])}
    gate = Sluicegate(work, overlay.write(work, settings, "replica"))
    try:
        for _ in range(5):
            assert knock(gate, issue(gate)).status == 101
        assert other.client(1).info("commandstats").get("cmdstat_getdel") is None
    finally:
        gate.stop()
        primary.stop()
        other.stop()


def test_11_the_browsable_page_is_answered_as_json(site):
    headers = [("Host", "testserver"), ("Accept", "text/html"), bearer(1)]
    assert http_client.send(site.django.address, "GET", TICKET, headers).header("content-type").startswith("text/html")
    answer = http_client.send(site.gate.address, "GET", TICKET, headers)
    assert (answer.status, answer.header("content-type")) == (200, "application/json")


def test_secrets_are_in_no_log(site):
    """Neither tokens nor tickets nor keys, whatever is refused."""
    token = access_token(1)
    ticket = issue(site.gate)
    for server_ticket in (ticket, ticket, STORED):
        knock(site.gate, server_ticket)
    bad = token[:-4] + "AAAA"
    http_client.send(site.gate.address, "GET", TICKET, [("Host", "testserver"), ("Authorization", f"Bearer {bad}")])
    log = site.gate.process.log.read_text()
    for secret in (token, bad, ticket, STORED, SECRET_KEY):
        assert secret not in log
