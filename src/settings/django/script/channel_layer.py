# ---------------------------------------------------------------------------------------------------------------------
# channel_layer
# ---------------------------------------------------------------------------------------------------------------------

LAYERS = {
    "channels_redis.core.RedisChannelLayer": "redis",
    "channels_redis.pubsub.RedisPubSubChannelLayer": "redis_pubsub",
    "channels.layers.InMemoryChannelLayer": "in_memory",
}


def channel_layer(project):
    """`channel_layers["default"]`: its class, and what it was made with."""
    from django.conf import settings

    configured = (getattr(settings, "CHANNEL_LAYERS", None) or {}).get("default")
    if not configured:
        return {"backend": None, "kind": "none", "unsupported": []}
    from channels.layers import channel_layers

    instance = channel_layers["default"]
    base = next((cls for cls in type(instance).__mro__ if path_of(cls) in LAYERS), None)
    # Not of the instance: the pub/sub layer asks for a running event loop when an attribute is looked up.
    found = {"backend": path_of(type(instance)), "kind": LAYERS[path_of(base)] if base else "other", "unsupported": []}
    if found["kind"] in ("redis", "redis_pubsub"):
        replaced = [text for text in cache_overrides(type(instance), base) if not text.endswith(" __init__()")]
        found["unsupported"] += replaced
        redis_layer(instance, configured.get("CONFIG") or {}, found)
    return found


MESSAGE_SERIALIZERS = {
    "channels_redis.serializers.MsgPackSerializer": "msgpack",
    "channels_redis.serializers.JSONSerializer": "json",
}


def redis_layer(instance, config, found):
    """channels_redis, core.py and pubsub.py: what the object has, and of what it does not keep, `CONFIG`."""
    values = dict(config, **vars(instance).get("_kwargs", {}))
    values.update(vars(instance))
    unsupported = found["unsupported"]
    found["servers"] = layer_servers(values.get("hosts"), unsupported)
    found["prefix"] = values.get("prefix", "asgi")
    serializer = values.get("_serializer")
    found["serializer_format"] = "msgpack" if serializer is None else MESSAGE_SERIALIZERS.get(path_of(serializer))
    if found["serializer_format"] is None:
        unsupported.append("the serializer %s" % path_of(serializer))
    found["symmetric_encryption_keys"] = layer_keys(config.get("symmetric_encryption_keys") or [], unsupported)
    if found["kind"] == "redis":
        found["expiry"] = int(values.get("expiry", 60))
        found["group_expiry"] = int(values.get("group_expiry", 86400))
        found["capacity"] = values.get("capacity", 100)
        found["random_prefix_length"] = getattr(serializer, "random_prefix_length", 12)
        found["channel_capacity"] = [
            {"regex" if hasattr(pattern, "match") else "glob": regex_text(pattern), "capacity": capacity}
            for pattern, capacity in (config.get("channel_capacity") or {}).items()
        ]


def layer_keys(keys, unsupported):
    try:
        return [plain(key) for key in keys]
    except UnicodeDecodeError:
        unsupported.append("a key of symmetric_encryption_keys whose bytes are no UTF-8")
        return []


def layer_servers(hosts, unsupported):
    """`hosts`, as `decode_hosts` and `create_pool` of channels_redis read them, each from a pool that never connects."""
    try:
        from redis import asyncio as client
        from redis.asyncio import sentinel as sentinels
    except ImportError:
        unsupported.append("hosts without redis-py 4.2 or later: channels_redis 4 is the first that has it")
        return []
    servers = []
    for host in hosts or ["redis://localhost:6379"]:
        if isinstance(host, (tuple, list)):
            host = {"host": host[0], "port": host[1]}
        elif not isinstance(host, dict):
            host = {"address": host}
        host = dict(host)
        name = host.pop("master_name", None)
        if "address" in host:
            pool = client.ConnectionPool.from_url(plain(host.pop("address")), **host)
        elif name is not None:
            manager = sentinels.Sentinel(host.pop("sentinels"), sentinel_kwargs=host.pop("sentinel_kwargs", None))
            pool = sentinels.SentinelConnectionPool(name, manager, **host)
        else:
            pool = client.ConnectionPool(**host)
        server = redis_server(pool, unsupported)
        if name is not None:
            asked = [redis_server(one.connection_pool, unsupported) for one in pool.sentinel_manager.sentinels]
            server.update(host=None, port=None, sentinels=asked, service_name=name)
        servers.append(server)
    return servers


