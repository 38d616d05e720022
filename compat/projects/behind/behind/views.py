"""What a view can see of a request, and answer."""

import asyncio
import hashlib
import json

from django.contrib.auth import alogin, aauthenticate
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.utils.http import http_date
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition

from behind.consumers import released, seen


def digest(data):
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@csrf_exempt
def see(request, rest=""):
    """Everything that Django makes of the request."""
    told = {
        "method": request.method,
        "path": request.path,
        "full_path": request.get_full_path(),
        "scheme": request.scheme,
        "is_secure": request.is_secure(),
        "host": request.get_host(),
        "absolute_uri": request.build_absolute_uri(),
        "remote_addr": request.META.get("REMOTE_ADDR"),
        "query_string": request.META["QUERY_STRING"],
        "get": {name: request.GET.getlist(name) for name in request.GET},
        "cookies": request.COOKIES,
        "meta": {name: value for name, value in sorted(request.META.items()) if name.startswith(("HTTP_", "CONTENT_"))},
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.scope["headers"]],
        "http_version": request.scope["http_version"],
        "raw_path": request.scope.get("raw_path", b"").decode("latin-1"),
        "user": request.user.get_username(),
        "body": digest(request.body),
    }
    return JsonResponse(told)


@csrf_exempt
def upload(request):
    told = {"post": request.POST, "files": {}}
    for name, file in request.FILES.items():
        told["files"][name] = {"name": file.name, "type": file.content_type, **digest(file.read())}
    return JsonResponse(told)


async def stream(request):
    """Three parts, the last ones late; no length."""

    async def parts():
        for part in (b"one\n", b"two\n", b"three\n"):
            yield part
            await asyncio.sleep(0.05)

    return StreamingHttpResponse(parts(), content_type="text/plain")


async def cut(request):
    """An answer that breaks off in the middle."""

    async def parts():
        yield b"one\n"
        await asyncio.sleep(0.05)
        raise RuntimeError("asked for")

    return StreamingHttpResponse(parts(), content_type="text/plain")


async def events(request, name):
    """Server-sent events: the second is sent when it is released, so nothing may collect the first."""

    async def parts():
        seen[name].append(["stream"])
        try:
            yield b"data: first\n\n"
            await released[name].wait()
            yield b"data: second\n\n"
        finally:
            seen[name].append(["end of stream"])

    return StreamingHttpResponse(parts(), content_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def release(request, name):
    released[name].set()
    return HttpResponse(status=204)


async def recorded(request, name):
    return JsonResponse(seen[name], safe=False)


async def download(request, size):
    """`size` bytes, in parts of 64 KiB, all of them different; with ranges, as file servers have them."""
    first, last = 0, size - 1
    headers = {"Accept-Ranges": "bytes"}
    status = 200
    if (wanted := request.headers.get("Range", "")).startswith("bytes="):
        start, _, end = wanted.removeprefix("bytes=").partition("-")
        first, last = int(start), min(int(end or last), last)
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        status = 206
    headers["Content-Length"] = str(last - first + 1)

    async def parts():
        at = first
        while at <= last:
            part = hashlib.sha256(str(at // 65536).encode()).digest() * 2048
            part = part[at % 65536 : min(65536, last - at + at % 65536 + 1)]
            at += len(part)
            yield part

    return StreamingHttpResponse(parts(), status=status, content_type="application/octet-stream", headers=headers)


async def cookies(request):
    response = HttpResponse("two cookies")
    response.set_cookie("first", "1", max_age=60, samesite="Lax")
    response.set_cookie("second", "a b;c", path="/see/", secure=True, httponly=True)
    response.delete_cookie("third")
    return response


async def headers(request):
    """Headers that a proxy might touch."""
    response = HttpResponse("headers")
    response["X-Long"] = "x" * 4000
    response["X-Empty"] = ""
    response["X-Latin"] = "caf\u00e9"
    response["Link"] = "</a.css>; rel=preload, </b.js>; rel=preload"
    response["Vary"] = "Accept-Language, Cookie"
    response["X-Accel-Buffering"] = "no"
    response["Content-Encoding"] = "identity"
    response["WWW-Authenticate"] = 'Basic realm="a", Bearer'
    response["Alt-Svc"] = 'h2=":443"'
    return response


async def status(request, status):
    return HttpResponse(b"" if status in (204, 304) else b"with status", status=status)


async def redirect(request):
    return HttpResponseRedirect(request.GET["to"])


MODIFIED = 1704067200


@condition(etag_func=lambda request: '"tag"')
def tagged(request):
    return HttpResponse("tagged", headers={"Last-Modified": http_date(MODIFIED), "Cache-Control": "max-age=60"})


async def error(request):
    raise RuntimeError("asked for")


async def slow(request, seconds):
    await asyncio.sleep(float(seconds))
    return HttpResponse("at last")


@csrf_exempt
async def login(request):
    """A session for the user whom the JSON body names."""
    user = await aauthenticate(request, **json.loads(request.body))
    if user is None:
        return HttpResponse(status=401)
    await alogin(request, user)
    return JsonResponse({"user": user.get_username()})


PAGE = b"""<!doctype html><title>page</title><link rel="icon" href="data:,"><p id="user"></p><p id="echo"></p>
<script>
const socket = new WebSocket(`ws://${location.host}/ws/session/scope/`);
socket.onmessage = event => { document.getElementById("user").textContent = JSON.parse(event.data).user || "nobody"; };
const echo = new WebSocket(`ws://${location.host}/ws/session/echo/`);
echo.onopen = () => echo.send("x".repeat(100000));
echo.onmessage = event => { document.getElementById("echo").textContent = event.data.length; };
</script>
"""


async def page(request):
    """Opens sockets with the session's cookie."""
    return HttpResponse(PAGE)
