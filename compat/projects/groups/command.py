#!/usr/bin/env python3
"""What manage.py does, where Django is forked: see support/django_fork.py."""

import os
import sys


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "groups.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
