#!/usr/bin/env python3
"""Makes the tables, users, and a room in which alice and bob are: MYSITE_OVERLAY=... python prepare.py"""

import os


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rooms.settings")
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from rooms.models import Room

    call_command("migrate", run_syncdb=True, verbosity=0)
    users = [User.objects.create_user(name, id=number) for number, name in enumerate(("alice", "bob", "carol"), 1)]
    room = Room.objects.create(slug="lobby", org=3)
    room.members.set(users[:2])


if __name__ == "__main__":
    main()
