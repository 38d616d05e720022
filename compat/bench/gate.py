"""What a ticket, a handshake and an idle socket cost: sluicegate, Django, and a bare axum program."""

import subprocess
import sys

from bed import SECRET, table
from support import django_server
from support.processes import free_port

ROUTES = '[[route]]\npath = "ws/chat/<str:room>/"\n[route.receive]\nwhen = { reply = true }\nreply = { ok = true }\n'

ROWS = (
    ("ticket: server CPU, us", "tickets", "cpu_us"),
    ("ticket: per second", "tickets", "per_second"),
    ("handshake: server CPU, us", "handshakes", "cpu_us"),
    ("handshake: per second", "handshakes", "per_second"),
    ("idle socket: KiB", "sockets", "kib_idle"),
    ("idle socket after a 2 KiB frame each: KiB", "sockets", "kib_after_traffic"),
)


def sluicegate(bed):
    return bed.sluicegate(ROUTES)


def bare(bed, read_buffer=4096):
    port = free_port()
    command = [bed.target["bare"], f"127.0.0.1:{port}", bed.postgres.url("bench"), bed.redis.url(), SECRET, read_buffer]
    return bed.start("bare", command, port)


def bare_small(bed):
    return bare(bed, 256)


def uvicorn(bed):
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--port", port, "--log-level", "warning", django_server.TARGET]
    return bed.start("uvicorn", command, port)


def gunicorn(bed):
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-w", 1, "--threads", 4, "-b", f"127.0.0.1:{port}"]
    command += ["--log-level", "warning", "django.core.wsgi:get_wsgi_application()"]
    return bed.start("gunicorn", command, port, DJANGO_SETTINGS_MODULE="mysite.settings")


SERVERS = {
    "sluicegate": (sluicegate, {"tickets", "handshakes", "sockets"}),
    "bare": (bare, {"tickets", "handshakes", "sockets"}),
    "bare, small buffer": (bare_small, {"sockets"}),
    "uvicorn": (uvicorn, {"tickets", "handshakes", "sockets"}),
    "gunicorn": (gunicorn, {"tickets"}),
}


def run(bed, options):
    """The figures of each server, by what was measured."""
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "gunicorn==23.0.0"], check=True)
    redis = f"127.0.0.1:{bed.redis.port}"
    figures = {}
    for name, (serve, modes) in SERVERS.items():
        if options.only and name not in options.only:
            continue
        python = name in ("uvicorn", "gunicorn")
        requests = options.requests // 20 if python else options.requests
        figures[name] = {}
        for mode, source, first, second in (
            ("tickets", bed.token(), 16, requests),
            ("handshakes", redis, 16, requests),
            ("sockets", redis, options.sockets // 10 if python else options.sockets, 2048),
        ):
            if mode in modes:
                process, port = serve(bed)
                figures[name][mode] = bed.load(mode, process, port, source, first, second, 1)
                process.stop()
    return figures


def show(figures):
    table(figures, ROWS, "bare")
