"""
The wheel: built from what cargo has built, installed into a fresh environment beside Django, and served from there as
the only change to a service's command: no activated environment, no flag that names a Python.
"""

import re
import subprocess
import sys
import time
import zipfile

import pytest

from support import behind, http_client, overlay
from support.django_server import COMPAT, DjangoUnderUvicorn, project_environment
from support.http_client import UUID4
from support.processes import Process
from support.websocket_client import Socket

pytestmark = pytest.mark.one_django

ROOT = COMPAT.parent
TUTORIAL = COMPAT / "projects" / "tutorial"
TARGET = "mysite.asgi:application"
# What the tutorial's project needs of compat/requirements.
PACKAGES = ("channels", "channels_redis", "daphne", "django", "django-channels-jwt", "djangorestframework")


@pytest.fixture(scope="module")
def wheel(work):
    """Of the development profile, in which cargo has built everything but the link."""
    command = [sys.executable, "-m", "maturin", "build", "--quiet", "--profile", "dev", "--out", work / "wheels"]
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, timeout=900)
    (wheel,) = (work / "wheels").glob("*.whl")
    return wheel


def pinned():
    """The requirements of PACKAGES, and SimpleJWT's, as the tests' own environment has them."""
    files = [COMPAT / "requirements" / name for name in ("common.txt", "django-5.2.txt")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    wanted = [line for line in lines if re.split("[=~<>]", line)[0].lower() in PACKAGES]
    assert len(wanted) == len(PACKAGES), wanted
    return [*wanted, next(line for line in lines if line.startswith("djangorestframework_simplejwt"))]


@pytest.fixture(scope="module")
def environment(work, wheel):
    """A fresh one, with Django and what the project needs, and then the wheel, which needs nothing."""
    folder = work / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, *pinned()], check=True, timeout=300)
    subprocess.run([*pip, "--no-index", wheel], check=True, timeout=120)
    return folder


def run(environment, *command):
    command = [environment / "bin" / command[0], *command[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_binary_and_nothing_that_runs_besides(work, wheel):
    version = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    name = rf"sluicegate-{re.escape(version)}-py3-none-manylinux_2_(\d+)_(x86_64|aarch64)\.whl"
    named = re.fullmatch(name, wheel.name)
    assert named, wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        scripts = f"sluicegate-{version}.data/scripts/"
        info = f"sluicegate-{version}.dist-info/"
        assert {name for name in names if not name.startswith(info)} == {f"{scripts}sluicegate"}
        assert {f"{info}licenses/LICENSE-MIT", f"{info}licenses/LICENSE-APACHE"} <= names
        metadata = archive.read(f"{info}METADATA").decode()
        program = archive.read(f"{scripts}sluicegate")
    assert "License-Expression: MIT OR Apache-2.0\n" in metadata
    assert "Requires-Dist" not in metadata
    # The tag's promise: no symbol of a newer glibc.
    newest = max(int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)", program))
    assert newest <= int(named[1])
    (work / "stripped").write_bytes(program)
    readelf = ["readelf", "-S", "-W", work / "stripped"]
    sections = subprocess.run(readelf, check=True, capture_output=True, text=True).stdout
    assert " .text " in sections and " .symtab " not in sections and " .debug_info " not in sections


def test_pip_installs_it_beside_django_and_takes_it_away_again(environment, wheel):
    assert run(environment, "sluicegate", "--version").startswith("sluicegate ")
    assert "No broken requirements" in run(environment, "python", "-m", "pip", "check")
    run(environment, "python", "-m", "pip", "uninstall", "-q", "-y", "sluicegate")
    assert not (environment / "bin" / "sluicegate").exists()
    run(environment, "python", "-m", "pip", "install", "-q", "--no-index", str(wheel))
    assert (environment / "bin" / "sluicegate").exists()


@pytest.fixture
def django(work, fork, redis_server, redis_databases):
    cache = overlay.redis_cache(redis_server.url(next(redis_databases)))
    hosts = {"hosts": [redis_server.url(next(redis_databases))]}
    layer = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": hosts}}
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings = behind.settings(work, fork, cache, CHANNEL_LAYERS=layer, PASSWORD_HASHERS=hashers)
    django = DjangoUnderUvicorn(fork, settings, project=TUTORIAL, target=TARGET)
    django.overlay = settings
    yield django
    django.stop()


@pytest.fixture
def address(work, environment, django):
    """Of `sluicegate serve --django ...`, started by its whole path, as a unit does it."""
    command = [environment / "bin" / "sluicegate", "serve", "--django", TARGET, "--bind", "127.0.0.1:0"]
    command += ["--upstream", f"http://127.0.0.1:{django.address[1]}"]
    seen = project_environment(django.overlay)
    seen = {name: value for name, value in seen.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    seen["PATH"] = "/usr/bin:/bin"
    server = Process("wheel", command, log=work / "wheel.log", cwd=TUTORIAL, env=seen)
    try:
        yield "127.0.0.1", server_port(server)
    finally:
        server.kill()


def server_port(server, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.child.poll() is None:
        if found := re.search(r"sluicegate listening on http://127\.0\.0\.1:(\d+)\n", server.output()):
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(server.output())


def test_it_serves_the_project_of_the_environment_that_it_is_installed_in(address):
    host = [("Host", "127.0.0.1")]
    login = b'{"username": "alice", "password": "%s"}' % behind.PASSWORD.encode()
    answer = http_client.send(address, "POST", "/api/token/", [*host, ("Content-Type", "application/json")], login)
    assert answer.status == 200, answer
    token = answer.json()["access"]
    answer = http_client.send(address, "GET", behind.TICKET, [*host, ("Authorization", f"Bearer {token}")])
    assert answer.status == 200 and re.fullmatch(UUID4, answer.json()["uuid"]), answer
    path = f"/ws/chat/lobby/?uuid={answer.json()['uuid']}"
    origin = [("Origin", "http://127.0.0.1")]
    how = {"overrides": {"host": "127.0.0.1"}}
    with Socket(address, path, origin, **how) as first:
        assert first.admitted, first.answer
        first.send_text('{"message": "hello"}')
        assert first.read_json() == {"message": "hello"}
        with Socket(address, path, origin, **how) as second:
            assert (second.answer.status, second.answer.json()["code"]) == (403, "ticket_invalid")
