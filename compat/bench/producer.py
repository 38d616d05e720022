"""
A Django process that sends to the chat's group as a view does, where a line of its input tells it to:

    FIRST COUNT MILLISECONDS        numbers FIRST to FIRST + COUNT - 1, one each so many milliseconds
"""

import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

import django  # noqa: E402

django.setup()

from asgiref.sync import async_to_sync  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402

channel_layer = get_channel_layer()
print("ready", flush=True)
for line in sys.stdin:
    first, count, interval = line.split()
    begun = time.monotonic()
    for index in range(int(count)):
        time.sleep(max(0, begun + index * float(interval) / 1000 - time.monotonic()))
        # As src/members.rs writes and reads it.
        message = f"{int(first) + index:012} {time.time_ns():020} ".ljust(100, "x")
        async_to_sync(channel_layer.group_send)("chat_lobby", {"type": "chat.message", "message": message})
