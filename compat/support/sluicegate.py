"""The program under test."""

import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

from support.django_server import COMPAT, MYSITE, TARGET, project_environment
from support.processes import NotReady, Process

# The same answers as the Chat consumer of projects/mysite gives to `whoami`.
WHOAMI = '[route.receive]\nreply = {{ user = "{{{{ user.id }}}}", username = "{{{{ user.username }}}}"{captures} }}\n'


def route(path=None, regex=None, captures=()):
    where = f"path = '{path}'" if path is not None else f"regex = '{regex}'"
    named = "".join(f', {name} = "{{{{ {name} }}}}"' for name in captures)
    return f"[[route]]\n{where}\n{WHOAMI.format(captures=named)}\n"


ROUTES = (
    route("ws/chat/")
    + route("ws/chat/<str:room>/", captures=["room"])
    + route(regex=r"^ws/re/(?P<word>\w+)/$", captures=["word"])
    + route("ws/room/<slug:room>/", captures=["room"])
    + '[[route]]\npath = "ws/json/"\n[route.receive]\nreply = { got = "{{ content }}" }\n'
)


def example(name):
    """A built example: beside the program."""
    return binary().parent / "examples" / name


def binary():
    """The built program: SLUICEGATE_BINARY, else cargo's debug build."""
    if stated := os.environ.get("SLUICEGATE_BINARY"):
        return Path(stated)
    target = Path(os.environ.get("CARGO_TARGET_DIR", COMPAT.parent / "target"))
    return target / "debug" / "sluicegate"


class Sluicegate:
    """`sluicegate serve`, or an example, which takes the same flags; as a rule on a port that it chose itself."""

    server = "sluicegate"

    def __init__(
        self,
        work,
        overlay,
        *,
        own=None,
        config="",
        routes=ROUTES,
        project=MYSITE,
        target=TARGET,
        bind="127.0.0.1:0",
        arguments=(),
        env=None,
        starter=(),
        pass_fds=(),
    ):
        self.name = f"{Path(overlay).stem}.sluicegate-{time.monotonic_ns() % 10**9}"
        self.config = work / f"{self.name}.toml"
        self.config.write_text(config + "\n" + routes, encoding="utf-8")
        command = [*starter, *([example(own)] if own else [binary(), "serve"])]
        command += ["--django", target, "--project-dir", project, "--python", sys.executable]
        command += ["--bind", bind, "--config", self.config, *arguments]
        environment = project_environment(overlay) | (env or {})
        log = work / f"{self.name}.log"
        self.process = Process(
            "sluicegate", command, log=log, cwd=project, env=environment, stdout=subprocess.PIPE, pass_fds=pass_fds
        )
        self.address = ("127.0.0.1", self._port())

    def _port(self, seconds=30):
        end = time.monotonic() + seconds
        line = b""
        # Not select(), whose descriptors end at 1024: a test may hold thousands of sockets.
        ready = select.poll()
        ready.register(self.process.child.stdout, select.POLLIN)
        while time.monotonic() < end:
            if ready.poll(200):
                line = self.process.child.stdout.readline()
                if found := re.fullmatch(rb"sluicegate listening on https?://127\.0\.0\.1:(\d+)\n", line):
                    return int(found[1])
                if not line:
                    self.process.child.wait(10)
                    break
        code = self.process.child.poll()
        output = self.process.output()
        self.process.kill()
        raise NotReady(f"sluicegate did not listen (exit code {code}, last line {line!r}):\n{output}")

    @property
    def pid(self):
        return self.process.pid

    def send_signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        self.process.kill()

    def output(self):
        return self.process.output()
