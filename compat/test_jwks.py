"""`JWK_URL`: the recorded sequences, each on servers that have fetched nothing yet."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support import http_client, overlay, vectors
from support.django_server import DjangoUnderUvicorn
from support.processes import free_port
from support.sluicegate import Sluicegate

TICKET = "/api/auth/auth_for_ws_connection/"

# A JWKS that cannot be had is 503 with Retry-After; Python says that the token is invalid, or answers 500.
NO_JWKS = "none at all is 503: nobody can tell whether the token is good"
WRONG_KIND = "a key of the wrong kind is a 401, not Django's 500"
DIFFERENT = {
    "again": NO_JWKS,
    "cold, mode notjson": NO_JWKS,
    "again (2)": NO_JWKS,
    "cold, mode empty": NO_JWKS,
    "again (3)": NO_JWKS,
    "connection refused": NO_JWKS,
    "slow jwks 35s (timeout?)": NO_JWKS,
    "kid of EC key with RS256 alg": WRONG_KIND,
}
# These wait for half a minute and more: with --all.
SLOW = {"cooldown: new kid after 31 s refetches", "cooldown: old kid after refetch", "slow jwks 35s (timeout?)"}


class Endpoint:
    """Answers with the document of the case, and counts how often it was asked."""

    def __init__(self):
        endpoint = self
        self.document, self.fetched = {}, 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                endpoint.fetched += 1
                document = endpoint.document
                time.sleep(document.get("delay_seconds", 0))
                body = document["text"].encode() if "text" in document else json.dumps(document.get("json")).encode()
                try:
                    self.send_response(document["status"])
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the client did not wait

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def sequences():
    """Cases that run on the same servers, in order: the recording restarted its server in between."""
    found = []
    for case in vectors.load("http-jwk-url.json")["cases"]:
        goes_on = found and (
            case["name"].startswith(("rotated", "old kid", "unknown kid, server 500", "cooldown: new", "cooldown: old"))
            or (
                case["jwks_endpoint"] == found[-1][-1]["jwks_endpoint"]
                and case["settings"] == found[-1][-1]["settings"]
                and not case["name"].startswith(("cold", "cooldown: first", "slow"))
                and case["name"] != "again"  # the recording names it after a case that it left out
            )
        )
        if goes_on:
            found[-1].append(case)
        else:
            found.append([case])
    if not os.environ.get("COMPAT_ALL"):
        found = [[case for case in sequence if case["name"] not in SLOW] for sequence in found]
    return [sequence for sequence in found if sequence]


SEQUENCES = sequences()


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.stop()


def with_url(settings, url):
    nobody = f"http://127.0.0.1:{free_port()}/jwks.json"
    return json.loads(json.dumps(settings).replace("{JWKS_URL}", url).replace("{UNREACHABLE_URL}", nobody))


def ask(server, case):
    headers = [tuple(header) for header in case["request"]["headers"]] if "request" in case else None
    headers = headers or [("Host", "testserver"), ("Authorization", f"Bearer {case['token']}")]
    return http_client.send(server.address, "GET", TICKET, headers, timeout=60)


@pytest.mark.parametrize("server_kind", ["uvicorn", "sluicegate"])
@pytest.mark.parametrize("sequence", SEQUENCES, ids=[sequence[0]["name"] for sequence in SEQUENCES])
def test_answers_as_recorded(sequence, server_kind, endpoint, work, fork, sqlite_files, redis_server, redis_databases):
    settings = with_url(sequence[0]["settings"], endpoint.url) | {
        "DATABASES": sqlite_files.make(),
        "CACHES": overlay.redis_cache(redis_server.url(next(redis_databases))),
    }
    path = overlay.write(work, settings, "jwks")
    endpoint.document = sequence[0]["jwks_endpoint"]
    server = DjangoUnderUvicorn(fork, path) if server_kind == "uvicorn" else Sluicegate(work, path)
    try:
        for case in sequence:
            if "after 31 s" in case["name"]:
                time.sleep(31)
            endpoint.document = case["jwks_endpoint"]
            before = endpoint.fetched
            answer = ask(server, case)
            fetched = endpoint.fetched - before
            if server_kind == "sluicegate" and case["name"] in DIFFERENT:
                differs_on_purpose(case, answer)
                continue
            assert vectors.differences(answer, case["expect"]) == [], case["name"]
            if server_kind == "uvicorn" and case is not sequence[0]:
                assert fetched == case["jwks_fetches_during_request"], case["name"]
            else:
                assert fetched <= max(1, case["jwks_fetches_during_request"]), case["name"]
    finally:
        server.stop()


def differs_on_purpose(case, answer):
    if DIFFERENT[case["name"]] is NO_JWKS:
        assert answer.status == 503, case["name"]
        assert int(answer.header("retry-after")) >= 1
    else:
        assert answer.status == 401, case["name"]
        assert answer.json()["code"] == "token_not_valid"


def test_every_difference_names_a_case():
    assert DIFFERENT.keys() | SLOW <= {case["name"] for case in vectors.load("http-jwk-url.json")["cases"]}
