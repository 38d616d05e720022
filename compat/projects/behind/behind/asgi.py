import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "behind.settings")
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402
from django.urls import path, re_path  # noqa: E402
from django_channels_jwt.middleware import JwtAuthMiddlewareStack  # noqa: E402

from behind.middleware import OwnJwtAuthMiddleware  # noqa: E402
from behind.routing import consumers  # noqa: E402

# A router behind middleware needs re_path(): of path() Channels takes the whole path as matched.
stacks = [
    re_path("^ws/ticket/", JwtAuthMiddlewareStack(URLRouter(consumers))),
    re_path("^ws/session/", AuthMiddlewareStack(URLRouter(consumers))),
    path("ws/public/", URLRouter(consumers)),
]
if settings.WS_OWN_MIDDLEWARE:
    stacks.append(re_path("^ws/own/", OwnJwtAuthMiddleware(AuthMiddlewareStack(URLRouter(consumers)))))
websocket_application = URLRouter(stacks)
if settings.WS_STACK == "origin":
    websocket_application = AllowedHostsOriginValidator(websocket_application)

application = ProtocolTypeRouter(
    {"http": ASGIStaticFilesHandler(django_application), "websocket": websocket_application}
)
