import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

from channels.db import database_sync_to_async  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402

http = get_asgi_application()

from django.contrib.auth import get_user_model  # noqa: E402
from django.urls import path  # noqa: E402
from django_channels_jwt import middleware  # noqa: E402
from mysite.consumers import Chat  # noqa: E402


@database_sync_to_async
def get_user(user_id):
    return get_user_model().objects.get(id=user_id, is_active=True)


middleware.get_user = get_user
websocket = middleware.JwtAuthMiddleware(URLRouter([path("ws/chat/<str:room>/", Chat.as_asgi())]))
application = ProtocolTypeRouter({"http": http, "websocket": websocket})
