import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django_channels_jwt.middleware import JwtAuthMiddlewareStack  # noqa: E402

from mysite.routing import websocket_urlpatterns  # noqa: E402

websocket_application = JwtAuthMiddlewareStack(URLRouter(websocket_urlpatterns))
if settings.WS_STACK == "origin-jwt":
    websocket_application = AllowedHostsOriginValidator(websocket_application)
elif settings.WS_STACK != "jwt":
    websocket_application = OriginValidator(websocket_application, settings.WS_STACK)

application = ProtocolTypeRouter({"http": django_application, "websocket": websocket_application})
