"""
Your own project's Django beside sluicegate. Everything that is sent is harmless: no request carries a valid token or
an existing ticket, so nothing is stored, and the only key that a handshake names is a random one.
"""

import json
import os
import secrets
import subprocess
import time
import uuid
from pathlib import Path

from support import http_client
from support.processes import NotReady, Process, free_port
from support.websocket_client import Socket

DROPPED = {"date", "server", "transfer-encoding"}


def compare(work, project_dir, target, python=None):
    """Starts both, sends everything to both, prints each answer that differs. (passed, failed)"""
    project = Path(project_dir).resolve()
    python = python or find_python(project)
    work.mkdir(parents=True, exist_ok=True)
    folder = work / f"own-{os.getpid()}"
    folder.mkdir()
    binary = sluicegate_binary()
    known = settings_of(binary, project, target, python, folder)
    views = [view["path"] for view in value(known, "ticket_views", []) if view.get("path") is not None]
    hosts = value(known, "core", {}).get("allowed_hosts", [])
    host = next((entry.lstrip(".") for entry in hosts if entry != "*"), "localhost")
    servers = {}
    try:
        servers["Django"] = start_django(project, target, python, folder)
        servers["sluicegate"] = start_sluicegate(binary, project, target, python, folder)
        return run(servers, views, host)
    finally:
        for process, _ in servers.values():
            process.kill()


def find_python(project):
    """As sluicegate does: VIRTUAL_ENV, then .venv or venv in the project's folder, then python3."""
    places = [Path(os.environ["VIRTUAL_ENV"])] if "VIRTUAL_ENV" in os.environ else []
    places += [project / ".venv", project / "venv"]
    return next((str(place / "bin" / "python") for place in places if (place / "bin" / "python").exists()), "python3")


def sluicegate_binary():
    from support.sluicegate import binary

    return binary()


def settings_of(binary, project, target, python, folder):
    script = subprocess.run([binary, "settings", "--script"], check=True, capture_output=True).stdout
    out = folder / "django.json"
    with open(out, "wb") as stdout:
        os.chmod(out, 0o600)
        subprocess.run([python, "-", target], input=script, stdout=stdout, cwd=project, check=True)
    try:
        return json.loads(out.read_text(encoding="utf-8"))
    finally:
        out.unlink()  # it holds the project's keys


def value(known, item, default):
    return known["items"].get(item, {}).get("value") or default


def start_django(project, target, python, folder):
    port = free_port()
    command = [python, "-m", "uvicorn", "--host", "127.0.0.1", "--port", port, "--lifespan", "off"]
    env = dict(os.environ)
    if ":" in target or target.endswith("asgi"):
        command.append(target if ":" in target else f"{target}:application")
    else:
        env["DJANGO_SETTINGS_MODULE"] = target
        command += ["--factory", "django.core.asgi:get_asgi_application"]
    process = Process("Django under uvicorn", command, log=folder / "django.log", cwd=project, env=env)
    process.wait_for_port(port, 60)
    return process, ("127.0.0.1", port)


def start_sluicegate(binary, project, target, python, folder):
    config = folder / "sluicegate.toml"
    config.write_text('[[route]]\npath = "sluicegate-compare/"\n')
    command = [binary, "serve", "--django", target, "--project-dir", project, "--python", python]
    command += ["--bind", "127.0.0.1:0", "--config", config]
    stdout = folder / "sluicegate.stdout"
    with open(stdout, "wb") as out:
        process = Process("sluicegate", command, log=folder / "sluicegate.log", cwd=project, stdout=out)
    start, line = time.monotonic(), b""
    while not line.endswith(b"\n"):
        if not process.alive() or time.monotonic() - start > 60:
            raise NotReady(process.output())
        time.sleep(0.05)
        line = stdout.read_bytes()
    return process, ("127.0.0.1", int(line.rsplit(b":", 1)[1]))


def harmless_requests(path, host):
    """(what it is, method, target, headers)"""
    bad = "Bearer " + ".".join(secrets.token_urlsafe(24) for _ in range(3))
    mine = [("Host", host)]
    yield "no credentials", "GET", path, mine
    yield "HEAD without credentials", "HEAD", path, mine
    yield "a token that nobody signed", "GET", path, [*mine, ("Authorization", bad)]
    yield "one word", "GET", path, [*mine, ("Authorization", "Bearer")]
    yield "three words", "GET", path, [*mine, ("Authorization", "Bearer a b")]
    yield "another scheme", "GET", path, [*mine, ("Authorization", "Nonsense abc")]
    for method in ("OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
        yield f"{method} without credentials", method, path, mine
    yield "Accept: image/png", "GET", path, [*mine, ("Accept", "image/png")]
    yield "Accept: application/json; indent=4", "GET", path, [*mine, ("Accept", "application/json; indent=4")]
    yield "?format=json", "GET", path + "?format=json", mine
    yield "?format=nonsense", "GET", path + "?format=nonsense", mine
    yield "Accept-Language: de", "GET", path, [*mine, ("Accept-Language", "de")]
    yield "a host that is not allowed", "GET", path, [("Host", "nobody.invalid")]
    origin = ("Origin", "https://nobody.invalid")
    yield "a foreign origin", "GET", path, [*mine, origin]
    yield "a CORS preflight", "OPTIONS", path, [*mine, origin, ("Access-Control-Request-Method", "GET")]
    if path.endswith("/"):
        yield "no slash at the end", "GET", path[:-1], mine


def run(servers, views, host):
    passed = failed = 0
    if not views:
        print("No ticket view with a fixed path was found: only handshakes are compared.")
    for view in views:
        for what, method, target, headers in harmless_requests("/" + view.lstrip("/"), host):
            answers = {}
            for name, (_, address) in servers.items():
                answers[name] = http_client.send(address, method, target, headers)
            shown = {name: comparable(answer, answers["Django"]) for name, answer in answers.items()}
            same = shown["Django"] == shown["sluicegate"]
            passed, failed = passed + same, failed + (not same)
            print(f"{'same' if same else 'DIFFERENT'}: {method} {target}: {what}")
            if not same:
                for name, text in shown.items():
                    print(f"  {name}:\n" + "".join(f"    {line}\n" for line in text.splitlines()[:20]), end="")
    for what, query in (("no ticket", ""), ("a ticket that nobody issued", f"?uuid={uuid.uuid4()}")):
        with Socket(servers["sluicegate"][1], "/sluicegate-compare/" + query) as socket:
            refused = socket.answer.status == 403
        passed, failed = passed + refused, failed + (not refused)
        print(f"{'refused' if refused else 'NOT REFUSED'}: handshake with {what}")
    return passed, failed


def comparable(answer, reference):
    dropped = DROPPED | ({"content-length"} if reference.header("content-length") is None else set())
    headers = sorted(f"{name}: {value}" for name, value in answer.headers if name not in dropped)
    return "\n".join([str(answer.status), *headers, "", answer.text()])


