from django.urls import path, re_path

from mysite import consumers

websocket_urlpatterns = [
    path("ws/chat/", consumers.Chat.as_asgi()),
    path("ws/chat/<str:room>/", consumers.Chat.as_asgi()),
    re_path(r"^ws/re/(?P<word>\w+)/$", consumers.Chat.as_asgi()),
    path("ws/room/<slug:room>/", consumers.Room.as_asgi()),
    path("ws/json/", consumers.Json.as_asgi()),
    path("ws/reject/", consumers.Reject.as_asgi()),
    path("ws/reject4001/", consumers.Reject4001.as_asgi()),
    path("ws/deny/", consumers.Deny.as_asgi()),
    path("ws/raise/", consumers.Raise.as_asgi()),
    path("ws/accept-close/", consumers.AcceptClose.as_asgi()),
    path("ws/subproto/", consumers.LastSubprotocol.as_asgi()),
    path("ws/badsub/", consumers.UnofferedSubprotocol.as_asgi()),
    path("ws/headers/", consumers.ExtraHeader.as_asgi()),
]
