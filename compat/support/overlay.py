"""Settings of a test: the JSON file that projects/mysite reads, with a database and a cache filled in."""

import json
import shutil
from itertools import count

USER_MODELS = {
    "default": "auth.User",
    "big": "accounts.BigUser",
    "uuid": "accounts.UuidUser",
    "str": "accounts.StrUser",
    "named": "accounts.NamedUser",
    "ext": "accounts.ExtUser",
    "email": "accounts.EmailUser",
}
_numbers = count(1)


def write(work, settings, name="settings"):
    """A file of its own for each: servers that still run keep theirs."""
    path = work / f"{name}-{next(_numbers)}.json"
    path.write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
    return path


def with_user_model(settings, kind):
    return settings if kind == "default" else settings | {"AUTH_USER_MODEL": USER_MODELS[kind]}


def redis_cache(url, **options):
    return {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url, **options}}


def django_redis_cache(url, **options):
    return {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": options}}


def database_cache(table="django_cache", **options):
    return {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": table, **options}}


class SqliteFiles:
    """SQLite databases with tables and users: each kind is made once, then copied."""

    def __init__(self, work, fork):
        self.work, self.fork, self.templates = work, fork, {}

    def make(self, kind="default", **settings):
        """A new file; the overlay's DATABASES for it."""
        key = kind + json.dumps(settings, sort_keys=True)
        if key not in self.templates:
            template = self.work / f"template-{next(_numbers)}.sqlite3"
            prepared = with_user_model(settings | {"DATABASES": _sqlite(template)}, kind)
            self.fork.prepare(write(self.work, prepared, "template"), kind)
            self.templates[key] = template
        copy = self.work / f"database-{next(_numbers)}.sqlite3"
        shutil.copy(self.templates[key], copy)
        return _sqlite(copy)


def _sqlite(path):
    return {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}}
