import asyncio
import json
import time

from django.http import HttpResponse, JsonResponse

from rooms import documented
from rooms.models import Departure
from rooms.sockets import AsyncSocketView

documented.run(documented.VIEWS, globals())

# What views were asked, since the process began.
ASKED = []


class RecordedRoomView(RoomView):  # noqa: F821 (documented)
    """The documented view; what it is told of ends is kept in the database, for Django restarts."""

    def question(self, request):
        kind, question = super().question(request)
        ASKED.append({"question": question, "headers": dict(request.headers), "at": time.time()})
        return kind, question

    def disconnect(self, question):
        Departure.objects.create(channel_name=question["channel_name"], code=question["code"])
        return super().disconnect(question)


class OddView(AsyncSocketView):
    """Answers as the frame, or the query at connect, says: a status, a body, after some seconds."""

    async def post(self, request, **kwargs):
        _, question = self.question(request)
        ASKED.append({"question": question, "headers": dict(request.headers), "at": time.time()})
        how = question.get("content") or json.loads(question["query"].get("how", "{}"))
        await asyncio.sleep(how.get("seconds", 0))
        body = how["raw"] if "raw" in how else json.dumps(how.get("answer", {}))
        return HttpResponse(body, status=how.get("status", 200), content_type="application/json")


class EchoView(AsyncSocketView):
    """The documented class for views that await."""

    async def connect(self, question):
        return {"subprotocol": question["subprotocols"][0]} if question["subprotocols"] else None

    async def receive(self, question):
        await asyncio.sleep(0)
        return {"send": {name: question[name] for name in ("content", "text", "bytes") if name in question}}


def asked(request):
    return JsonResponse({"asked": ASKED})


def departures(request):
    return JsonResponse({"departures": list(Departure.objects.values("channel_name", "code"))})
