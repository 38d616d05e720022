"""The other commands beside `serve`, on the same project: `check`, `check --compare`, `settings`, `ticket`."""

import subprocess
import sys
from pathlib import Path

import pytest
import redis

from support import overlay, own_project
from support.django_server import MYSITE, TARGET, DjangoUnderUvicorn, project_environment
from support.processes import free_port
from support.sluicegate import ROUTES, binary
from support.tokens import SECRET_KEY
from support.websocket_client import Socket


class Project:
    def __init__(self, work, settings, config=ROUTES):
        self.overlay = overlay.write(work, settings, "cli")
        self.config = self.overlay.with_suffix(".toml")
        self.config.write_text(config)

    def run(self, command, *arguments):
        whole = [binary(), command, "--django", TARGET, "--project-dir", MYSITE, "--python", sys.executable]
        whole += ["--config", self.config, *arguments]
        environment = project_environment(self.overlay)
        return subprocess.run(
            [str(part) for part in whole], env=environment, cwd=MYSITE, capture_output=True, text=True, timeout=90
        )


@pytest.fixture(scope="module")
def settings(sqlite_files, redis_server, redis_databases):
    return {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(redis_server.url(next(redis_databases)))}


@pytest.fixture(scope="module")
def project(work, settings):
    return Project(work, settings)


@pytest.fixture(scope="module")
def django(fork, project):
    django = DjangoUnderUvicorn(fork, project.overlay)
    yield django
    django.stop()


@pytest.mark.parametrize("named", ["alice", "id=1"])
def test_a_ticket_printed_for_a_user_is_redeemed_by_django(named, project, django):
    printed = project.run("ticket", named)
    assert printed.returncode == 0, printed.stderr
    with Socket(django.address, f"/ws/chat/?uuid={printed.stdout.strip()}") as socket:
        assert socket.whoami() == {"user": 1, "username": "alice"}


def test_no_ticket_for_a_user_that_does_not_exist(project):
    printed = project.run("ticket", "nobody")
    assert (printed.returncode, printed.stdout) == (1, "")
    assert "nobody" in printed.stderr


def test_check_is_content_with_a_good_project(project):
    checked = project.run("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_check_names_a_cache_that_does_not_answer(work, settings):
    url = f"redis://127.0.0.1:{free_port()}/0"
    checked = Project(work, settings | {"CACHES": overlay.redis_cache(url)}).run("check")
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert "cache" in checked.stdout + checked.stderr


def test_check_compares_with_a_running_django(project, django):
    checked = project.run("check", "--compare", f"http://127.0.0.1:{django.address[1]}")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_settings_are_printed_without_secrets(work, settings):
    cache = overlay.redis_cache("redis://:a-redis-password@127.0.0.1:6379/1")
    printed = Project(work, settings | {"CACHES": cache}).run("settings")
    assert printed.returncode == 0, printed.stderr
    assert "auth.User" in printed.stdout or "sqlite" in printed.stdout
    for secret in (SECRET_KEY, "a-redis-password"):
        assert secret not in printed.stdout + printed.stderr


def test_settings_routes_name_the_consumers(project):
    printed = project.run("settings", "--routes")
    assert printed.returncode == 0, printed.stderr
    for part in ("ws/room/<slug:room>/", "mysite.consumers.Room", r"^ws/re/(?P<word>\w+)/$"):
        assert part in printed.stdout


def test_comparing_ones_own_project_changes_nothing(work, project, settings, redis_server, monkeypatch, capsys):
    """What `compat/run --project-dir DIR --django TARGET` does."""
    monkeypatch.setenv("MYSITE_OVERLAY", str(project.overlay))
    cache = redis.Redis.from_url(settings["CACHES"]["default"]["LOCATION"])
    database = Path(settings["DATABASES"]["default"]["NAME"])
    before = sorted(cache.keys()), database.read_bytes()
    passed, failed = own_project.compare(work, MYSITE, TARGET, sys.executable)
    assert failed == 0 and passed > 20, capsys.readouterr().out
    assert (sorted(cache.keys()), database.read_bytes()) == before
