#!/usr/bin/env python3
"""Makes the tables and three users, `alice` (who may do everything), `bob` and `carol` (inactive): MYSITE_OVERLAY=... python prepare.py"""

import os


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "behind.settings")
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    User.objects.create_superuser("alice", "alice@example.com", "open sesame", id=1)
    User.objects.create_user("bob", "bob@example.com", "open sesame", id=2)
    User.objects.create_user("carol", "carol@example.com", "open sesame", id=3, is_active=False)


if __name__ == "__main__":
    main()
