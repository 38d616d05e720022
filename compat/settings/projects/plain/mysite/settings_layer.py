"""A channel layer of the project's own, with what JSON cannot hold."""

import re

from channels_redis.core import RedisChannelLayer

from .settings import *  # noqa: F403


class Layer(RedisChannelLayer):
    async def group_send(self, group, message):
        await super().group_send(group.lower(), message)


CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "mysite.settings_layer.Layer",
        "CONFIG": {
            "hosts": [("two", 2)],
            "channel_capacity": {re.compile(r"^websocket\.send", re.I): 3, "*": 4},
            "symmetric_encryption_keys": [b"as bytes"],
        },
    }
}
