"""`projects/behind` under a Python server, and sluicegate in front of it: the same request goes to both."""

import itertools
import json
import shutil

from support import http_client, overlay
from support.django_server import COMPAT, DjangoUnderDaphne, DjangoUnderUvicorn
from support.sluicegate import Sluicegate
from support.tokens import bearer
from support.websocket_client import Socket

BEHIND = COMPAT / "projects" / "behind"
TARGET = "behind.asgi:application"
TICKET = "/api/auth/auth_for_ws_connection/"
ALICE, BOB, CAROL = 1, 2, 3
PASSWORD = "open sesame"
_names = (f"n{number}" for number in itertools.count(1))


def fresh_name():
    """For views and consumers that wait or remember by name."""
    return next(_names)


_templates = {}


def settings(work, fork, cache, **more):
    """An overlay with a database of its own, in which the project's tables and users are."""
    if work not in _templates:
        template = work / "behind-template.sqlite3"
        overlaid = overlay.write(work, {"DATABASES": _sqlite(template)}, "behind-template")
        order = {"project": str(BEHIND), "env": {"MYSITE_OVERLAY": str(overlaid)}, "log": str(work / "prepare.log")}
        fork.order(order | {"call": ["prepare"]}, 120)
        _templates[work] = template
    copy = work / f"behind-{fresh_name()}.sqlite3"
    shutil.copy(_templates[work], copy)
    return overlay.write(work, {"DATABASES": _sqlite(copy), "CACHES": cache, **more}, "behind")


def _sqlite(file):
    return {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}}


def django(kind, fork, path, **how):
    if kind == "daphne":
        return DjangoUnderDaphne(fork.work, path, project=BEHIND, target=TARGET)
    return DjangoUnderUvicorn(fork, path, project=BEHIND, target=TARGET, **how)


def gate(work, path, *upstreams, config="", **how):
    """sluicegate with `--upstream` for these servers, or URLs."""
    urls = [url if isinstance(url, str) else f"http://127.0.0.1:{url.address[1]}" for url in upstreams]
    arguments = ["--upstream", ",".join(urls)]
    return Sluicegate(work, path, config=config, routes="", project=BEHIND, target=TARGET, arguments=arguments, **how)


class Pair:
    """One Django, and sluicegate in front of it."""

    def __init__(self, work, fork, path, kind="uvicorn", config=""):
        self.kind, self.overlay = kind, path
        self.django = django(kind, fork, path)
        try:
            self.gate = gate(work, path, self.django, config=config)
        except Exception:
            self.django.stop()
            raise
        self._cookies = {}

    def address(self, side):
        return (self.django if side == "django" else self.gate).address

    @property
    def both(self):
        """(side, address) of each."""
        return [(side, self.address(side)) for side in ("django", "sluicegate")]

    def send(self, side, method, target, headers=(), body=None, host="testserver"):
        return http_client.send(self.address(side), method, target, [("Host", host), *headers], body)

    def get(self, target, side="django"):
        return self.send(side, "GET", target)

    def recorded(self, name):
        """What the consumer, or the view, of that name saw so far."""
        return self.get(f"/recorded/{name}/").json()

    def release(self, name):
        assert self.get(f"/release/{name}/").status == 204

    def ticket(self, user=ALICE):
        return self.send("django", "GET", TICKET, [bearer(user)]).json()["uuid"]

    def cookie(self, username="alice"):
        """The header of a logged-in browser."""
        if username not in self._cookies:
            body = json.dumps({"username": username, "password": PASSWORD}).encode()
            answer = self.send("django", "POST", "/login/", [("Content-Type", "application/json")], body)
            assert answer.status == 200, answer
            found = [value for name, value in answer.headers if name == "set-cookie" and "sessionid" in value]
            self._cookies[username] = ("Cookie", found[0].split(";")[0])
        return self._cookies[username]

    def open(self, side, path, headers=(), *, user=ALICE, query="", **how):
        """A handshake; under `/ws/ticket/` with a ticket for `user`."""
        if path.startswith("/ws/ticket/") and user is not None:
            query = f"{query}&uuid={self.ticket(user)}" if query else f"uuid={self.ticket(user)}"
        return Socket(self.address(side), f"{path}?{query}" if query else path, headers, **how)

    def stop(self):
        self.gate.stop()
        self.django.stop()
