#!/usr/bin/env python3
"""
Sends numbered messages to groups: `produce.py NAME GROUPS PER_SECOND` says `ready`, begins when it reads a line, ends
when it reads another one, and then writes, as one line of JSON, for each group the numbers that were sent and those
that failed. A message is the event `{"type": "room.message", "message": [NAME, number]}`.
"""

import asyncio
import json
import os
import sys


async def main(name, groups, rate):
    from channels.layers import get_channel_layer

    loop = asyncio.get_running_loop()
    layer = get_channel_layer()
    sent, failed = {}, {}
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    end = loop.run_in_executor(None, sys.stdin.readline)
    started, number = loop.time(), 0
    while not end.done():
        group = f"room_{number % groups}"
        try:
            await layer.group_send(group, {"type": "room.message", "message": [name, number]})
            sent.setdefault(group, []).append(number)
        except Exception as error:
            failed.setdefault(group, []).append(number)
            print(f"{number}: {type(error).__name__}: {error}", file=sys.stderr)
        number += 1
        await asyncio.sleep(max(0, started + number / rate - loop.time()))
    print(json.dumps({"sent": sent, "failed": failed}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "groups.settings")
    import django

    django.setup()
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
