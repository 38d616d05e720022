"""Rooms with members, whose sockets a view decides on. MYSITE_OVERLAY names a JSON file with a test's own settings."""

import json
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "contract-test-secret-key-not-for-production-0123456789"
DEBUG = False
ALLOWED_HOSTS = ["rooms.example.com", "testserver"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "channels",
    "rest_framework",
    "rooms",
]
# The check of CSRF tokens among them, and the redirect to https://.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
ROOT_URLCONF = "rooms.urls"
ASGI_APPLICATION = "rooms.asgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
}

if path := os.environ.get("MYSITE_OVERLAY"):
    globals().update(json.loads(Path(path).read_text(encoding="utf-8")))
