#!/usr/bin/env python3
"""
What happens to users and tokens while they are connected, by Django's and SimpleJWT's own means. Arguments: a file, into
which the result goes as JSON, and a list of actions, as JSON: [["deactivate", 7], ...].
"""

import datetime
import json
import os
import sys
from pathlib import Path


def create(name, key):
    """A user with a password. Given keys leave the database's sequences behind, so each has one."""
    from django.contrib.auth import get_user_model

    return get_user_model().objects.create_user(name, password="open sesame", pk=key).pk


def token(user, seconds=3600, kind="AccessToken"):
    """As SimpleJWT's token view makes it, with the password's hash where the settings want it."""
    from django.contrib.auth import get_user_model
    from rest_framework_simplejwt import tokens

    made = getattr(tokens, kind).for_user(get_user_model().objects.get(pk=user))
    made.set_exp(lifetime=datetime.timedelta(seconds=seconds))
    return str(made)


def deactivate(user):
    from django.contrib.auth import get_user_model

    get_user_model().objects.filter(pk=user).update(is_active=False)


def delete(user):
    from django.contrib.auth import get_user_model

    get_user_model().objects.get(pk=user).delete()


def password(user):
    from django.contrib.auth import get_user_model

    changed = get_user_model().objects.get(pk=user)
    changed.set_password("another one")
    changed.save()


def blacklist(text):
    from rest_framework_simplejwt.tokens import SlidingToken

    SlidingToken(text).blacklist()


def group_send(message):
    """The one line of docs/revocation.md."""
    from asgiref.sync import async_to_sync
    from channels.layers import get_channel_layer

    async_to_sync(get_channel_layer().group_send)("sluicegate", message)


ACTIONS = {action.__name__: action for action in (create, token, deactivate, delete, password, blacklist, group_send)}


def main():
    out, actions = sys.argv[1:3]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    import django

    django.setup()
    results = [ACTIONS[name](*arguments) for name, *arguments in json.loads(actions)]
    Path(out).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
