"""
The settings of `startproject` with django-channels-jwt's README applied, and over them the JSON file that
MYSITE_OVERLAY names: a test states there what it wants different (a database, a cache, SIMPLE_JWT, ...).
"""

import json
import os
from datetime import timedelta
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "contract-test-secret-key-not-for-production-0123456789"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", ".example.com"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "accounts",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "mysite.urls"
ASGI_APPLICATION = "mysite.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
}
SIMPLE_JWT = {}

# What stands before the consumers: "jwt", "origin-jwt" (AllowedHostsOriginValidator around it), or the list of an
# OriginValidator.
WS_STACK = "jwt"


def _python(value):
    """JSON has neither time spans nor tuples: `{"$td": seconds}`, `{"$tuple": [...]}`."""
    if isinstance(value, dict):
        if set(value) == {"$td"}:
            return timedelta(seconds=value["$td"])
        if set(value) == {"$tuple"}:
            return tuple(_python(item) for item in value["$tuple"])
        return {key: _python(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_python(item) for item in value]
    return value


def _overlay(settings):
    path = os.environ.get("MYSITE_OVERLAY")
    if not path:
        return
    for name, value in _python(json.loads(Path(path).read_text(encoding="utf-8"))).items():
        if name in ("SIMPLE_JWT", "REST_FRAMEWORK"):
            settings[name] = {**settings[name], **value}
        elif name == "EXTRA_APPS":
            settings["INSTALLED_APPS"] = settings["INSTALLED_APPS"] + value
        else:
            settings[name] = value


_overlay(globals())
