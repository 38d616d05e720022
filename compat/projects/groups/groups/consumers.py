"""The consumers that support/groups.py has once more, declared."""

import json

from channels.consumer import AsyncConsumer
from channels.generic.websocket import AsyncWebsocketConsumer


class Room(AsyncWebsocketConsumer):
    """A member of one group, who tells it what its client says."""

    async def connect(self):
        self.group = "room_" + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def tell(self, event):
        await self.channel_layer.group_send(self.group, event)

    async def receive(self, text_data=None, bytes_data=None):
        if text_data is None:
            await self.tell({"type": "room.bytes", "data": bytes_data})
            return
        content = json.loads(text_data)
        match content["action"]:
            case "say":
                await self.tell({"type": "room.message", "message": content["message"]})
            case "typing":
                user = self.scope["user"]
                event = {"type": "room.typing", "user": user.pk, "name": user.username, "sender": self.channel_name}
                await self.tell(event)
            case "job":
                event = {"type": "job.run", "number": content["number"], "reply_channel": self.channel_name}
                await self.channel_layer.send("jobs", event)
            case "whoami":
                await self.send(json.dumps({"channel_name": self.channel_name}))
            case "end":
                await self.tell({"type": "room.end"})

    async def room_message(self, event):
        await self.send(json.dumps({"message": event["message"]}))

    async def room_bytes(self, event):
        await self.send(bytes_data=event["data"])

    async def room_typing(self, event):
        if event["sender"] != self.channel_name:
            await self.send(json.dumps({"typing": event["user"], "name": event["name"]}))

    async def job_done(self, event):
        await self.send(json.dumps({"done": event["number"]}))

    async def room_joined(self, event):
        await self.send(json.dumps({"joined": event["user"]}))

    async def room_left(self, event):
        await self.send(json.dumps({"left": event["user"], "code": event["code"]}))

    async def room_end(self, event):
        await self.send(json.dumps({"message": "goodbye"}))
        await self.close(4001, "the end")


class Door(Room):
    """Tells the group, too, who comes and goes."""

    async def connect(self):
        await super().connect()
        await self.tell({"type": "room.joined", "user": self.scope["user"].pk})

    async def disconnect(self, code):
        await self.tell({"type": "room.left", "user": self.scope["user"].pk, "code": code})
        await super().disconnect(code)


class Jobs(AsyncConsumer):
    """A worker: `manage.py runworker jobs`."""

    async def job_run(self, event):
        await self.channel_layer.send(event["reply_channel"], {"type": "job.done", "number": event["number"]})
