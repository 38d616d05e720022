"""SIGHUP reads all settings again; bad ones change nothing. Unusable settings stop the start."""

import json
import signal
import subprocess
import sys
import time

import pytest

from support import http_client, overlay
from support.django_server import MYSITE, TARGET, project_environment
from support.redis_server import Redis
from support.sluicegate import ROUTES, Sluicegate, binary
from support.tokens import bearer
from support.websocket_client import Socket

TICKET = "/api/auth/auth_for_ws_connection/"
NEW_KEY = "a-new-signing-key-a-new-signing-key-a-new-one"


@pytest.fixture
def site(work, sqlite_files, redis_server, redis_databases):
    class Site:
        settings = {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(redis_server.url(next(redis_databases)))}
        path = overlay.write(work, settings, "reload")
        gate = Sluicegate(work, path)

        def change(self, **settings):
            self.path.write_text(json.dumps(self.settings | settings))

        def hang_up(self):
            self.gate.send_signal(signal.SIGHUP)

        def ask(self, **how):
            return http_client.send(self.gate.address, "GET", TICKET, [("Host", "testserver"), bearer(1, **how)])

    site = Site()
    yield site
    site.gate.stop()


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_new_key_counts_after_sighup_and_sockets_stay(site):
    assert site.ask().status == 200
    with Socket(site.gate.address, f"/ws/chat/?uuid={site.ask().json()['uuid']}") as socket:
        assert socket.admitted
        site.change(SIMPLE_JWT={"SIGNING_KEY": NEW_KEY})
        assert site.ask(key=NEW_KEY).status == 401
        site.hang_up()
        until(lambda: site.ask(key=NEW_KEY).status == 200)
        assert site.ask().status == 401
        assert socket.whoami()["user"] == 1


def test_the_cache_can_move(site, redis_server, redis_databases):
    number = next(redis_databases)
    site.change(CACHES=overlay.redis_cache(redis_server.url(number)))
    site.hang_up()
    until(lambda: site.ask().status == 200 and redis_server.client(number).dbsize() > 0)


def test_bad_settings_change_nothing_and_are_told(site):
    site.path.write_text('{"SIMPLE_JWT": ')
    before = len(site.gate.process.log.read_text())
    site.hang_up()
    until(lambda: len(site.gate.process.log.read_text()) > before)
    time.sleep(1)
    assert site.ask().status == 200
    assert site.gate.process.alive()
    assert "JSONDecodeError" in site.gate.process.log.read_text()[before:]


def test_settings_whose_cache_does_not_answer_change_nothing(site):
    from support.processes import free_port

    site.change(CACHES=overlay.redis_cache(f"redis://127.0.0.1:{free_port()}/0"))
    before = len(site.gate.process.log.read_text())
    site.hang_up()
    until(lambda: len(site.gate.process.log.read_text()) > before)
    time.sleep(4)
    assert site.ask().status == 200


def test_a_rotated_password_is_found_without_a_signal(work, sqlite_files):
    redis = Redis(work, password="old-password")
    settings = {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(redis.url(1))}
    path = overlay.write(work, settings, "rotate")
    gate = Sluicegate(work, path)
    try:
        def ask():
            return http_client.send(gate.address, "GET", TICKET, [("Host", "testserver"), bearer(1)])

        assert ask().status == 200
        client = redis.client()
        client.config_set("requirepass", "new-password")
        path.write_text(json.dumps(settings | {"CACHES": overlay.redis_cache(redis.url(1).replace("old-", "new-"))}))
        client.client_kill_filter(_type="normal", skipme=True)
        until(lambda: ask().status == 200, 75)
    finally:
        gate.stop()
        redis.stop()


def start(path, *arguments, config=ROUTES, target=TARGET):
    """Runs `serve` to its end; for settings that it must refuse."""
    file = path.with_suffix(".toml")
    file.write_text(config)
    command = [binary(), "serve", "--django", target, "--project-dir", MYSITE, "--python", sys.executable]
    command += ["--bind", "127.0.0.1:0", "--config", file, *arguments]
    return subprocess.run(
        [str(part) for part in command], env=project_environment(path), capture_output=True, text=True, timeout=90
    )


UNUSABLE = {
    "a dummy cache": {"CACHES": {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}},
    "a file cache": {
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": "/tmp/x"}}
    },
    "another serializer": {
        "CACHES": overlay.django_redis_cache("redis://127.0.0.1/1", SERIALIZER="mysite.nowhere.Serializer")
    },
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_settings_stop_the_start(name, work, sqlite_files):
    ended = start(overlay.write(work, {"DATABASES": sqlite_files.make()} | UNUSABLE[name], "unusable"))
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert "E0" in ended.stderr and "cache" in ended.stderr.lower()


def test_an_unknown_key_names_the_nearest(work, sqlite_files, redis_server):
    settings = {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(redis_server.url(0))}
    ended = start(overlay.write(work, settings, "unusable"), config='[websocket]\nrefused = "close"\n' + ROUTES)
    assert ended.returncode == 2, ended.stderr
    assert "`refuse`" in ended.stderr or '"refuse"' in ended.stderr or "refuse" in ended.stderr.replace("refused", "")


def test_a_cache_that_does_not_answer_stops_the_start(work, sqlite_files):
    from support.processes import free_port

    settings = {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(f"redis://127.0.0.1:{free_port()}/0")}
    ended = start(overlay.write(work, settings, "unusable"))
    assert ended.returncode in (1, 2), ended.stderr
    assert ended.stdout == ""
