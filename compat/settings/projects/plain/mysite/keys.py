import hashlib
import threading

request = threading.local()
calls = []


def short(key, prefix, version):
    return "%s/v%s/%s" % (prefix, version, key)


def joined(key, prefix, version):
    return ":".join(part for part in (prefix, str(version), "tickets", str(key)) if part)


def hashed(key, prefix, version):
    return hashlib.md5(("%s%s%s" % (prefix, version, key)).encode()).hexdigest()


def of_tenant(key, prefix, version):
    return "%s:%s:%s" % (getattr(request, "tenant", prefix), version, key)


def counted(key, prefix, version):
    calls.append(key)
    return "%s:%s:%s" % (prefix, version, key)


def lowered(key, prefix, version):
    return "%s:%s:%s" % (prefix, version, key.lower())
