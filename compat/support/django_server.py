"""The real thing: the `mysite` project under uvicorn (forked, fast) and Daphne."""

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from support.processes import Process, free_port

COMPAT = Path(__file__).resolve().parent.parent
MYSITE = COMPAT / "projects" / "mysite"
USERS = COMPAT.parent / "tests" / "vectors" / "users.json"
TARGET = "mysite.asgi:application"


def project_environment(overlay):
    """What the project's processes see: this environment and the overlay's place."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DJANGO", "SLUICEGATE"))}
    return environment | {"MYSITE_OVERLAY": str(overlay), "PYTHONDONTWRITEBYTECODE": "1"}


class DjangoFork:
    """The process that forks Djangos; see django_fork.py."""

    def __init__(self, work):
        self.work = work
        command = [sys.executable, "-m", "support.django_fork"]
        import subprocess

        self.log = work / "django-fork.log"
        self.child = subprocess.Popen(
            command,
            cwd=COMPAT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(self.log, "ab"),
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        )
        self._read(60)

    def order(self, order, seconds=60):
        self.child.stdin.write(json.dumps(order).encode() + b"\n")
        self.child.stdin.flush()
        answer = self._read(seconds)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def _read(self, seconds):
        if not select.select([self.child.stdout], [], [], seconds)[0]:
            raise RuntimeError(f"no Django within {seconds} s; see {self.log}")
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(self.log.read_text()[-3000:])
        return json.loads(line)

    def prepare(self, overlay, kind="default"):
        """Makes the tables and the users; see projects/mysite/prepare.py."""
        log = str(self.work / "prepare.log")
        call = ["prepare", str(USERS), kind]
        env = {"MYSITE_OVERLAY": str(overlay)}
        self.order({"project": str(MYSITE), "env": env, "log": log, "call": call}, 120)

    def stop(self):
        self.child.stdin.close()
        with contextlib.suppress(Exception):
            self.child.wait(5)
        self.child.kill()


class DjangoUnderUvicorn:
    """A forked Django with the overlay's settings."""

    server = "uvicorn"

    def __init__(self, fork, overlay, *, project=MYSITE, target=TARGET, port=0, env=None, **uvicorn):
        self.log = fork.work / f"{Path(overlay).stem}.uvicorn.log"
        env = {"MYSITE_OVERLAY": str(overlay)} | (env or {})
        order = {"project": str(project), "env": env, "log": str(self.log), "target": target, "port": port}
        answer = fork.order(order | {"uvicorn": uvicorn})
        self.pid = answer["pid"]
        self.address = ("127.0.0.1", answer["port"])

    def send_signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stop(self):
        self.send_signal(signal.SIGKILL)
        end = time.monotonic() + 5
        while Path(f"/proc/{self.pid}").exists() and time.monotonic() < end:
            time.sleep(0.01)

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:] if self.log.exists() else ""


class DjangoUnderDaphne:
    server = "daphne"

    def __init__(self, work, overlay, *, project=MYSITE, target=TARGET):
        port = free_port()
        self.address = ("127.0.0.1", port)
        command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", port, target]
        log = work / f"{Path(overlay).stem}.daphne.log"
        self.process = Process("daphne", command, log=log, cwd=project, env=project_environment(overlay))
        self.process.wait_for_port(port, 40)

    def send_signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        self.process.kill()

    def output(self):
        return self.process.output()
