"""A process of its own: `manage.py group_send GROUP EVENT...`, each event as JSON."""

import json

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.core.management import BaseCommand


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("group")
        parser.add_argument("events", nargs="+")

    def handle(self, *, group, events, **_):
        for event in events:
            async_to_sync(get_channel_layer().group_send)(group, json.loads(event))
