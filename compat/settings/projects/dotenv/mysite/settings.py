"""Needs the environment that asgi.py reads from `.env`."""

import environ

env = environ.Env()
SECRET_KEY = env("APP_SECRET_KEY")
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CACHES = {"default": env.cache("APP_CACHE_URL", backend="django.core.cache.backends.redis.RedisCache")}
USE_TZ = True
