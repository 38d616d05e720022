"""Routers inside routers, and which route Channels chooses for a path."""

import asyncio
import itertools
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

from django.core.asgi import get_asgi_application

get_asgi_application()

from channels.consumer import AsyncConsumer
from channels.middleware import BaseMiddleware
from channels.routing import URLRouter
from django.urls import path, re_path
from django_channels_jwt.middleware import JwtAuthMiddleware


def consumer(number):
    cls = type("Consumer%d" % number, (AsyncConsumer,), {"__module__": __name__})
    return mark(cls.as_asgi(), number)


def mark(application, number):
    application.number = number
    return application


async def plain(scope, receive, send):
    pass


routes = [
    path("ws/", URLRouter([path("told/", consumer(0)), path("<str:room>/number/<int:pk>/", consumer(1))])),
    re_path(
        "^ws/ticket/|^ws/t/",
        URLRouter(
            [
                re_path(r"told/(?P<word>\w+)/$", consumer(2)),
                re_path("^a/|^b/", consumer(3)),
                re_path("c/|^cc?", consumer(4)),
                re_path("^deep/?", URLRouter([path("<int:a>/", URLRouter([path("<int:a>/<path:b>", consumer(5))]))])),
                re_path("(?i)^Case$", consumer(6)),
            ]
        ),
    ),
    re_path("loose", URLRouter([re_path("end", consumer(7)), path("plain/", JwtAuthMiddleware(mark(plain, 8)))])),
    re_path("^x", URLRouter([re_path("(^hard|b)/", consumer(9))])),
]
application = URLRouter(routes)
bare = JwtAuthMiddleware(consumer(0))

PARTS = [
    "ws/", "told/", "ticket/", "t/", "a/", "c/", "cc", "deep", "/", "7/", "word", "loose", "end", "plain/", "number/",
    "CASE", "x", "hard/", "b/", "\n",
]  # fmt: skip


def paths():
    for count in (1, 2, 3, 4):
        for parts in itertools.product(PARTS, repeat=count):
            yield "/" + "".join(parts)
    yield from ("/ws/t/deep/7//7/x", "/ws//t/deep7//7//x/y", "/ws/ticket/deep//7/7/", "/ws/w/number//7/", "/ws//w/number/7/")
    yield from ("/ws/ticket///x/told/word/", "/ws/ticket//told/word/", "/ws/t/told/word/\n")


class Chosen(Exception):
    pass


def replaced(router, number=None):
    """Consumers only tell that they were chosen."""
    for route in router.routes:
        inner = route.callback
        while isinstance(inner, BaseMiddleware):
            inner = inner.inner
        if isinstance(inner, URLRouter):
            replaced(inner)
        else:
            route.callback = telling(inner.number)


def telling(number):
    async def application(scope, receive, send):
        raise Chosen(number)

    return application


def chosen():
    """`[path, number]` of each path; a path that Channels leads nowhere has no number."""
    replaced(application)
    return asyncio.run(all_chosen())


async def all_chosen():
    found = []
    for path in paths():
        try:
            await application({"type": "websocket", "path": path}, None, None)
        except Chosen as error:
            found.append([path, error.args[0]])
        except Exception:
            found.append([path, None])
    return found
