import os

from django.core.cache.backends.redis import RedisCache
from django.core.exceptions import ImproperlyConfigured


class Vault(RedisCache):
    def __init__(self, server, params):
        raise ImproperlyConfigured("no entry %s at %s" % (os.environ["CACHE_PASSWORD"], server))
