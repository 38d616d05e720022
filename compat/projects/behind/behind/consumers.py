"""What a consumer can see, do and get wrong."""

import asyncio
import json
from collections import defaultdict

from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer

# name -> what Recorded saw; behind.views.recorded tells it.
seen = defaultdict(list)
# name -> set when behind.views.release was asked; Waits waits for it.
released = defaultdict(asyncio.Event)


class Scope(AsyncWebsocketConsumer):
    """Sends all that its scope says of the client."""

    async def connect(self):
        await self.accept()
        scope = self.scope
        user = scope.get("user")
        await self.send(
            json.dumps(
                {
                    "type": scope["type"],
                    "scheme": scope.get("scheme"),
                    "http_version": scope.get("http_version"),
                    "path": scope["path"],
                    "raw_path": scope.get("raw_path", b"").decode("latin-1"),
                    "root_path": scope.get("root_path"),
                    "query_string": scope["query_string"].decode("latin-1"),
                    "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
                    "cookies": scope.get("cookies"),
                    "subprotocols": scope["subprotocols"],
                    "client": scope["client"][0] if scope.get("client") else None,
                    "kwargs": scope["url_route"]["kwargs"],
                    "user": None if user is None else user.get_username(),
                    "session": sorted(scope["session"].keys()) if "session" in scope else None,
                }
            )
        )


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data, bytes_data)


class Told(AsyncWebsocketConsumer):
    """Does what it is told: {"close": [4001, "why"]}, {"send": bytes}, {"raise": "text"}, {"sleep": s}, {"user": 1}."""

    async def receive(self, text_data=None, bytes_data=None):
        told = json.loads(text_data)
        if "sleep" in told:
            await asyncio.sleep(told["sleep"])
        if "send" in told:
            await self.send(bytes_data=b"\xa5" * told["send"])
        if "text" in told:
            await self.send("\u00e9" * told["text"])
        if "user" in told:
            await self.send(self.scope["user"].get_username())
        if "raise" in told:
            raise RuntimeError(told["raise"])
        if "close" in told:
            code, reason = told["close"]
            await self.close(code, reason)


class Count(AsyncWebsocketConsumer):
    """A thousand messages in a row, text and binary in turn."""

    async def connect(self):
        await self.accept()
        for number in range(1000):
            if number % 2:
                await self.send(bytes_data=str(number).encode())
            else:
                await self.send(str(number))


class Flood(AsyncWebsocketConsumer):
    """Sends 40 MiB without waiting for anybody."""

    async def connect(self):
        await self.accept()
        self.task = asyncio.create_task(self.flood())

    async def flood(self):
        for number in range(640):
            await self.send(bytes_data=number.to_bytes(4, "big") * 16384)
            await asyncio.sleep(0)  # uvicorn's own send never waits

    async def disconnect(self, code):
        self.task.cancel()


class Recorded(AsyncWebsocketConsumer):
    """Keeps what it received and how it ended."""

    async def connect(self):
        self.seen = seen[self.scope["url_route"]["kwargs"]["name"]]
        self.seen.append(["connect"])
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        self.seen.append(["receive", text_data if text_data is not None else bytes_data.hex()])

    async def disconnect(self, code):
        self.seen.append(["disconnect", code])


class Waits(AsyncWebsocketConsumer):
    """Accepts when it is released."""

    async def connect(self):
        name = self.scope["url_route"]["kwargs"]["name"]
        seen[name].append(["connect"])
        await released[name].wait()
        await self.accept()
        await self.send("released")


class LastSubprotocol(AsyncWebsocketConsumer):
    async def connect(self):
        offered = self.scope["subprotocols"]
        await self.accept(offered[-1] if offered else None)


class NoSubprotocol(AsyncWebsocketConsumer):
    pass


class UnofferedSubprotocol(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept("never-offered")


class Headers(AsyncWebsocketConsumer):
    async def connect(self):
        headers = [(b"X-Custom", b"yes"), (b"Set-Cookie", b"one=1; Path=/"), (b"Set-Cookie", b"two=2; HttpOnly")]
        await self.accept(headers=headers)


class CloseAtOnce(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.close(4001, "bye")


class Refuses(AsyncWebsocketConsumer):
    async def connect(self):
        await self.close()


class Refuses4001(AsyncWebsocketConsumer):
    async def connect(self):
        await self.close(4001)


class Denies(AsyncWebsocketConsumer):
    async def connect(self):
        raise DenyConnection


class Raises(AsyncWebsocketConsumer):
    async def connect(self):
        raise RuntimeError("asked for")


class Answers(AsyncWebsocketConsumer):
    """Refuses by an HTTP answer of its own, where the server has that extension of ASGI."""

    async def connect(self):
        status = self.scope["url_route"]["kwargs"]["status"]
        headers = [(b"content-type", b"text/plain"), (b"x-custom", b"yes"), (b"location", b"/elsewhere/")]
        headers += [(b"set-cookie", b"one=1"), (b"set-cookie", b"two=2")]
        await self.base_send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self.base_send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
        await self.base_send({"type": "websocket.http.response.body", "body": b"today"})
