"""Each part fails in its own way, and names a secret while it does."""

import os

SECRET_KEY = "the-key-of-the-failing-project"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3"}}  # no NAME
CACHES = {
    "default": {
        "BACKEND": "mysite.caches.Vault",
        "LOCATION": "redis://:%s@cache.example" % os.environ["CACHE_PASSWORD"],
    }
}
ROOT_URLCONF = "mysite.urls"
USE_TZ = True
