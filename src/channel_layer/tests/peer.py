"""A member of a channel layer in Python: reads calls as lines of JSON, and answers each with a line of JSON."""

import asyncio
import json
import sys

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

LAYERS = {"redis": RedisChannelLayer, "redis_pubsub": RedisPubSubChannelLayer}

MESSAGE = {
    "type": "chat.message",
    "none": None,
    "flags": [True, False],
    "numbers": [0, -1, 127, 128, -32769, 2**63, 2**64 - 1, -(2**63), 0.1, -0.0, 1e300, float("inf")],
    "text": "ünï☃ \U0001f600 \x00",
    "nested": {"": [[], {}, {"deep": [1, [2, [3]]]}]},
}


async def main():
    kind, config = sys.argv[1], json.loads(sys.argv[2])
    layer = LAYERS[kind](**config)
    message = MESSAGE if config.get("serializer_format") == "json" else {**MESSAGE, "bytes": b"\x00\xff"}
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        name, *arguments = json.loads(line)
        if name == "send_sample":
            answer = await layer.send(arguments[0], message)
        elif name == "receive_sample":
            answer = await layer.receive(arguments[0]) == message
        elif name == "receive":
            answer = await asyncio.wait_for(layer.receive(arguments[0]), 10)
        else:
            answer = await getattr(layer, name)(*arguments)
        print(json.dumps(answer), flush=True)


asyncio.run(main())
