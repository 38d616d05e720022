import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "groups.settings")
django_application = get_asgi_application()

from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402
from django_channels_jwt.middleware import JwtAuthMiddlewareStack  # noqa: E402

from groups import consumers  # noqa: E402

sockets = [
    path("ws/room/<slug:room>/", consumers.Room.as_asgi()),
    path("ws/door/<slug:room>/", consumers.Door.as_asgi()),
]
application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": JwtAuthMiddlewareStack(URLRouter(sockets)),
        "channel": ChannelNameRouter({"jobs": consumers.Jobs.as_asgi()}),
    }
)
