"""
What one group_send to all members of a group costs: the chat of the Channels tutorial, declared in sluicegate, and its
own consumer under uvicorn and Daphne; beside a bare program that writes the same frame to every socket.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from bed import table
from support import django_server, overlay
from support.processes import free_port

BENCH = Path(__file__).resolve().parent

ROUTE = """
[[route]]
path = "ws/chat/<str:room_name>/"
groups = ["chat_{{ room_name }}"]

[[route.receive]]
group_send = "chat_{{ room_name }}"
event = { type = "chat.message", message = "{{ content.message }}" }

[route.events."chat.message"]
send = { message = "{{ event.message }}" }
"""

MEMBERS = (1_000, 5_000, 10_000)
# A delivery takes Python so long that 10,000 members would wait for 6 s.
PYTHON_MEMBERS = (1_000, 5_000)
LARGE_BYTES = 64 * 1024

# The limits: microseconds of server CPU per delivery from so many members on, KiB of an idle socket, and by how much
# Redis' work for a message may differ between the fewest and the most members.
CPU_US, CPU_MEMBERS, IDLE_KIB, REDIS_GROWTH = 8, 2_000, 3.5, 1.1

SENDING = (
    ("server CPU per delivery, us", "cpu_us"),
    ("p50, ms", "p50_ms"),
    ("p99, ms", "p99_ms"),
    ("the last member has it (median), ms", "last_ms"),
    ("lost", "lost"),
    ("Redis: commands", "redis_commands"),
    ("Redis: bytes in", "redis_bytes_in"),
    ("Redis: bytes out", "redis_bytes_out"),
    ("Redis: CPU, us", "redis_cpu_us"),
)
SATURATED = (
    ("deliveries per second", "per_second"),
    ("server CPU per delivery, us", "cpu_us"),
    ("server: cores busy", "server_busy"),
    ("load: cores busy", "load_busy"),
    ("lost", "lost"),
)
MEMORY = (("idle: KiB", "kib_idle"), ("10 s after an event of 64 KiB each: KiB", "kib_after_large"))


def sluicegate(bed):
    return bed.sluicegate(ROUTE)


def bare(bed):
    port = free_port()
    return bed.start("bare", [bed.target["broadcast"], f"127.0.0.1:{port}"], port)


def uvicorn(bed):
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--port", port, "--log-level", "warning", "chat:application"]
    return bed.start("uvicorn", command, port, **PYTHON)


def daphne(bed):
    port = free_port()
    command = [sys.executable, "-m", "daphne", "-v", 0, "-b", "127.0.0.1", "-p", port, "chat:application"]
    return bed.start("daphne", command, port, **PYTHON)


PYTHON = {"PYTHONPATH": f"{BENCH}:{django_server.MYSITE}"}
SERVERS = {"sluicegate": sluicegate, "bare": bare, "uvicorn": uvicorn, "daphne": daphne}


def run(bed, options):
    """The figures of each server, by the number of members."""
    figures = {}
    for name, serve in SERVERS.items():
        if options.only and name not in options.only:
            continue
        python = name in ("uvicorn", "daphne")
        numbers = options.members or (PYTHON_MEMBERS if python else MEMBERS)
        if options.quick:
            numbers = numbers[:1] if python else sorted({numbers[0], numbers[-1]})
        large = numbers[0] if python else numbers[-1]
        # The time limit of redis 8 is that of channels_redis' blocking pop: a consumer that is idle for 5 s would end.
        bed.configure(CHANNEL_LAYERS=layer(bed, socket_timeout=None) if python else layer(bed))
        figures[name] = {}
        for number in numbers:
            bed.redis.client().flushall()
            process, port = serve(bed)
            figures[name][number] = measure(bed, process, port, number, number == large, options)
            process.stop()
    bed.configure()
    return figures


def layer(bed, **host):
    """channels_redis' own layer with its defaults: no queue comes near its capacity of 100, for what is sent is paced."""
    hosts = [{"address": bed.redis.url(1), **host} if host else bed.redis.url(1)]
    return {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": hosts}}}


def measure(bed, process, port, members, large, options):
    redis = "-" if process.name == "bare" else f"127.0.0.1:{bed.redis.port}"
    command = [bed.target["fanout"], f"127.0.0.1:{port}", process.pid, redis, members, 1 if options.quick else 4]
    command += [LARGE_BYTES if large else 0]
    if redis != "-":
        command += [sys.executable, BENCH / "producer.py"]
    environment = django_server.project_environment(bed.overlay) | PYTHON
    profile = start_profile(options.profile, process, members)
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, cwd=django_server.MYSITE, env=environment)
    if profile:
        profile.terminate()
        profile.wait()
    if done.returncode != 0:
        sys.exit(f"{members} members of {process.name} failed:\n{done.stderr}\n{process.output()}")
    figures = json.loads(done.stdout)
    print(f"{process.name}: {json.dumps(figures)}", file=sys.stderr, flush=True)
    return figures


def start_profile(folder, process, members):
    """`perf` beside sluicegate and the bare program; the figures of such a run are not to be quoted."""
    if not folder or process.name not in ("sluicegate", "bare"):
        return None
    os.makedirs(folder, exist_ok=True)
    output = Path(folder) / f"{process.name}-{members}.data"
    return subprocess.Popen(["perf", "record", "-q", "-F", "997", "-g", "-p", str(process.pid), "-o", output])


def show(figures):
    """A table for each way of sending and number of members, and what became of the limits."""
    numbers = sorted({number for of_server in figures.values() for number in of_server})
    for title, way, rows in (
        ("from a client", "client", SENDING),
        ("from Django", "django", SENDING),
        ("saturated, from a client", "saturated", SATURATED),
        ("memory per socket in one group", None, MEMORY),
    ):
        for number in numbers:
            of_number = {}
            for name, of_server in figures.items():
                measured = of_server.get(number, {})
                of_number[name] = {"": measured.get(way, {}) if way else measured}
            if any(key in of_server[""] for of_server in of_number.values() for _, key in rows):
                print(f"\n{title}: {number:,} members")
                table(of_number, [(row, "", key) for row, key in rows], "bare" if way != "django" else "uvicorn")
    print()
    for text, holds in limits(figures.get("sluicegate", {})):
        print(f"{'holds' if holds else 'EXCEEDED'}: {text}")


def limits(ours):
    """Each limit that could be looked at: what was measured, and whether it holds."""
    ways = [(number, way, figures[way]) for number, figures in ours.items() for way in ("client", "django") if way in figures]
    for number, way, figures in ways:
        if number >= CPU_MEMBERS:
            text = f"{figures['cpu_us']:.1f} us of CPU per delivery to {number:,} members, from {way}; at most {CPU_US}"
            yield text, figures["cpu_us"] <= CPU_US
        odd = {key: figures[key] for key in ("lost", "disordered", "wrong", "closed")}
        yield f"to {number:,} members, from {way}: {odd}; none of these", not any(odd.values())
    for number, figures in ours.items():
        for key in ("kib_idle", "kib_after_large"):
            if key in figures and number >= CPU_MEMBERS:
                text = f"{figures[key]:.2f} KiB for a socket of {number:,} in one group ({key}); at most {IDLE_KIB}"
                yield text, figures[key] <= IDLE_KIB
    if len(ours) > 1:
        few, many = min(ours), max(ours)
        for way in ("client", "django"):
            for key in ("redis_commands", "redis_bytes_in", "redis_bytes_out"):
                fewest, most = ours[few][way][key], ours[many][way][key]
                text = f"{key} from {way}: {fewest:,.0f} with {few:,} members, {most:,.0f} with {many:,}"
                yield f"{text}; at most {REDIS_GROWTH}x", most <= REDIS_GROWTH * fewest
