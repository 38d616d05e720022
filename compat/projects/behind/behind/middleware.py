from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django_channels_jwt.middleware import JwtAuthMiddleware
from urllib.parse import parse_qs


class OwnJwtAuthMiddleware(JwtAuthMiddleware):
    """What projects do with it: the ticket stands under a name of their own, and some extra is required."""

    async def auth(self, query_string):
        query = parse_qs(query_string)
        user_id = await cache.aget(query["uuid"][0])
        if not await cache.adelete(query["uuid"][0]) or query.get("device") != ["phone"]:
            raise Exception("not from this device")
        return await self.get_user(user_id)

    @database_sync_to_async
    def get_user(self, user_id):
        return get_user_model().objects.get(id=user_id, is_active=True)
