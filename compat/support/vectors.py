"""The recorded answers in tests/vectors."""

import json
import re
from pathlib import Path

from support.http_client import Answer

VECTORS = Path(__file__).resolve().parent.parent.parent / "tests" / "vectors"
# Framing and the server's own name and clock: not the application's answer.
NOT_COMPARED = {"date", "server", "connection", "transfer-encoding", "content-length", "keep-alive"}


def load(name):
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def http_files():
    return sorted(path.name for path in VECTORS.glob("http-*.json") if path.name != "http-jwk-url.json")


def differences(answer: Answer, expect):
    """What of an answer is not as recorded, in sentences."""
    found = []
    if answer.status != expect["status"]:
        found.append(f"status {answer.status}, recorded {expect['status']}")
    got = {}
    for name, value in answer.headers if "headers" in expect else ():
        if name not in NOT_COMPARED:
            got[name] = f"{got[name]}, {value}" if name in got else value
    wanted = expect.get("headers", {})
    for name in sorted(got.keys() | wanted.keys()):
        want, have = wanted.get(name), got.get(name)
        if isinstance(want, dict) and have is not None and re.fullmatch(want["regex"], have):
            continue
        if want != have:
            found.append(f"{name}: {have!r}, recorded {want!r}")
    text = answer.text()
    if "body" in expect and text != expect["body"]:
        found.append(f"body {text!r}, recorded {expect['body']!r}")
    if "body_regex" in expect and not re.fullmatch(expect["body_regex"], text):
        found.append(f"body {text!r}, recorded as {expect['body_regex']!r}")
    return found
