import threading

local = threading.local()


def current():
    return getattr(local, "tenant", 1)
