#!/usr/bin/env python3
"""
Makes the tables of the installed apps and puts in the users of tests/vectors/users.json:

    MYSITE_OVERLAY=overlay.json python prepare.py users.json default

Straight from the models, without migrations: a user model that is chosen at run time has none.
"""

import datetime
import json
import os
import sys
from pathlib import Path


def main():
    users_file, kind = sys.argv[1:3]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    import django

    django.setup()
    create_tables()
    models = json.loads(Path(users_file).read_text(encoding="utf-8"))["user_models"]
    create_users(models["default" if kind == "big" else kind]["rows"])


def create_tables():
    from django.apps import apps
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections, router

    for alias in connections:
        with connections[alias].schema_editor() as editor:
            for model in apps.get_models():
                if model._meta.managed and not model._meta.proxy and router.allow_migrate_model(alias, model):
                    editor.create_model(model)
    if any("DatabaseCache" in cache["BACKEND"] for cache in settings.CACHES.values()):
        call_command("createcachetable", verbosity=0)


def create_users(rows):
    from django.contrib.auth import get_user_model
    from django.db import connections, router

    model = get_user_model()
    connection = connections[router.db_for_write(model)]
    biggest = None
    if connection.vendor != "sqlite" and model._meta.pk.get_internal_type() == "AutoField":
        biggest = 2**31 - 1
    for row in rows:
        row = dict(row, date_joined=datetime.datetime.fromisoformat(row["date_joined"] + "+00:00"))
        if biggest is not None and row[model._meta.pk.name] > biggest:
            continue  # SQLite holds 64 bits in any integer column, the others hold 32
        model(**row).save(force_insert=True)


if __name__ == "__main__":
    main()
