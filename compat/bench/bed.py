"""What every server of a run stands on: PostgreSQL, Redis, the project, the programs of the load."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from support import databases, django_server, overlay, redis_server
from support.processes import Process, free_port

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent.parent
SECRET = "contract-test-secret-key-not-for-production-0123456789"


def programs():
    """Where the programs of both crates are."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    names = ("bare", "broadcast", "fanout", "load", "upstream")
    yardsticks = {name: target / "bench" / "release" / name for name in names}
    return yardsticks | {"sluicegate": target / "release" / "sluicegate"}


def build():
    """Both crates in release; where their programs are."""
    built = programs()
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--bin", "sluicegate"], cwd=ROOT, check=True)
    environment = dict(os.environ, CARGO_TARGET_DIR=str(built["load"].parent.parent))
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=BENCH, env=environment, check=True)
    return built


class Bed:
    def __init__(self, work, target):
        self.work, self.target = work, target
        self.redis = redis_server.Redis(work)
        self.postgres = databases.Postgres(work)
        self.postgres.create("bench")
        self.settings = {
            "DATABASES": {"default": self.postgres.django("bench") | {"CONN_MAX_AGE": 600}},
            "CACHES": overlay.redis_cache(self.redis.url()),
            "CHANNEL_LAYERS": {},
        }
        self.configure()
        fork = django_server.DjangoFork(work)
        fork.prepare(self.overlay)
        fork.stop()

    def configure(self, **settings):
        """From now on servers see these settings besides the common ones."""
        self.overlay = overlay.write(self.work, self.settings | settings)

    def token(self):
        import jwt

        claims = {"token_type": "access", "exp": 4102444800, "iat": 1704067200, "jti": "0" * 32, "user_id": "1"}
        return jwt.encode(claims, SECRET, "HS256")

    def sluicegate(self, config="", *arguments):
        """sluicegate for the project, with these lines of settings."""
        file = self.work / "sluicegate.toml"
        file.write_text(config)
        port = free_port()
        command = [self.target["sluicegate"], "serve", "--django", django_server.TARGET, "--python", sys.executable]
        command += ["--project-dir", django_server.MYSITE, "--bind", f"127.0.0.1:{port}", "--config", file, *arguments]
        return self.start("sluicegate", command, port)

    def start(self, name, command, port, **variables):
        environment = django_server.project_environment(self.overlay) | variables
        log = self.work / f"{name}.log"
        process = Process(name, command, log=log, cwd=django_server.MYSITE, env=environment)
        process.wait_for_port(port, 60)
        return process, port

    def load(self, mode, process, port, source, first, second, *rest):
        """What the load client measured of `process`."""
        command = [self.target["load"], mode, f"127.0.0.1:{port}", process.pid, source, first, second, *rest]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{mode} against {process.name} failed:\n{done.stderr}\n{process.output()}")
        figures = json.loads(done.stdout)
        print(f"{process.name}: {mode}: {json.dumps(figures)}", file=sys.stderr, flush=True)
        return figures

    def stop(self):
        self.redis.stop()
        self.postgres.stop()


def raise_file_limit():
    """For this process and all that it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def table(figures, rows, yardstick):
    """Prints the figures of each server, and their ratio to the yardstick's. `rows`: title, mode, key."""
    names = list(figures)
    print("\n| | " + " | ".join(names) + " |\n|---" + "|---:" * len(names) + "|")
    for title, mode, key in rows:
        measure = figures.get(yardstick, {}).get(mode, {}).get(key)
        cells = []
        for name in names:
            value = figures[name].get(mode, {}).get(key)
            ratio = f" ({value / measure:.2f}x)" if value is not None and measure else ""
            cells.append("-" if value is None else f"{value:,.1f}{ratio}")
        print(f"| {title} | " + " | ".join(cells) + " |")
