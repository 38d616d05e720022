"""
Sockets end when Django would refuse them by now: on two sluicegates, by what Django and SimpleJWT write into three
databases, and at once by a message that Django sends.
"""

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import count

import pytest

from support import http_client, overlay
from support.django_server import MYSITE, TARGET, DjangoUnderUvicorn, project_environment
from support.sluicegate import Sluicegate, binary
from support.websocket_client import Socket

TICKET = "/api/auth/auth_for_ws_connection/"
INTERVAL = 2.0  # user_check_interval of these tests: within it a socket is told
SLACK = 1.5  # for a machine that is busy
BLACKLIST = ["rest_framework_simplejwt.token_blacklist"]
CONFIG = f'[websocket]\nuser_check_interval = "{INTERVAL:.0f}s"\nexpire_with_token = true\n'
_names = count(1)
_keys = count(1000)


class Site:
    """One project, and two sluicegates beside it."""

    def __init__(self, work, fork, servers, database, redis, number):
        self.work, self.fork = work, fork
        tokens = ["AccessToken", "SlidingToken"]
        self.settings = {
            "EXTRA_APPS": BLACKLIST,
            "CACHES": overlay.redis_cache(redis.url(number)),
            "CHANNEL_LAYERS": {
                "default": {
                    "BACKEND": "channels_redis.core.RedisChannelLayer",
                    "CONFIG": {"hosts": [redis.url(0)], "prefix": f"revocation-{database}"},
                }
            },
            "SIMPLE_JWT": {
                "CHECK_REVOKE_TOKEN": True,
                "AUTH_TOKEN_CLASSES": [f"rest_framework_simplejwt.tokens.{kind}" for kind in tokens],
            },
        }
        if database == "sqlite":
            self.settings["DATABASES"] = servers.sqlite_files.make(EXTRA_APPS=BLACKLIST)
        else:
            server = getattr(servers, database)
            server.create("revocation")
            self.settings["DATABASES"] = {"default": server.django("revocation")}
            fork.prepare(overlay.write(work, self.settings, "revocation"))
        self.overlay = overlay.write(work, self.settings, "revocation")
        self._stack = ExitStack()
        self.gates = [self.start(Sluicegate(work, self.overlay, config=CONFIG)) for _ in range(2)]

    def start(self, server):
        self._stack.callback(server.stop)
        return server

    def act(self, *actions):
        """What Django does, in a process of its own."""
        out = self.work / f"act-{next(_names)}.json"
        log = str(self.work / "act.log")
        env = {"MYSITE_OVERLAY": str(self.overlay)}
        call = ["act", str(out), json.dumps(actions)]
        self.fork.order({"project": str(MYSITE), "env": env, "log": log, "call": call})
        return json.loads(out.read_text())

    def users(self, *names, kind="AccessToken", seconds=3600):
        """(key, token) of new users."""
        keys = self.act(*(["create", f"{name}{key}", key] for name, key in zip(names, _keys)))
        return list(zip(keys, self.act(*(["token", key, seconds, kind] for key in keys))))

    def ticket(self, gate, token):
        headers = [("Host", "testserver"), ("Authorization", f"Bearer {token}")]
        answer = http_client.send(gate.address, "GET", TICKET, headers)
        assert answer.status == 200, answer
        return answer.json()["uuid"]

    def open(self, gate, token, issuer=None):
        socket = Socket(gate.address, f"/ws/chat/?uuid={self.ticket(issuer or gate, token)}")
        self._stack.callback(socket.drop)
        assert socket.admitted, socket.answer
        return socket

    def open_everywhere(self, token):
        """Two here and one there, of which one has its ticket from the other."""
        here, there = self.gates
        return [self.open(here, token), self.open(here, token), self.open(there, token, issuer=here)]

    def stop(self):
        self._stack.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def site(request, work, fork, servers, redis_server, redis_databases):
    name = {"postgresql": "postgres"}.get(request.param, request.param)
    site = Site(work, fork, servers, name, redis_server, next(redis_databases))
    yield site
    site.stop()


def ends(sockets, timeout):
    """The close that each was sent within `timeout` seconds; a socket that got another frame or none says so."""
    until = time.monotonic() + timeout
    return [socket.read(max(0.05, until - time.monotonic())) for socket in sockets]


def close(code, reason):
    return {"op": "close", "code": code, "reason": reason}


def test_sockets_end_within_the_interval_and_others_stay(site):
    (stays, deactivated, deleted, changed) = site.users("stays", "deactivated", "deleted", "changed")
    (blacklisted, sliding) = site.users("blacklisted", "sliding", kind="SlidingToken")
    users = {"stays": stays, "deactivated": deactivated, "deleted": deleted, "changed": changed}
    users |= {"blacklisted": blacklisted, "sliding": sliding}
    sockets = {name: site.open_everywhere(token) for name, (_, token) in users.items()}
    site.act(
        ["deactivate", deactivated[0]], ["delete", deleted[0]], ["password", changed[0]], ["blacklist", blacklisted[1]]
    )
    expected = {
        "deactivated": close(4403, "user_inactive"),
        "deleted": close(4403, "user_not_found"),
        "changed": close(4401, "password_changed"),
        "blacklisted": close(4401, "token_revoked"),
    }
    until = time.monotonic() + INTERVAL + SLACK
    for name, frame in expected.items():
        assert ends(sockets[name], until - time.monotonic()) == [frame] * 3, name
    # Another two rounds.
    time.sleep(INTERVAL)
    users = [socket.whoami()["user"] for socket in sockets["stays"] + sockets["sliding"]]
    assert users == [stays[0]] * 3 + [sliding[0]] * 3


def test_a_changed_password_lets_new_sockets_in_and_keeps_them(site):
    ((key, token),) = site.users("renewed")
    old = site.open_everywhere(token)
    site.act(["password", key])
    (token,) = site.act(["token", key])
    new = site.open_everywhere(token)
    assert ends(old, INTERVAL + SLACK) == [close(4401, "password_changed")] * 3
    time.sleep(INTERVAL)
    assert [socket.whoami()["user"] for socket in new] == [key] * 3


def test_a_socket_ends_with_its_token(site):
    ((key, token),) = site.users("brief", seconds=4)
    began = time.time()
    (longer,) = site.act(["token", key, 3600])
    brief, lasting = site.open_everywhere(token), site.open_everywhere(longer)
    assert ends(brief, 4 + 1 + SLACK) == [close(4401, "token_expired")] * 3
    assert time.time() - began >= 3, "closed too early"
    assert [socket.whoami()["user"] for socket in lasting] == [key] * 3


@pytest.mark.parametrize("by", ["user", "user as text", "username"])
def test_one_line_of_django_disconnects_everywhere_at_once(by, site):
    (gone, other) = site.users("gone", "other")
    theirs, others = site.open_everywhere(gone[1]), site.open_everywhere(other[1])
    name = theirs[0].whoami()["username"]
    who = {"user": {"user": gone[0]}, "user as text": {"user": str(gone[0])}, "username": {"username": name}}[by]
    site.act(["group_send", {"type": "sluicegate.disconnect", **who}])
    assert ends(theirs, 1.0) == [close(4403, "disconnected")] * 3
    assert [socket.whoami()["user"] for socket in others] == [other[0]] * 3


def test_the_message_may_say_code_and_reason_and_nonsense_does_no_harm(site):
    ((key, token),) = site.users("told")
    sockets = site.open_everywhere(token)
    for message in (
        {"type": "sluicegate.disconnect"},
        {"type": "sluicegate.disconnect", "user": None},
        {"type": "sluicegate.disconnect", "user": [key]},
        {"type": "sluicegate.unknown", "user": key},
        {"type": "sluicegate.disconnect", "user": key, "code": 4001, "reason": "moved away"},
    ):
        site.act(["group_send", message])
    assert ends(sockets, 1.0) == [close(4001, "moved away")] * 3


def disconnect(site, user, *arguments):
    command = [binary(), "disconnect", user, "--django", TARGET, "--project-dir", MYSITE, "--python", sys.executable]
    environment = project_environment(site.overlay)
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=60)


def test_the_command_tells_how_many_were_closed(site):
    ((key, token),) = site.users("commanded")
    sockets = site.open_everywhere(token)
    done = disconnect(site, f"id={key}")
    assert (done.returncode, done.stdout) == (0, "3 sockets closed; 2 servers answered\n"), done
    assert ends(sockets, 1.0) == [close(4403, "disconnected")] * 3
    again = disconnect(site, f"id={key}")
    assert (again.returncode, again.stdout) == (0, "0 sockets closed; 2 servers answered\n"), again


def test_the_command_says_where_nobody_hears(site):
    quiet = dict(site.settings["CHANNEL_LAYERS"]["default"]["CONFIG"], prefix="nobody-here")
    layers = {"default": {**site.settings["CHANNEL_LAYERS"]["default"], "CONFIG": quiet}}
    path = overlay.write(site.work, site.settings | {"CHANNEL_LAYERS": layers}, "nobody")
    done = disconnect(type("Quiet", (), {"overlay": path}), "ada")
    assert done.returncode == 1 and "no server answered" in done.stderr, done
    in_memory = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    path = overlay.write(site.work, site.settings | {"CHANNEL_LAYERS": in_memory}, "in-memory")
    done = disconnect(type("Alone", (), {"overlay": path}), "ada")
    assert done.returncode == 2 and "no channel layer" in done.stderr, done


def test_python_redeems_our_tickets_and_we_redeem_pythons(site):
    ((key, token),) = site.users("both")
    python = site.start(DjangoUnderUvicorn(site.fork, site.overlay))
    by_python = site.open(python, token, issuer=site.gates[0])
    assert by_python.whoami()["user"] == key
    ours = site.open(site.gates[0], token, issuer=python)
    assert ours.whoami()["user"] == key
    # Nothing is kept beside a ticket of Python's but what the database has.
    site.act(["deactivate", key])
    assert ends([ours], INTERVAL + SLACK) == [close(4403, "user_inactive")]


def test_what_is_kept_beside_a_ticket_holds_no_token_and_does_not_outlive_it(site, redis_server):
    ((_, token),) = site.users("kept")
    number = int(site.settings["CACHES"]["default"]["LOCATION"].rsplit("/", 1)[1])
    ticket = site.ticket(site.gates[0], token)
    client = redis_server.client(number)
    keys = [key for key in client.scan_iter(f"*{ticket}*")]
    assert len(keys) == 2, keys
    for key in keys:
        assert 0 < client.ttl(key) <= 600
        assert token.encode() not in client.get(key)
    with Socket(site.gates[0].address, f"/ws/chat/?uuid={ticket}") as socket:
        assert socket.admitted
        assert list(client.scan_iter(f"*{ticket}*")) == []
