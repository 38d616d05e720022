"""The tutorial's settings with PostgreSQL and Redis, and with what the environment says."""

import os

from mysite.settings import *  # noqa: F403

SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("POSTGRES_HOST", "db"),
        "NAME": "mysite",
        "USER": "mysite",
        "PASSWORD": os.environ["POSTGRES_PASSWORD"],
    }
}
REDIS = os.environ.get("REDIS_URL", "redis://redis:6379")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": f"{REDIS}/0"}}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [f"{REDIS}/1"]}}
}
