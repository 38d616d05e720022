"""One consumer for each thing that a handshake or an open socket can do."""

import json

from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer


class Chat(AsyncWebsocketConsumer):
    """Echoes; `whoami` tells whom the ticket admitted; `close:CODE:REASON` closes; `raise` fails."""

    async def receive(self, text_data=None, bytes_data=None):
        if text_data is None:
            await self.send(bytes_data=bytes_data)
        elif text_data == "whoami":
            user = self.scope["user"]
            key = user.pk if isinstance(user.pk, int) else str(user.pk)
            about = {"user": key, "username": user.get_username(), **self.scope["url_route"]["kwargs"]}
            await self.send(json.dumps(about))
        elif text_data == "raise":
            raise RuntimeError("asked for")
        elif text_data.startswith("close:"):
            _, code, reason = (text_data + "::").split(":")[:3]
            await self.close(code=int(code) if code else None, reason=reason or None)
        else:
            await self.send(text_data)


class Room(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("room_" + self.scope["url_route"]["kwargs"]["room"], self.channel_name)
        await self.accept()
        await self.send(self.channel_name)


class Json(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content, **kwargs):
        await self.send_json({"got": content})


class Reject(AsyncWebsocketConsumer):
    async def connect(self):
        await self.close()


class Reject4001(AsyncWebsocketConsumer):
    async def connect(self):
        await self.close(code=4001)


class Deny(AsyncWebsocketConsumer):
    async def connect(self):
        raise DenyConnection


class Raise(AsyncWebsocketConsumer):
    async def connect(self):
        raise RuntimeError("asked for")


class AcceptClose(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.close(code=4001, reason="bye")


class LastSubprotocol(AsyncWebsocketConsumer):
    async def connect(self):
        offered = self.scope["subprotocols"]
        await self.accept(offered[-1] if offered else None)


class UnofferedSubprotocol(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept("never-offered")


class ExtraHeader(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept(headers=[(b"X-Custom", b"yes")])
