# ---------------------------------------------------------------------------------------------------------------------
# cache
# ---------------------------------------------------------------------------------------------------------------------

CACHES = {
    "django.core.cache.backends.redis.RedisCache": "redis",
    "django_redis.cache.RedisCache": "django_redis",
    "django.core.cache.backends.db.DatabaseCache": "database",
    "django.core.cache.backends.locmem.LocMemCache": "locmem",
    "django.core.cache.backends.dummy.DummyCache": "dummy",
    "django.core.cache.backends.filebased.FileBasedCache": "file",
    "django.core.cache.backends.memcached.BaseMemcachedCache": "memcached",
}
# Subclasses that only count or trace.
OBSERVING_PACKAGES = {"django_prometheus", "sentry_sdk", "ddtrace"}


def cache(project):
    """`caches["default"]`, from its instance."""
    from django.core.cache import caches

    instance = caches["default"]
    unsupported = []
    base = next((cls for cls in type(instance).__mro__ if path_of(cls) in CACHES), None)
    kind = CACHES[path_of(base)] if base else "other"
    found = {
        "backend": path_of(instance),
        "kind": kind,
        "key_prefix": str(instance.key_prefix),
        "unsupported": unsupported,
    }
    if base is None:
        unsupported.append("the cache backend %s" % path_of(instance))
    elif base.__module__ != type(instance).__module__ and kind != "memcached":
        unsupported += cache_overrides(type(instance), base)
    found.update(cache_key(instance))
    details = {"redis": redis_cache, "django_redis": django_redis_cache, "database": database_cache}.get(kind)
    if details is not None:
        details(instance, found)
    return found


def cache_overrides(cls, base):
    owners = {name: next(part for part in cls.__mro__ if name in vars(part)) for name in overridden(cls, base)}
    return [
        "%s overrides %s()" % (path_of(owner), name)
        for name, owner in sorted(owners.items())
        if owner.__module__.split(".")[0] not in OBSERVING_PACKAGES
    ]


KEY_PROBES = (
    "0f5a3c1e-8d2b-4a6f-9c7e-1b2d3e4f5a6b",
    "ffffffff-ffff-4fff-bfff-ffffffffffff",
    "a0000000-0000-4000-8000-000000000001",
)


def cache_key(instance):
    """How a key is made, as a pattern, where the project's `KEY_FUNCTION` turns out to follow one."""
    from django.core.cache.backends.base import default_key_func

    function = instance.key_func
    found = {"key_pattern": None, "key_problem": None, "key_function": path_of(function), "version": instance.version}
    if function is not default_key_func:
        state = state_read_by(function, strict=True) if isinstance(function, types.FunctionType) else ["an object"]
        if state:
            found["key_problem"] = "it reads %s" % ", ".join(sorted(set(state)))
            return found
    try:
        found["key_pattern"] = probed_pattern(instance)
    except Refused as error:
        found["key_problem"] = str(error)
    return found


def probed_pattern(instance):
    """The pattern that `KEY_FUNCTION` follows for several keys, prefixes and versions."""
    patterns = {
        str(instance.key_func(key, prefix, version))
        .replace(key, "{key}")
        .replace(prefix, "{prefix}")
        .replace(version, "{version}")
        for key in KEY_PROBES
        for prefix, version in (("prefixqzx", "918273"), ("PREFIXwvy", "645"))
    }
    if len(patterns) != 1:
        raise Refused("no pattern of prefix, version and key comes out")
    pattern = patterns.pop()
    for key in KEY_PROBES:
        words = {"{prefix}": instance.key_prefix, "{version}": instance.version, "{key}": key}
        expected = re.sub(r"\{\w+\}", lambda match: str(words.get(match.group(), match.group())), pattern)
        for form in (key, uuid.UUID(key)):  # a ticket is issued under a UUID object and looked up as text
            try:
                made = str(instance.make_key(form))
            except Exception as error:
                raise Refused(
                    "it fails for a key of type %s: %s" % (type(form).__name__, sentence_of(error))
                ) from error
            if made != expected:
                raise Refused("no pattern of prefix, version and key comes out")
    return pattern


def redis_cache(instance, found):
    """django.core.cache.backends.redis: servers, login and TLS as its connection pools have them."""
    unsupported = found["unsupported"]
    client = instance._cache
    pools = [client._pool_class.from_url(server, **client._pool_options) for server in client._servers]
    found["servers"] = [redis_server(pool, unsupported) for pool in pools]
    check_class(client, "django.core.cache.backends.redis.RedisCacheClient", "the cache client", unsupported)
    serializer = client._serializer
    known = path_of(serializer) == "django.core.cache.backends.redis.RedisSerializer"
    found["serializer"] = "pickle" if known else path_of(serializer)
    found["pickle_protocol"] = getattr(serializer, "protocol", None)
    found.update(compressor=None, client="default", ignore_exceptions=False, sentinels=None, service_name=None)


SERIALIZERS = {
    "django_redis.serializers.pickle.PickleSerializer": "pickle",
    "django_redis.serializers.json.JSONSerializer": "json",
    "django_redis.serializers.msgpack.MSGPackSerializer": "msgpack",
}
COMPRESSORS = {
    "django_redis.compressors.identity.IdentityCompressor": None,
    "django_redis.compressors.zlib.ZlibCompressor": "zlib",
    "django_redis.compressors.gzip.GzipCompressor": "gzip",
    "django_redis.compressors.zstd.ZStdCompressor": "zstd",
    "django_redis.compressors.lz4.Lz4Compressor": "lz4",
}
CLIENTS = {
    "django_redis.client.default.DefaultClient": "default",
    "django_redis.client.sentinel.SentinelClient": "sentinel",
    "django_redis.client.sharded.ShardClient": "shard",
    "django_redis.client.herd.HerdClient": "herd",
}


def django_redis_cache(instance, found):
    """django-redis: from its client and connection factory, which make their pools without connecting."""
    import pickle

    unsupported = found["unsupported"]
    client = instance.client
    serializer, compressor = client._serializer, client._compressor
    found["serializer"] = SERIALIZERS.get(path_of(serializer), path_of(serializer))
    found["compressor"] = COMPRESSORS.get(path_of(compressor), path_of(compressor))
    protocol = getattr(serializer, "_pickle_version", None)
    found["pickle_protocol"] = pickle.HIGHEST_PROTOCOL if protocol == -1 else protocol
    found["client"] = CLIENTS.get(path_of(client), path_of(client))
    found["ignore_exceptions"] = bool(instance._ignore_exceptions)
    factory = client.connection_factory
    if path_of(factory) not in ("django_redis.pool.ConnectionFactory", "django_redis.pool.SentinelConnectionFactory"):
        unsupported.append("the connection factory %s" % path_of(factory))
    redis_class = getattr(factory, "redis_client_cls", None)
    if redis_class is not None and path_of(redis_class) != "redis.client.Redis":
        unsupported.append("the Redis client class %s" % path_of(redis_class))
    pools = [factory.get_connection_pool(factory.make_connection_params(server)) for server in client._server]
    found["servers"] = [redis_server(pool, unsupported) for pool in pools]
    found.update(sentinels=None, service_name=None)
    manager = getattr(pools[0], "sentinel_manager", None)
    if manager is not None:
        found["service_name"] = pools[0].service_name
        found["sentinels"] = [redis_server(one.connection_pool, unsupported) for one in manager.sentinels]
        # The two pools are the primary's and the replicas': one login.
        found["servers"] = [dict(found["servers"][0], host=None, port=None)]


def redis_server(pool, unsupported):
    """One server as a redis-py connection pool knows it, after URL and options were merged. Nothing connects."""
    values = pool.connection_kwargs
    names = [path_of(cls) for cls in pool.connection_class.__mro__]
    if not any(name.startswith(("redis.connection.", "redis.asyncio.connection.")) for name in names):
        unsupported.append("the Redis connection class %s" % path_of(pool.connection_class))
    for name in ("credential_provider", "decode_responses", "redis_connect_func", "retry_on_error") + REDIS_TLS_UNKNOWN:
        if values.get(name) and name != "retry_on_error":
            unsupported.append("the Redis option %s" % name)
    socket = values.get("path")
    return {
        "host": None if socket else str(values.get("host") or "localhost"),
        "port": None if socket else int(values.get("port") or 6379),
        "unix_socket": socket,
        "tls": redis_tls(values, names) if any("SSLConnection" in name for name in names) else None,
        "username": values.get("username") or None,
        "password": plain(values.get("password") or None),
        "db": int(values.get("db") or 0),
    }


REDIS_TLS_UNKNOWN = (
    "ssl_ca_data", "ssl_ca_path", "ssl_password", "ssl_validate_ocsp", "ssl_validate_ocsp_stapled", "ssl_min_version",
    "ssl_ciphers",
)  # fmt: skip


def redis_tls(values, names):
    """`ssl_*` with the defaults of this version of redis-py, which changed over time."""
    import ssl

    if any(name.startswith("redis.asyncio.") for name in names):
        from redis.asyncio.connection import SSLConnection
    else:
        from redis.connection import SSLConnection

    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(SSLConnection.__init__).parameters.items()
        if name.startswith("ssl_")
    }
    values = {**defaults, **values}
    requirement = values.get("ssl_cert_reqs")
    any_certificate = requirement in (None, "none", ssl.CERT_NONE)
    paths = {"ca_file": "ssl_ca_certs", "certificate_file": "ssl_certfile", "key_file": "ssl_keyfile"}
    found = {name: values.get(key) and os.path.abspath(str(values[key])) for name, key in paths.items()}
    found["accept_any_certificate"] = any_certificate
    found["accept_any_name"] = any_certificate or not values.get("ssl_check_hostname", False)
    return found


def check_class(instance, expected, what, unsupported):
    if path_of(instance) != expected:
        unsupported.append("%s is a %s" % (what, path_of(instance)))


def database_cache(instance, found):
    """django.core.cache.backends.db: the table, and the database that the router names for it."""
    from django.db import router

    reads, writes = router.db_for_read(instance.cache_model_class), router.db_for_write(instance.cache_model_class)
    found["table"] = instance._table
    found["database"] = database_of(writes)
    found["max_entries"] = instance._max_entries
    found["cull_frequency"] = instance._cull_frequency
    if reads != writes:
        found["unsupported"].append("the cache's table is read from %s and written to %s" % (reads, writes))


