"""
A project whose consumers, views, commands and workers meet in groups. MYSITE_OVERLAY names a JSON file with a test's
own settings: its database, cache and channel layer.
"""

import json
import os
from pathlib import Path

SECRET_KEY = "contract-test-secret-key-not-for-production-0123456789"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "channels",
    "rest_framework",
    "groups",
]

MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "groups.urls"
ASGI_APPLICATION = "groups.asgi.application"

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
}
# Whether a channel layer leaves anybody out, it tells at this level.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {
        "channels_redis": {"handlers": ["console"], "level": "INFO"},
        "django.channels": {"handlers": ["console"], "level": "INFO"},
    },
}

if path := os.environ.get("MYSITE_OVERLAY"):
    globals().update(json.loads(Path(path).read_text(encoding="utf-8")))
