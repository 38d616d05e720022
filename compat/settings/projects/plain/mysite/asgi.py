import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator
from django.urls import path, re_path
from django_channels_jwt.middleware import JwtAuthMiddleware, JwtAuthMiddlewareStack

from mysite.consumers import Chat, Room

routes = [
    path("ws/chat/<str:room>/", Chat.as_asgi()),
    re_path(r"ws/room/(?P<room>\w+)/$", Room.as_asgi()),
]
nested = [
    path("ws/", URLRouter([path("chat/<int:pk>/", Chat.as_asgi())])),
    re_path(r"^live/", URLRouter([re_path(r"^(?P<room>\w+)/$", Room.as_asgi()), path("all/", Room.as_asgi())])),
]


class OwnMiddleware(JwtAuthMiddleware):
    async def auth(self, query_string):
        return await super().auth(query_string)


class Logged:
    def __init__(self, app):
        self.wrapped_application = app

    async def __call__(self, scope, receive, send):
        return await self.wrapped_application(scope, receive, send)


class Lenient(OriginValidator):
    def valid_origin(self, parsed_origin):
        return True


def in_closure(app):
    async def middleware(scope, receive, send):
        return await app(scope, receive, send)

    return middleware


application = ProtocolTypeRouter(
    {"http": http, "websocket": AllowedHostsOriginValidator(JwtAuthMiddlewareStack(URLRouter(routes)))}
)
unchecked = ProtocolTypeRouter({"websocket": JwtAuthMiddleware(URLRouter(nested))})
own = Logged(ProtocolTypeRouter({"websocket": in_closure(OwnMiddleware(URLRouter(routes[:1])))}))
lenient = ProtocolTypeRouter({"websocket": Lenient(JwtAuthMiddleware(URLRouter(routes[:1])), ["example.com"])})
sessions = ProtocolTypeRouter(
    {"websocket": OriginValidator(AuthMiddlewareStack(URLRouter(routes[:1])), ["https://example.com"])}
)
websockets = JwtAuthMiddleware(URLRouter(routes[:1]))


async def by_hand(scope, receive, send):
    if scope["type"] == "websocket":
        await websockets(scope, receive, send)
    else:
        await http(scope, receive, send)
