"""`projects/groups` under Python servers, and sluicegates beside them: all are members of one channel layer."""

import contextlib
import json
import subprocess
import sys
import uuid

from support import behind, http_client, overlay
from support.django_server import COMPAT, DjangoUnderDaphne, DjangoUnderUvicorn, project_environment
from support.processes import Process
from support.sluicegate import Sluicegate
from support.websocket_client import Socket

GROUPS = COMPAT / "projects" / "groups"
TARGET = "groups.asgi:application"
LAYERS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}
# Of redis 8.1's connections, without which Python's idle consumers and workers die after 5 s.
PATIENT = {"socket_timeout": 600}

# groups/consumers.py once more.
ROOM = """
[[route.receive]]
frame = "binary"
group_send = "room_{{ room }}"
event = { type = "room.bytes", data = "{{ bytes }}" }

[[route.receive]]
when = { action = "say" }
group_send = "room_{{ room }}"
event = { type = "room.message", message = "{{ content.message }}" }

[[route.receive]]
when = { action = "typing" }
group_send = "room_{{ room }}"
event = { type = "room.typing", user = "{{ user.id }}", name = "{{ user.username }}", sender = "{{ channel_name }}" }

[[route.receive]]
when = { action = "job" }
channel_send = "jobs"
event = { type = "job.run", number = "{{ content.number }}", reply_channel = "{{ channel_name }}" }

[[route.receive]]
when = { action = "whoami" }
reply = { channel_name = "{{ channel_name }}" }

[[route.receive]]
when = { action = "end" }
group_send = "room_{{ room }}"
event = { type = "room.end" }

[route.events."room.message"]
send = { message = "{{ event.message }}" }

[route.events."room.bytes"]
send_bytes = "{{ event.data }}"

[route.events."room.typing"]
except = "{{ event.sender }}"
send = { typing = "{{ event.user }}", name = "{{ event.name }}" }

[route.events."job.done"]
send = { done = "{{ event.number }}" }

[route.events."room.joined"]
send = { joined = "{{ event.user }}" }

[route.events."room.left"]
send = { left = "{{ event.user }}", code = "{{ event.code }}" }

[route.events."room.end"]
send = { message = "goodbye" }
close = { code = 4001, reason = "the end" }
"""
ROUTES = (
    """
[[route]]
path = "ws/room/<slug:room>/"
groups = ["room_{{ room }}"]
"""
    + ROOM
    + """
[[route]]
path = "ws/door/<slug:room>/"
groups = ["room_{{ room }}"]

[route.on_connect]
group_send = "room_{{ room }}"
event = { type = "room.joined", user = "{{ user.id }}" }

[route.on_disconnect]
group_send = "room_{{ room }}"
event = { type = "room.left", user = "{{ user.id }}", code = "{{ code }}" }
"""
    + ROOM
)


class Site:
    """
    One database, cache and channel layer for Python servers and sluicegates, which are started when they are asked for.
    `servers` are the Redis of the layer; each site has a prefix of its own.
    """

    def __init__(self, work, fork, cache, servers, *, kind="core", layer=None, config="", routes=ROUTES):
        self.work, self.fork, self.kind = work, fork, kind
        self.servers, self.config, self.routes = servers, config, routes
        self.prefix = behind.fresh_name()
        self.tickets = cache.client(0)
        hosts = [{"address": server.url(), **PATIENT} for server in servers]
        self.layer = {"hosts": hosts, "prefix": self.prefix} | (layer or {})
        layers = {"default": {"BACKEND": LAYERS[kind], "CONFIG": self.layer}}
        self.overlay = behind.settings(work, fork, overlay.redis_cache(cache.url()), CHANNEL_LAYERS=layers)
        self._stack = contextlib.ExitStack()

    def python(self, server="uvicorn"):
        if server == "daphne":
            started = DjangoUnderDaphne(self.work, self.overlay, project=GROUPS, target=TARGET)
        else:
            started = DjangoUnderUvicorn(self.fork, self.overlay, project=GROUPS, target=TARGET)
        self._stack.callback(started.stop)
        return started

    def gate(self, config="", **how):
        config = f"{self.config}\n{config}"
        started = Sluicegate(self.work, self.overlay, config=config, routes=self.routes, project=GROUPS, target=TARGET, **how)
        self._stack.callback(started.stop)
        return started

    def worker(self):
        """`manage.py runworker jobs`, ready: under pub/sub it hears nothing before it has subscribed."""
        command = [sys.executable, "manage.py", "runworker", "jobs"]
        log = self.work / f"{self.prefix}.worker.log"
        worker = Process("runworker", command, log=log, cwd=GROUPS, env=project_environment(self.overlay))
        self._stack.callback(worker.kill)
        worker.wait_for(lambda: "Running worker" in worker.output(), 30)
        if self.kind == "pubsub":
            worker.wait_for(lambda: any(server.client().pubsub_channels("jobs") for server in self.servers), 30)
        return worker

    def producer(self, name, groups, per_second):
        producer = Producer(self, name, groups, per_second)
        self._stack.callback(producer.process.kill)
        return producer

    def ticket(self, user=behind.ALICE):
        """As the ticket view leaves it in the cache."""
        ticket = str(uuid.uuid4())
        self.tickets.set(f":1:{ticket}", user, ex=600)
        return ticket

    def open(self, server, room, user=behind.ALICE, route="room"):
        member = Member(server.address, f"/ws/{route}/{room}/?uuid={self.ticket(user)}")
        assert member.admitted, member.answer
        self._stack.callback(member.drop)
        return member

    def view(self, server, path, event):
        """A sync view that sends this."""
        answer = http_client.send(server.address, "POST", path, [("Host", "testserver")], json.dumps(event).encode())
        assert answer.status == 204, answer

    def command(self, *arguments):
        """A process that runs a management command and ends."""
        log = str(self.work / f"{self.prefix}.command.log")
        env = {"MYSITE_OVERLAY": str(self.overlay)}
        self.fork.order({"project": str(GROUPS), "env": env, "log": log, "call": ["command", *arguments]})

    def keys(self):
        """Everything of this site's that is in its Redis servers."""
        return sorted(key.decode() for server in self.servers for key in server.client().scan_iter(f"{self.prefix}*"))

    def members(self, group):
        """Who is in a group, as Channels sees it."""
        return [name for server in self.servers for name in server.client().zrange(f"{self.prefix}:group:{group}", 0, -1)]

    def groups_in_use(self):
        """How many groups have members, but for the one in which every sluicegate hears commands."""
        return sum(":group:" in key and not key.endswith(":group:sluicegate") for key in self.keys())

    def stop(self):
        self._stack.close()


class Member(Socket):
    """A client in a room."""

    def say(self, message):
        self.tell(action="say", message=message)

    def tell(self, **content):
        self.send_text(json.dumps(content))

    def texts(self, count, timeout=20):
        """The next frames, which are texts, as they came."""
        frames = [self.read(timeout) for _ in range(count)]
        assert [frame["op"] for frame in frames] == ["text"] * count, frames[-3:]
        return [frame["payload"].decode() for frame in frames]

    def is_silent(self, seconds=0.3):
        """Nothing comes. The stream cannot be read afterwards, so this is the last that is asked."""
        got = self.read(seconds)
        assert got == {"op": "TIMEOUT"}, got
        return True


class Producer:
    """`produce.py` of a site: a process that sends to groups until it is told to end."""

    def __init__(self, site, name, groups, per_second):
        self.name = name
        command = [sys.executable, "produce.py", name, str(groups), str(per_second)]
        self.log = site.work / f"{site.prefix}.{name}.log"
        self.process = subprocess.Popen(
            command,
            cwd=GROUPS,
            env=project_environment(site.overlay),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(self.log, "wb"),
            text=True,
        )

    def start(self):
        assert self.process.stdout.readline() == "ready\n", self.log.read_text()
        self._line()

    def end(self):
        """What was sent and what failed, each as {group: [number]}."""
        self._line()
        return json.loads(self.process.stdout.readline())

    def _line(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
