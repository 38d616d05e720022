"""`check` as a doctor: for each finding a project that shows it, and the mended one that does not. `explain-token` and
`explain-handshake` beside what the server and Django answer."""

import datetime
import json
import re
import socket
import subprocess
import sys
import threading
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support import overlay
from support.databases import Postgres
from support.django_server import MYSITE, TARGET, DjangoUnderUvicorn, project_environment
from support.http_client import send
from support.redis_server import Redis
from support.sluicegate import ROUTES, Sluicegate, binary
from support.tokens import SECRET_KEY, access_token
from support.websocket_client import Socket

TICKET_VIEW = "/api/auth/auth_for_ws_connection/"


class Project:
    def __init__(self, work, settings, config=ROUTES, *, target=TARGET, path=None, descriptors=None):
        self.target, self.path, self.descriptors = target, path, descriptors
        self.overlay = overlay.write(work, settings, "doctor")
        self.config = self.overlay.with_suffix(".toml")
        self.config.write_text(config)

    def run(self, command, *arguments, given=None):
        whole = [binary(), command, "--django", self.target, "--project-dir", MYSITE, "--python", sys.executable]
        whole += ["--config", self.config, *arguments]
        environment = project_environment(self.overlay) | ({"PYTHONPATH": str(self.path)} if self.path else {})
        if self.descriptors:
            whole = ["prlimit", f"--nofile={self.descriptors}:{self.descriptors}", *whole]
        return subprocess.run(
            [str(part) for part in whole],
            env=environment, cwd=MYSITE, capture_output=True, text=True, timeout=90, input=given,
        )

    def findings(self, *arguments):
        """code -> finding; and the exit code."""
        checked = self.run("check", "--json", *arguments)
        document = json.loads(checked.stdout)
        assert document["exit_code"] == checked.returncode and document["schema"] == 1
        assert SECRET_KEY not in checked.stdout + checked.stderr
        return {finding["code"]: finding for finding in document["findings"]}, checked.returncode


@pytest.fixture(scope="module")
def server(work):
    """A Redis of this file's own: its settings are changed."""
    server = Redis(work)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def settings(sqlite_files, server):
    return {"DATABASES": sqlite_files.make(), "CACHES": overlay.redis_cache(server.url(1))}


def test_a_good_project_has_no_error_and_exchanges_tickets_with_django(work, settings):
    checked = Project(work, settings).run("check", "--json")
    document = json.loads(checked.stdout)
    assert checked.returncode == 0, checked.stdout
    assert [one for one in document["passed"] if one["subject"] == "cache, Django"], checked.stdout


@pytest.mark.parametrize("key, code", [("django-insecure-" + "x1y2z3" * 10, "C101"), ("short-key", "C102"), ("ab" * 30, "C103")])
def test_weak_keys(key, code, work, settings):
    assert code in Project(work, settings | {"SECRET_KEY": key}).findings()[0]
    assert code not in Project(work, settings).findings()[0]


def test_a_key_prefix_that_django_does_not_have(work, settings):
    found, exit_code = Project(work, settings, '[cache]\nkey_prefix = "other"\n' + ROUTES).findings()
    assert {"C303", "C304"} <= set(found) and exit_code == 1
    assert "other:1:<ticket>" in found["C303"]["mend"]


def test_a_version_that_django_does_not_have(work, settings):
    found, exit_code = Project(work, settings, "[cache]\nversion = 9\n" + ROUTES).findings()
    assert {"C303", "C304"} <= set(found) and exit_code == 1


def test_the_fail_level_makes_warnings_count(work, settings):
    project = Project(work, settings | {"ALLOWED_HOSTS": ["*"]})
    found, exit_code = project.findings()
    assert "C502" in found and exit_code == 0
    assert project.findings("--fail-level", "warning")[1] == 1


def test_settings_that_cannot_be_used(work, settings):
    found, exit_code = Project(work, settings, "nonsense = 1\n" + ROUTES).findings()
    assert exit_code == 2 and "E002" in found


@pytest.mark.parametrize("policy, code", [("allkeys-lru", "C401"), ("volatile-ttl", "C402")])
def test_a_redis_that_evicts(policy, code, work, settings, server):
    client = server.client()
    try:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", policy)
        assert code in Project(work, settings).findings()[0]
        client.config_set("maxmemory-policy", "noeviction")
        assert code not in Project(work, settings).findings()[0]
    finally:
        client.config_set("maxmemory", "0")


def test_what_the_redis_user_may_not_do(work, settings, server):
    client = server.client()
    client.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-getdel")
    url = f"redis://app:secret@127.0.0.1:{server.port}/1"
    project = Project(work, settings | {"CACHES": overlay.redis_cache(url)})
    assert "C405" in project.findings()[0]
    client.execute_command("ACL", "SETUSER", "app", "+getdel", "-del")
    found, exit_code = project.findings()
    assert "DEL" in found["C404"]["what"] and "+del" in found["C404"]["mend"] and exit_code == 1
    client.execute_command("ACL", "SETUSER", "app", "+del", "-info")
    found, exit_code = project.findings()
    assert "C405" not in found and "C407" in found and exit_code == 0, "what cannot be asked does not fail"


def test_a_clock_that_differs(work, settings, server):
    ahead = ShiftedRedis(server.port, 7)
    project = Project(work, settings | {"CACHES": overlay.redis_cache(f"redis://127.0.0.1:{ahead.port}/1")})
    found = project.findings()[0]
    assert re.search(r"clock is [67]\.\d+ s ahead", found["C406"]["what"]), found["C406"]
    assert found["C403"]["level"] == "note"
    assert not {"C403", "C406"} & set(Project(work, settings).findings()[0])


def test_room_for_connections_and_the_clock_of_postgresql(work, fork):
    server = Postgres(work)
    try:
        name = "doctor"
        server.create(name)
        databases = {"default": server.django(name)}
        cache = {"CACHES": overlay.database_cache()}
        fork.prepare(overlay.write(work, cache | {"DATABASES": databases}, "prepare"), "default")
        own = cache | {"DATABASES": databases}
        assert not {"C202", "C203", "C205"} & set(Project(work, own).findings()[0])
        assert "C202" in Project(work, own, "[database]\nmax_connections = 500\n" + ROUTES).findings()[0]
        server.execute("create schema skewed", name)
        server.execute(
            "create function skewed.clock_timestamp() returns timestamptz language sql as "
            "$$ select pg_catalog.clock_timestamp() - interval '90 s' $$",
            name,
        )
        databases["default"]["OPTIONS"] = {"options": "-c search_path=skewed,public,pg_catalog"}
        found = Project(work, cache | {"DATABASES": databases}).findings()[0]
        assert "90." in found["C205"]["what"] and "behind" in found["C205"]["what"]
    finally:
        server.stop()


# What the settings say


GROUPS = '[[route]]\npath = "ws/groups/<slug:room>/"\ngroups = ["room_{{ room }}"]\n' + ROUTES
ASKS = '[[route]]\npath = "ws/asked/"\n[route.ask]\nurl = "http://127.0.0.1:9/decide/"\n' + ROUTES
REDIS_LAYER = "channels_redis.core.RedisChannelLayer"


def layer(server, database=2, backend=REDIS_LAYER, **config):
    config = {"hosts": [server.url(database)], "capacity": 1500} | config
    return {"CHANNEL_LAYERS": {"default": {"BACKEND": backend, "CONFIG": config}}}


@pytest.fixture(scope="module")
def sound(settings, server):
    """Nothing is found in it, but what is said of every project."""
    return settings | {"WS_STACK": "origin-jwt", "ALLOWED_HOSTS": ["testserver"]} | layer(server)


def test_a_sound_project_has_no_finding(work, sound):
    assert Project(work, sound, GROUPS).findings() == ({}, 0)


# What is independent of one another is broken together: each check runs the project's Python twice.


@pytest.mark.parametrize(
    "codes, changed",
    [
        ({"C501", "C503"}, {"ALLOWED_HOSTS": [], "WS_STACK": "jwt"}),
        ({"C007", "C502", "C504"}, {"DEBUG": True, "ALLOWED_HOSTS": ["testserver", "*"], "WS_STACK": ["*"]}),
    ],
)
def test_what_djangos_settings_let_in(codes, changed, work, sound):
    assert codes <= set(Project(work, sound | changed, GROUPS).findings()[0])


@pytest.mark.parametrize(
    "codes, config",
    [
        ({"C603", "C604", "C610", "C408"}, {"capacity": 100, "group_expiry": 60, "expiry": 5, "database": 1}),
        ({"C602"}, {"capacity": 0}),
        ({"C607", "C409"}, {"backend": "channels_redis.pubsub.RedisPubSubChannelLayer"}),
    ],
)
def test_what_the_channel_layer_may_lose(codes, config, work, sound, server):
    assert set(Project(work, sound | layer(server, **config), GROUPS).findings()[0]) == codes


def test_a_channel_layer_that_is_away_or_in_memory_or_not_needed(work, sound, server):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        away = {"CHANNEL_LAYERS": {"default": {"BACKEND": REDIS_LAYER, "CONFIG": {"hosts": [silent.getsockname()]}}}}
        found, exit_code = Project(work, sound | away, "[channel_layer]\ntimeout = '0.5s'\n" + GROUPS).findings()
    assert found["C601"]["level"] == "error" and exit_code == 1
    memory = {"CHANNEL_LAYERS": {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}}
    assert "C606" in Project(work, sound | memory, "allow_local = true\n" + GROUPS).findings()[0]
    assert "C608" in Project(work, sound, ROUTES).findings()[0]
    assert "C609" in Project(work, sound | {"CHANNEL_LAYERS": {}}, ASKS).findings()[0]
    assert "C605" in Project(work, sound, "[channel_layer]\nlease = 'off'\n" + GROUPS).findings()[0]


def test_what_sluicegates_own_settings_say(work, sound):
    config = "[ask]\nkey = 'a short one'\n[limits]\nconnections = 1000000000\n[admin]\nbind = '0.0.0.0:9001'\n"
    assert {"C105", "C801", "C811"} <= set(Project(work, sound, config + ASKS).findings()[0])


def test_few_file_descriptors_and_an_admin_address_with_a_token(work, sound):
    config = "[admin]\nbind = '0.0.0.0:9001'\ntoken = 'a token for the tests'\n"
    assert set(Project(work, sound, config + GROUPS, descriptors=1024).findings()[0]) == {"C802"}


def test_a_statement_that_asks_for_one_user_alone(work, settings):
    script = subprocess.run([binary(), "settings", "--script"], capture_output=True, text=True, timeout=30, check=True).stdout
    project = Project(work, settings)
    exported = subprocess.run(
        [sys.executable, "-c", script, TARGET], env=project_environment(project.overlay), cwd=MYSITE,
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    statement = json.loads(exported)["items"]["user"]["value"]["by_id"]["sql"]
    narrow = statement.replace(" = %s", " = (%s)")
    assert narrow != statement
    for sql, is_found in [(statement, False), (narrow, True)]:
        document = work / "user.json"
        document.write_text(exported.replace(json.dumps(statement), json.dumps(sql)))
        whole = [binary(), "check", "--json", "--django-json", document, "--config", project.config]
        checked = subprocess.run([str(part) for part in whole], capture_output=True, text=True, timeout=60)
        codes = {finding["code"] for finding in json.loads(checked.stdout)["findings"]}
        assert ("C207" in codes, "C201" in codes) == (is_found, False)


def test_middleware_that_does_not_run_for_a_declared_route(work, sound):
    folder = work / "own-asgi"
    folder.mkdir()
    (folder / "own_asgi.py").write_text(OWN_ASGI)
    found = Project(work, sound, target="own_asgi:application", path=folder).findings()[0]
    assert "own_asgi.Audit" in found["C703"]["what"] and "proxy = true" in found["C703"]["mend"]


OWN_ASGI = """
from mysite.asgi import django_application, websocket_urlpatterns
from channels.middleware import BaseMiddleware
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django_channels_jwt.middleware import JwtAuthMiddlewareStack


class Audit(BaseMiddleware):
    async def __call__(self, scope, receive, send):
        return await super().__call__(dict(scope, audited=True), receive, send)


websocket = AllowedHostsOriginValidator(JwtAuthMiddlewareStack(Audit(URLRouter(websocket_urlpatterns))))
application = ProtocolTypeRouter({"http": django_application, "websocket": websocket})
"""


# The certificate


def certificate(folder, name, days, *names):
    """Its lines of [server]. Of `days` below zero: it has ended."""
    folder.mkdir(exist_ok=True)
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=90)
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "testserver")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    built = built.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    if names:
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
    pem.write_bytes(built.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    return f"[server]\ntls_certificate = '{pem}'\ntls_key = '{key}'\n", key


def test_a_certificate_that_clients_refuse_or_will(work, sound):
    folder = work / "doctors-certificates"
    for code, days, names in [
        ("C821", -1, ["testserver"]),
        ("C822", 3, ["testserver"]),
        ("C823", 60, []),
        ("C824", 60, ["example.com"]),
        (None, 60, ["testserver"]),
    ]:
        config, key = certificate(folder, code or "good", days, *names)
        found, exit_code = Project(work, sound, config + GROUPS).findings()
        assert set(found) == ({code} if code else set()), found
        assert exit_code == (code == "C821")
    key.chmod(0o644)
    found = Project(work, sound, config + GROUPS).findings()[0]
    assert found["C825"]["mend"] == f"chmod o-rwx {key}"


# explain-token


def tokens():
    good = access_token(1)
    yield "good", good
    yield "expired", access_token(1, exp=1)
    yield "of another key", access_token(1, key="x" * 60)
    yield "of another type", access_token(1, token_type="refresh")
    yield "issued in the future", access_token(1, iat=4102444799)
    yield "without a user", access_token(999999)
    yield "cut off", good[:-5]
    yield "no token", "garbage"


@pytest.fixture(scope="module")
def django(fork, work, settings):
    django = DjangoUnderUvicorn(fork, Project(work, settings).overlay)
    yield django
    django.stop()


@pytest.mark.parametrize("name, token", list(tokens()), ids=lambda part: part if len(part) < 25 else "")
def test_a_token_is_explained_with_djangos_answer(name, token, work, settings, django):
    explained = Project(work, settings).run("explain-token", "-", given=token)
    answer = send(django.address, "GET", TICKET_VIEW, [("Host", "testserver"), ("Authorization", f"Bearer {token}")])
    assert f"with {answer.status} " in explained.stdout, explained.stdout + explained.stderr
    assert explained.returncode == (0 if answer.status == 200 else 1)
    if answer.status != 200:
        assert explained.stdout.splitlines()[-1] == answer.text()
        assert "STOP" in explained.stdout
    assert name == "no token" or token not in explained.stdout + explained.stderr


# explain-handshake


@pytest.fixture(scope="module")
def running(work, settings):
    project = Project(work, settings)
    running = Sluicegate(work, project.overlay)
    yield running
    running.stop()


def test_a_handshake_is_explained_and_its_ticket_stays(work, settings, running):
    project = Project(work, settings)
    ticket = project.run("ticket", "alice").stdout.strip()
    url = f"ws://localhost/ws/chat/?uuid={ticket}"
    explained = project.run("explain-handshake", "-", "--origin", "http://testserver", given=url)
    assert explained.returncode == 0, explained.stdout + explained.stderr
    assert "alice" in explained.stdout and ticket not in explained.stdout
    with Socket(running.address, f"/ws/chat/?uuid={ticket}", [("Origin", "http://testserver")]) as opened:
        assert opened.whoami()["user"] == 1, "it was still good"
    again = project.run("explain-handshake", url, "--origin", "http://testserver")
    assert again.returncode == 1 and "ticket_invalid" in again.stdout


@pytest.mark.parametrize(
    "target, code",
    [
        ("/nowhere/", "no_route"),
        ("/ws/chat/", "ticket_missing"),
        ("/ws/chat/?uuid=ABC", "ticket_malformed"),
        (f"/ws/chat/?uuid={uuid.uuid4()}", "ticket_invalid"),
    ],
)
def test_a_refused_handshake_is_explained_as_the_server_answers(target, code, work, settings, running):
    explained = Project(work, settings).run("explain-handshake", target, "--origin", "http://testserver")
    with Socket(running.address, target, [("Origin", "http://testserver")]) as refused:
        answer = refused.answer
    assert explained.returncode == 1
    assert f"It would be refused: {answer.status} " in explained.stdout, explained.stdout
    assert code in explained.stdout and code in answer.text()


def test_the_queue_before_the_ticket_is_explained(work, settings):
    config = "[limits]\nhandshakes_per_second = 50\nhandshakes_burst = 100\nwaiting = 7\n"
    explained = Project(work, settings, config + ROUTES).run("explain-handshake", f"/ws/chat/?uuid={uuid.uuid4()}")
    (turn,) = [line for line in explained.stdout.splitlines() if "turn" in line]
    assert "50 a second, 100 at once" in turn and "7 may wait" in turn and "overloaded" in turn


class ShiftedRedis:
    """Passes bytes on to a Redis, whose TIME it puts forward and whose release it makes an older one."""

    TIME = re.compile(rb"\*2\r\n\$10\r\n(\d{10})\r\n\$")

    def __init__(self, port, seconds):
        self.upstream, self.seconds = port, seconds
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.upstream))
            for pair in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, sink, shift):
        while data := source.recv(65536):
            if shift:
                data = re.sub(rb"redis_version:\d(?=\.\d\.\d+)", b"redis_version:6", data)
                data = self.TIME.sub(lambda found: b"*2\r\n$10\r\n%d\r\n$" % (int(found[1]) + self.seconds), data)
            sink.sendall(data)
        sink.close()
