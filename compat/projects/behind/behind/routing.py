"""The same consumers stand behind tickets, behind sessions and in the open; see asgi.py."""

from django.urls import path, re_path

from behind import consumers as c

consumers = [
    path("scope/", c.Scope.as_asgi()),
    path("scope/<int:number>/", c.Scope.as_asgi()),
    re_path(r"^word/(?P<word>\w+)/$", c.Scope.as_asgi()),
    path("echo/", c.Echo.as_asgi()),
    path("told/", c.Told.as_asgi()),
    path("count/", c.Count.as_asgi()),
    path("flood/", c.Flood.as_asgi()),
    path("recorded/<str:name>/", c.Recorded.as_asgi()),
    path("waits/<str:name>/", c.Waits.as_asgi()),
    path("last-subprotocol/", c.LastSubprotocol.as_asgi()),
    path("no-subprotocol/", c.NoSubprotocol.as_asgi()),
    path("unoffered-subprotocol/", c.UnofferedSubprotocol.as_asgi()),
    path("headers/", c.Headers.as_asgi()),
    path("close-at-once/", c.CloseAtOnce.as_asgi()),
    path("refuses/", c.Refuses.as_asgi()),
    path("refuses-4001/", c.Refuses4001.as_asgi()),
    path("denies/", c.Denies.as_asgi()),
    path("raises/", c.Raises.as_asgi()),
    path("answers/<int:status>/", c.Answers.as_asgi()),
]
