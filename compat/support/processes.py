"""Child processes that do not outlive the tests, whatever ends them."""

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
_running = []


def free_port():
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class NotReady(Exception):
    """A server did not come up; the text holds what it wrote."""


class Process:
    """One server with its output in a file."""

    def __init__(self, name, command, *, log, cwd=None, env=None, user=None, stdout=None, pass_fds=()):
        self.name = name
        self.log = Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env=env,
                user=user,
                stdin=subprocess.DEVNULL,
                stdout=out if stdout is None else stdout,
                stderr=out,
                start_new_session=True,
                pass_fds=pass_fds,
                preexec_fn=_die_with_parent,
            )
        _running.append(self)

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child.poll() is None

    def wait_for(self, ready, seconds=20, what="to be ready"):
        """Calls `ready` until it returns something true; its exceptions mean not yet."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.alive():
                raise NotReady(f"{self.name} ended with {self.child.returncode}:\n{self.output()}")
            with contextlib.suppress(Exception):
                if result := ready():
                    return result
            time.sleep(0.03)
        raise NotReady(f"{self.name} took more than {seconds} s {what}:\n{self.output()}")

    def wait_for_port(self, port, seconds=20):
        def connects():
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True

        self.wait_for(connects, seconds, f"to listen on {port}")

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")[-6000:]

    def send_signal(self, number):
        if self.alive():
            self.child.send_signal(number)

    def freeze(self):
        """The process keeps its sockets and answers nothing."""
        self.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.send_signal(signal.SIGCONT)

    def kill(self):
        """Ends it and what it started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(10)
        if self in _running:
            _running.remove(self)

    def stop(self, number=signal.SIGTERM, seconds=10):
        """Asks it to end; kills it where it does not. Its exit code."""
        self.thaw()
        self.send_signal(number)
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        code = self.child.poll()
        self.kill()
        return code


@atexit.register
def _kill_all():
    for process in list(_running):
        with contextlib.suppress(Exception):
            process.kill()
