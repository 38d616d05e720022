"""A sluicegate with an admin address, and a crowd of users with names of every kind."""

import itertools
import json
import sqlite3

from support import overlay
from support.http_client import send
from support.processes import free_port
from support.sluicegate import Sluicegate
from support.tokens import bearer
from support.websocket_client import Socket

TICKET_VIEW = "/api/auth/auth_for_ws_connection/"
TOKEN = "an admin token for the tests"

ODD_NAMES = [
    "<b>bold</b><img src=x onerror=\"document.title='ran'\">",
    "</script><script>document.title='ran'</script>",
    "Ж" * 150,
    "annegret.schmidt-von-der-tannenhausen@a-department-with-a-long-name.example.org",
    "שלום עולם",
    "مستخدم‮gnp.exe",
    "李小龍",
    "👩‍👩‍👧‍👦 family 🌊",
    "e\u0301\u0302\u0303\u0304 combining",
    "two\nlines\tand a tab",
    " ",
    "'; drop table auth_user; --",
]
FIRST = "alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy rupert sybil trent victor walter zoë".split()
LAST = "martin nguyen okafor petrov quispe rossi schmidt tanaka ueda van-dijk williams xu yılmaz zhang".split()

ROUTES = """
[[route]]
path = "ws/chat/<slug:room>/"
groups = ["chat_{{ room }}"]
[[route.receive]]
when = { action = "say" }
group_send = "chat_{{ room }}"
event = { type = "chat.message", message = "{{ content.message }}" }
[route.events."chat.message"]
send = { message = "{{ event.message }}" }

[[route]]
path = "ws/notifications/"
groups = ["everybody", "user_{{ user.id }}"]

[[route]]
regex = '^ws/tenants/(?P<tenant>[\\w.-]+)/boards/(?P<board>\\d+)/changes/$'
groups = ["board_{{ board }}"]
"""


class AdminSite:
    """`sockets`: those that `open` opened. The admin address can be served again at the same port."""

    def __init__(self, work, sqlite_files, redis, number, *, token=TOKEN, config="", port=None, arguments=()):
        self.work, self.port, self.arguments = work, port or free_port(), arguments
        databases = sqlite_files.make()
        self.database = databases["default"]["NAME"]
        layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [redis.url(number)]}}
        settings = {"DATABASES": databases, "CACHES": overlay.redis_cache(redis.url(number))}
        self.overlay = overlay.write(work, settings | {"CHANNEL_LAYERS": {"default": layer}}, "admin")
        self.config = f'[admin]\nbind = "127.0.0.1:{self.port}"\n' + (f'token = "{token}"\n' if token else "")
        self.config += '[websocket]\nping_interval = 0\n'  # nobody here answers them
        self.config += f'[limits]\ntrusted_proxies = ["127.0.0.0/8"]\n{config}'
        self.url = f"http://127.0.0.1:{self.port}/"
        self.sockets, self.ids = [], {}
        self.start()

    def start(self):
        self.gate = Sluicegate(self.work, self.overlay, config=self.config, routes=ROUTES, arguments=self.arguments)
        self.address = self.gate.address

    def stop(self):
        for opened in self.sockets:
            opened.drop()
        self.sockets = []
        self.gate.stop()

    def restart(self):
        self.stop()
        self.start()

    def users(self, names):
        """Puts users of these names into the database; their ids."""
        row = "insert into auth_user (password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name) "
        row += "values ('!', 0, ?, '', '', 0, 1, '2024-01-02 03:04:05', '')"
        with sqlite3.connect(self.database) as connection:
            new = [name for name in names if name not in self.ids]
            self.ids |= {name: connection.execute(row, [name]).lastrowid for name in new}
        connection.close()
        return [self.ids[name] for name in names]

    def ticket(self, user):
        answer = send(self.address, "GET", TICKET_VIEW, [("Host", "testserver"), bearer(user)])
        assert answer.status == 200, answer
        return json.loads(answer.body)["uuid"]

    def open(self, user, path, client="127.0.0.1"):
        headers = [("Origin", "http://testserver"), ("X-Forwarded-For", client)]
        opened = Socket(self.address, f"{path}?uuid={self.ticket(user)}", headers)
        assert opened.admitted, opened.answer
        self.sockets.append(opened)
        return opened

    def refuse(self, target, client="127.0.0.1", origin="http://testserver"):
        """A handshake that is refused; the code."""
        with Socket(self.address, target, [("Origin", origin), ("X-Forwarded-For", client)]) as refused:
            assert not refused.admitted
            return json.loads(refused.answer.body)["code"]

    def ask(self, path, method="GET", headers=(), body=None):
        host = [] if any(name == "Host" for name, _ in headers) else [("Host", f"127.0.0.1:{self.port}")]
        return send(("127.0.0.1", self.port), method, path, [*host, *headers], body)


def names(count):
    """As many usernames, odd ones among them."""
    usual = (f"{first}.{last}" for last, first in itertools.product(LAST, FIRST))
    return [*ODD_NAMES, *itertools.islice(usual, count - len(ODD_NAMES))]


def clients():
    """Addresses of clients, of both families, without end."""
    for number in itertools.count(1):
        yield f"2001:db8:{number:x}:42:a8bb:ccff:fe00:{number:x}" if number % 4 == 0 else f"203.0.113.{number % 250}"
