"""
HTTP through sluicegate: every request goes to Django directly and through it, and whole answers are compared, under
uvicorn and Daphne.
"""

import hashlib
import json
import socket
import time

import pytest

from support import behind
from support.http_client import exchange, read_answer

# What may differ of an answer: its framing, which is between neighbours, and the clock.
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date"}
# What a view sees differently.
SEEN = {
    "x-forwarded-for": "added: the address of the client, which is no longer that of the connection",
    "traceparent": "added where the client sent none: its own log and Django's then name a request by one id",
    "connection": "between neighbours; the way to Django is sluicegate's own",
    "transfer-encoding": "between neighbours",
    "trailer": "between neighbours",
    "content-length": "a body that came in chunks is passed on in chunks; its length is compared by what the view read",
}
MIB = 1024 * 1024


def comparable(answer):
    headers = [(name, value) for name, value in answer.headers if name not in HOP]
    return answer.status, answer.reason, sorted(headers), answer.body


def seen(answer):
    """What the view saw, without what differs on purpose."""
    assert answer.status == 200, answer
    told = answer.json()
    # Headers of one name stay in their order, and come together.
    told["headers"] = sorted((pair for pair in told["headers"] if pair[0] not in SEEN), key=lambda pair: pair[0])
    for name in SEEN:
        for key in ("HTTP_" + name.upper().replace("-", "_"), name.upper().replace("-", "_")):
            told["meta"].pop(key, None)
    return told


def raw(method, target, *headers, body=b"", host="testserver", version="1.1"):
    lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host else []), *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*parts, trailers=b""):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailers + b"\r\n"


FORM = "Content-Type: application/x-www-form-urlencoded"
REQUESTS = {
    "a query": raw("GET", "/see/?a=1&a=2&b=%C3%A9+x&c"),
    "an empty query": raw("GET", "/see/?"),
    "two question marks": raw("GET", "/see/?a=?b"),
    "an encoded path": raw("GET", "/see/caf%C3%A9/a%2Fb/%20+/%25/"),
    "a path in upper case percents": raw("GET", "/see/%c3%a9%7E~"),
    "dots in the path": raw("GET", "/see/a/../b/./c"),
    "slashes in the path": raw("GET", "/see//a///b"),
    "odd characters in the path": raw("GET", "/see/a;b=c,d'(e)*!$@:&=[]|"),
    "odd characters in the query": raw("GET", '/see/?a[]={b}|^`\\'),
    "many headers": raw("GET", "/see/", *[f"X-Number-{n}: {n}" for n in range(60)]),
    "a header twice": raw("GET", "/see/", "X-Twice: one", "X-Other: 1", "x-twice: two"),
    "cookies in two headers": raw("GET", "/see/", "Cookie: a=1; b=2", "Cookie: c=3"),
    "an empty header": raw("GET", "/see/", "X-Empty:"),
    "spaces around a value": raw("GET", "/see/", "X-Spaces:  \t one  two \t"),
    "Latin-1 in a header": raw("GET", "/see/", "X-Latin: caf\u00e9 \u00a0\u00ff"),
    "a long header": raw("GET", "/see/", "X-Long: " + "x" * 8000),
    "what clients send": raw(
        *("GET", "/see/", "User-Agent: Mozilla/5.0", "Accept: text/html,*/*;q=0.8", "Accept-Encoding: gzip, br"),
        *("Accept-Language: de", "Referer: http://testserver/a", "Origin: null", "Authorization: Basic YTpi"),
        *("Cache-Control: no-cache", "Pragma: no-cache", "DNT: 1", "Range: bytes=0-1", "If-None-Match: W/\"a\""),
        *("Via: 1.0 somebody", "Sec-Fetch-Mode: cors", "Priority: u=1", "X-Requested-With: XMLHttpRequest"),
    ),
    "a host with a port": raw("GET", "/see/", host="testserver:8443"),
    "a host in upper case": raw("GET", "/see/", host="TestServer"),
    "HTTP/1.0": raw("GET", "/see/", version="1.0"),
    "OPTIONS": raw("OPTIONS", "/see/"),
    "DELETE": raw("DELETE", "/see/"),
    "a form": raw("POST", "/see/", FORM, "Content-Length: 7", body=b"a=1&b=2"),
    "a form in chunks": raw("POST", "/see/", FORM, "Transfer-Encoding: chunked", body=chunked(b"a=1", b"&b", b"=2")),
    "a chunk of 200 KiB": raw("PUT", "/see/", "Transfer-Encoding: Chunked", body=chunked(b"x" * 200_000)),
    "chunks with a trailer": raw(
        "PUT", "/see/", "Transfer-Encoding: chunked", "Trailer: X-T", body=chunked(b"x", trailers=b"X-T: 1\r\n")
    ),
    "a body of nothing": raw("POST", "/see/", "Content-Length: 0"),
    "no body and no length": raw("POST", "/see/"),
    "a GET with a body": raw("GET", "/see/", "Content-Length: 3", body=b"abc"),
    "a compressed body": raw("PATCH", "/see/", "Content-Encoding: gzip", "Content-Length: 4", body=b"\x1f\x8b\x08\x00"),
    "a forwarded scheme": raw("GET", "/see/", "X-Forwarded-Proto: https"),
    "a forwarded client": raw("GET", "/see/", "X-Forwarded-For: 203.0.113.7, 198.51.100.2"),
    "other forwarded headers": raw(
        *("GET", "/see/", "X-Forwarded-Host: a.example.com", "X-Forwarded-Port: 444", "X-Real-IP: 203.0.113.9"),
        *("Forwarded: for=203.0.113.8;proto=https", "X-Scheme: https"),
    ),
}
# The same in all but this.
VARIES = {
    "HTTP/1.0": "the version is that of the way to Django: 1.1",
    "chunks with a trailer": "trailers go no further; uvicorn takes them for headers",
    "spaces around a value": "they are no part of it (RFC 9110); uvicorn keeps those behind it",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_view_sees_the_same_request(name, pair):
    request = REQUESTS[name]
    direct, through = [exchange(address, request) for _, address in pair.both]
    if direct.status != 200:
        assert comparable(through) == comparable(direct)
        return
    direct, through = seen(direct), seen(through)
    if name == "HTTP/1.0":
        assert (direct.pop("http_version"), through.pop("http_version")) == ("1.0", "1.1")
    if name == "chunks with a trailer":
        direct["meta"].pop("HTTP_X_T", None)
        direct["headers"] = [header for header in direct["headers"] if header[0] != "x-t"]
    if name == "spaces around a value":
        direct["meta"]["HTTP_X_SPACES"] = direct["meta"]["HTTP_X_SPACES"].rstrip()
        direct["headers"] = [[name, value.rstrip()] for name, value in direct["headers"]]
    assert through == direct


@pytest.mark.parametrize("character", '"<>')
def test_what_no_browser_sends_unencoded_in_a_query_is_refused(character, pair):
    """Python's servers take it, the HTTP library here does not. In the path it may stand."""
    direct, through = [exchange(address, raw("GET", f"/see/?a={character}")).status for _, address in pair.both]
    assert (direct, through) == (200, 400)


def test_the_client_is_told_where_it_came_from(pair):
    """Django behind uvicorn, which believes proxies on the same machine, sees the client as it did."""
    direct, through = [pair.get("/see/", side).json() for side, _ in pair.both]
    assert "HTTP_X_FORWARDED_FOR" not in direct["meta"]
    assert through["meta"]["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert through["remote_addr"] == direct["remote_addr"] == "127.0.0.1"


def get(target, *headers, method="GET", host="testserver", body=b""):
    return raw(method, target, *headers, host=host, body=body)


ANSWERS = {
    "a page that is not there": get("/nowhere/"),
    "a missing slash": get("/admin"),
    "a missing slash and a query": get("/see?a=1&b=%20"),
    "the admin": get("/admin/"),
    "the admin's log-in": get("/admin/login/?next=/admin/"),
    "a wrong host": get("/see/", host="evil.example.org"),
    "a host that is none": get("/see/", host="a_b/c"),
    "HEAD of a view": get("/cookies/", method="HEAD"),
    "HEAD of a stream": get("/stream/", method="HEAD"),
    "HEAD of a download": get("/download/1000/", method="HEAD"),
    "OPTIONS of the admin": get("/admin/", method="OPTIONS"),
    "a method that is not allowed": get("/admin/logout/"),
    "a form without its token": get("/admin/login/", "Content-Length: 3", FORM, method="POST", body=b"a=1"),
    "cookies": get("/cookies/"),
    "headers": get("/headers/"),
    "a redirect to a path": get("/redirect/?to=/see/%3Fa%3D1"),
    "a redirect to elsewhere": get("/redirect/?to=https://example.com/%25/"),
    "a redirect to where Django stands": get("/redirect/?to=http://127.0.0.1:8000/see/"),
    "204": get("/status/204/"),
    "an odd status": get("/status/418/"),
    "a status without a name": get("/status/299/"),
    "503 of a view": get("/status/503/"),
    "502 of a view": get("/status/502/"),
    "not modified, by tag": get("/tagged/", 'If-None-Match: "tag"'),
    "modified, by tag": get("/tagged/", 'If-None-Match: "other"'),
    "a precondition that fails": get("/tagged/", 'If-Match: "other"'),
    "a static file": get("/static/admin/css/base.css"),
    "a static file in HEAD": get("/static/admin/css/base.css", method="HEAD"),
    "a static file that is not there": get("/static/nowhere.css"),
    "a static file outside": get("/static/../settings.py"),
    "an error": get("/error/"),
    "a stream": get("/stream/"),
    "a range": get("/download/1000000/", "Range: bytes=70000-200000"),
    "an open range": get("/download/1000000/", "Range: bytes=999990-"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_the_same(name, pair):
    request = ANSWERS[name]
    direct, through = [exchange(address, request, request.split(b" ")[0].decode()) for _, address in pair.both]
    assert normal(through) == normal(direct)


def normal(answer):
    """CSRF tokens are random, and a second may have passed."""
    import re

    status, reason, headers, body = comparable(answer)
    headers = [(name, re.sub(r"csrftoken=\w+|expires=[^;]+", "*", value)) for name, value in headers if name != "expires"]
    return status, reason, headers, re.sub(rb'name="csrfmiddlewaretoken" value="\w+"', b"*", body)


def test_a_static_file_is_not_sent_again(pair):
    modified = pair.get("/static/admin/css/base.css").header("last-modified")
    request = get("/static/admin/css/base.css", f"If-Modified-Since: {modified}")
    direct, through = [exchange(address, request) for _, address in pair.both]
    assert comparable(through) == comparable(direct)
    assert through.status == 304


def test_a_length_is_kept(pair):
    for side, _ in pair.both:
        assert pair.send(side, "HEAD", "/download/12345678/").header("content-length") == "12345678"
        assert pair.get("/download/1000/", side).header("content-length") == "1000"
        assert pair.get("/stream/", side).header("content-length") is None


@pytest.mark.parametrize("framing", ["length", "chunks", "multipart"])
def test_an_upload_of_50_mib_arrives_whole(framing, pair):
    data = hashlib.sha256(b"upload").digest() * (50 * MIB // 32)
    for side, address in pair.both:
        if framing == "chunks":
            parts = [data[at : at + MIB] for at in range(0, len(data), MIB)]
            answer = exchange(address, raw("PUT", "/see/", "Transfer-Encoding: chunked", body=chunked(*parts)))
            assert answer.json()["body"] == digest(data), side
        elif framing == "length":
            assert pair.send(side, "PUT", "/see/", body=data).json()["body"] == digest(data), side
        else:
            head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="\xc3\xa9.bin"\r\nContent-Type: a/b\r\n\r\n'
            field = b'\r\n--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--b--\r\n'
            headers = [("Content-Type", "multipart/form-data; boundary=b")]
            told = pair.send(side, "POST", "/upload/", headers, head + data + field).json()
            assert told == {"post": {"n": "1"}, "files": {"f": {"name": "\u00e9.bin", "type": "a/b", **digest(data)}}}, side


def digest(data):
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_a_download_of_50_mib_is_the_same_and_costs_no_memory(pair):
    before = resident(pair.gate.pid)
    bodies = [hashlib.sha256(pair.get(f"/download/{50 * MIB}/", side).body).digest() for side, _ in pair.both]
    assert bodies[0] == bodies[1]
    assert resident(pair.gate.pid) - before < 16 * MIB


def test_an_upload_costs_no_memory_where_nobody_reads_it(pair):
    """The client is told to wait, by TCP."""
    before = resident(pair.gate.pid)
    head = raw("PUT", "/see/", f"Content-Length: {200 * MIB}")
    with socket.create_connection(pair.gate.address, timeout=10) as client:
        client.sendall(head)
        for _ in range(40):
            client.sendall(b"x" * MIB)
        assert resident(pair.gate.pid) - before < 16 * MIB


def resident(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


@pytest.mark.parametrize("side", ["django", "sluicegate"])
def test_a_server_sent_event_arrives_before_the_next_is_sent(side, pair):
    name = behind.fresh_name()
    with socket.create_connection(pair.address(side), timeout=10) as client:
        client.sendall(get(f"/events/{name}/", "Accept: text/event-stream"))
        collected = b""
        while b"data: first\n\n" not in collected:
            collected += client.recv(4096)
        time.sleep(0.2)
        pair.release(name)
        while b"data: second\n\n" not in collected:
            collected += (part := client.recv(4096))
            assert part, collected
        assert b"\r\ncontent-type: text/event-stream\r\n" in collected.lower()


@pytest.mark.parametrize("side", ["django", "sluicegate"])
def test_a_view_notices_that_its_client_went_away(side, pair):
    name = behind.fresh_name()
    with socket.create_connection(pair.address(side), timeout=10) as client:
        client.sendall(get(f"/events/{name}/"))
        collected = b""
        while b"data: first\n\n" not in collected:
            collected += client.recv(4096)
    end = time.monotonic() + 5
    while pair.recorded(name) != [["stream"], ["end of stream"]]:
        assert time.monotonic() < end, pair.recorded(name)
        time.sleep(0.05)


def test_an_answer_that_breaks_off_is_not_made_whole(pair):
    """A client must not take half a body for a whole one. (Daphne keeps such a connection open, and silent.)"""
    for side, address in pair.both:
        with socket.create_connection(address, timeout=1 if pair.kind == "daphne" else 10) as client:
            client.sendall(get("/cut/"))
            collected = b""
            while part := receive(client):
                collected += part
        assert b"one\n" in collected, side
        assert not collected.endswith(b"0\r\n\r\n"), side


def receive(client):
    try:
        return client.recv(65536)
    except (ConnectionResetError, TimeoutError):
        return b""


def test_a_connection_serves_many_requests(pair):
    """Sent one after the other, and all at once."""
    requests = [get(f"/see/?number={number}") for number in range(5)]
    requests.insert(2, raw("POST", "/see/?number=post", "Transfer-Encoding: chunked", body=chunked(b"abc")))
    for pipelined in (False, True):
        with socket.create_connection(pair.gate.address, timeout=10) as client, client.makefile("rb") as stream:
            answers = []
            if pipelined:
                client.sendall(b"".join(requests))
            for request in requests:
                if not pipelined:
                    client.sendall(request)
                answers.append(read_answer(stream).json()["get"]["number"][0])
        assert answers == ["0", "1", "post", "2", "3", "4"]


def test_a_client_that_wants_to_be_told_to_continue_is_told(pair):
    with socket.create_connection(pair.gate.address, timeout=10) as client, client.makefile("rb") as stream:
        client.sendall(raw("PUT", "/see/", "Content-Length: 3", "Expect: 100-continue"))
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        client.sendall(b"abc")
        assert read_answer(stream).json()["body"] == digest(b"abc")


def test_a_client_that_wants_the_connection_closed_has_it_closed(pair):
    for version, header in (("1.1", "Connection: close"), ("1.0", "X-A: b")):
        with socket.create_connection(pair.gate.address, timeout=10) as client, client.makefile("rb") as stream:
            client.sendall(raw("GET", "/see/", header, version=version))
            assert read_answer(stream).status == 200
            assert stream.read() == b""


def test_hop_by_hop_headers_go_no_further(pair):
    headers = ["Connection: keep-alive, X-Private", "X-Private: 1", "Keep-Alive: timeout=5", "Proxy-Connection: close"]
    headers += ["TE: trailers", "Proxy-Authorization: Basic YTpi"]
    told = exchange(pair.gate.address, raw("GET", "/see/", *headers)).json()
    names = {name for name, _ in told["headers"]}
    gone = {"x-private", "keep-alive", "proxy-connection", "te", "proxy-authorization"}
    assert not names & gone, names


# Tickets


def test_a_ticket_is_issued_by_sluicegate_and_the_rest_by_django(pair):
    headers = [behind.bearer(behind.BOB)]
    direct, through = [pair.send(side, "GET", behind.TICKET, headers) for side, _ in pair.both]
    assert (direct.status, through.status) == (200, 200)
    assert list(direct.json()) == list(through.json()) == ["uuid"]
    assert through.header("server") != direct.header("server") or pair.kind == "daphne"


def test_a_session_is_djangos(pair):
    body = json.dumps({"username": "bob", "password": behind.PASSWORD}).encode()
    answer = pair.send("sluicegate", "POST", "/login/", [("Content-Type", "application/json")], body)
    cookie = next(value for name, value in answer.headers if name == "set-cookie" and "sessionid" in value)
    told = pair.send("sluicegate", "GET", "/see/", [("Cookie", cookie.split(";")[0])]).json()
    assert told["user"] == "bob"
