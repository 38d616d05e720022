"""Reads a Django project and prints what sluicegate needs of it, as JSON (docs/django-json.md says what each key is).

    python django_settings.py [TARGET] [--output FILE|fd:N] [--timeout SECONDS] [--tickets REDEEM,ISSUE]
    python - TARGET < django_settings.py > django.json

TARGET is what uvicorn takes (`mysite.asgi:application`, `mysite.asgi`) or a settings module (`mysite.settings`);
without it DJANGO_SETTINGS_MODULE counts, else what `manage.py` sets. Run it in the project's folder, with the
project's Python (3.8 and later). The document holds the project's keys and passwords. With --tickets it holds nothing
but what came of redeeming one ticket and issuing another, for `sluicegate check`.
"""

import ast
import builtins
import contextlib
import functools
import getpass
import importlib
import importlib.util
import inspect
import json
import os
import re
import stat
import sys
import threading
import types
import uuid
from urllib.parse import parse_qs, unquote, urlsplit

SCHEMA = 1
# Less than the minute after which sluicegate kills the process: an answer that says where it hangs is better.
TIME_LIMIT = 58.0

