"""
A Python that has imported everything that needs no settings, and forks once for each set of them: a Django under
uvicorn is up in a third of a second. Reads one JSON object a line on stdin, answers one a line on stdout:

    {"project": "/…/mysite", "env": {"MYSITE_OVERLAY": "/…"}, "log": "/…", "target": "mysite.asgi:application"}
    {"pid": 4711, "port": 40123}        or        {"pid": 4711, "error": "…"}

With "call": ["module", arguments...] in place of "target" it runs that module's `main()` and answers when it is done.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import socket
import sys
import traceback


def warm_up():
    for name in (
        *("asyncio", "h11", "httptools", "jwt", "redis", "sqlite3", "uvicorn", "uvicorn.server", "uvloop", "zoneinfo"),
        *("channels.layers", "cryptography.fernet", "cryptography.hazmat.primitives.asymmetric.rsa"),
        *("django.core.handlers.asgi", "django.core.management", "django.db.models", "django.template", "django.urls"),
        *("uvicorn.protocols.http.httptools_impl", "uvicorn.lifespan.off", "uvicorn.loops.uvloop"),
        *("jwt.algorithms", "MySQLdb", "psycopg", "websockets"),
    ):
        try:
            importlib.import_module(name)
        except Exception as error:
            print(f"{name}: {error}", file=sys.stderr)


def child(order, answer):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.setsid()
    # A socket takes a descriptor, and there may be thousands.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ.update(order["env"])
    os.chdir(order["project"])
    sys.path.insert(0, order["project"])
    if "call" in order:
        module, *arguments = order["call"]
        sys.argv = [module, *arguments]
        importlib.import_module(module).main()
        answer({"pid": os.getpid(), "done": True})
        return
    import uvicorn

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", order.get("port", 0)))
    options = {"log_level": "warning", "lifespan": "off", **order.get("uvicorn", {})}
    config = uvicorn.Config(order["target"], **options)
    config.load()
    listener.listen(2048)
    answer({"pid": os.getpid(), "port": listener.getsockname()[1]})
    uvicorn.Server(config).run(sockets=[listener])


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    warm_up()

    def answer(message):
        out.write(json.dumps(message) + "\n")
        out.flush()

    answer({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork() == 0:
            code = 1
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                child(order, answer)
                code = 0
            except BaseException:
                answer({"pid": os.getpid(), "error": traceback.format_exc()})
            finally:
                os._exit(code)


if __name__ == "__main__":
    main()
