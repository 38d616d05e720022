"""What a project's tickets and users live in: each database, cache and user model that is claimed to work."""

import uuid
from dataclasses import dataclass

from support import overlay, vectors
from support.databases import MariaDb, PgBouncer, Postgres
from support.redis_server import Certificates, Redis, Sentinel

DATABASES = ("sqlite", "postgresql", "pgbouncer", "mariadb")
USER_MODELS = ("default", "big", "uuid", "str", "ext", "email")


class Servers:
    """Each server is started when the first test needs it, and ends with the session."""

    def __init__(self, work, fork, sqlite_files):
        self.work, self.fork, self.sqlite_files = work, fork, sqlite_files
        self._running, self._prepared = {}, {}

    def _once(self, name, make):
        if name not in self._running:
            self._running[name] = make()
        return self._running[name]

    @property
    def redis(self):
        return self._once("redis", lambda: Redis(self.work))

    @property
    def redis_on_socket(self):
        return self._once("redis on a socket", lambda: Redis(self.work, unix_socket=str(self.work / "r.sock")))

    @property
    def redis_with_password(self):
        return self._once("redis with a password", lambda: Redis(self.work, password="pa:ss/w@rd"))

    @property
    def certificates(self):
        return self._once("certificates", lambda: Certificates(self.work))

    @property
    def redis_with_tls(self):
        return self._once("redis with TLS", lambda: Redis(self.work, tls=self.certificates))

    @property
    def sentinel(self):
        return self._once("sentinel", lambda: Sentinel(self.work, self.redis))

    @property
    def postgres(self):
        return self._once("postgres", lambda: Postgres(self.work))

    @property
    def pgbouncer(self):
        postgres = self.postgres
        return self._once("pgbouncer", lambda: PgBouncer(self.work, postgres))

    @property
    def mariadb(self):
        return self._once("mariadb", lambda: MariaDb(self.work))

    def databases(self, name, kind="default"):
        """The overlay's DATABASES: tables, a cache table and the users of that model are in it."""
        with_table = {"CACHES": overlay.database_cache()}
        if name == "sqlite":
            return self.sqlite_files.make(kind, **with_table)
        server = getattr(self, "postgres" if name == "postgresql" else name)
        database = f"compat_{kind}" + ("_bouncer" if name == "pgbouncer" else "")
        settings = {"default": server.django(database)}
        if (name, kind) not in self._prepared:
            server.create(database)
            prepared = overlay.with_user_model(with_table | {"DATABASES": settings}, kind)
            self.fork.prepare(overlay.write(self.work, prepared, "prepare"), kind)
            self._prepared[name, kind] = True
        return settings

    def stop(self):
        for server in reversed(self._running.values()):
            if hasattr(server, "stop"):
                server.stop()


# Caches: name -> (servers, database number) -> CACHES


def _django(location, **options):
    return lambda servers, number: overlay.redis_cache(location(servers, number), **options)


def _package(**options):
    return lambda servers, number: overlay.django_redis_cache(servers.redis.url(number), **options)


def _redis(servers, number):
    return servers.redis.url(number)


def _sentinel(servers, number):
    sentinels = [["127.0.0.1", servers.sentinel.port]]
    return overlay.django_redis_cache(
        f"redis://mymaster/{number}",
        CLIENT_CLASS="django_redis.client.SentinelClient",
        CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory",
        SENTINELS=sentinels,
    )


def _tls(servers, number):
    options = {"ssl_ca_certs": str(servers.certificates.ca)}
    return overlay.redis_cache(servers.redis_with_tls.url(number), OPTIONS=options)


SERIALIZERS = "django_redis.serializers"
COMPRESSORS = "django_redis.compressors"
CACHES = {
    "redis": _django(_redis),
    "redis, key prefix and version": _django(_redis, KEY_PREFIX="my site:", VERSION=7),
    "redis, key function": _django(_redis, KEY_PREFIX="site", KEY_FUNCTION="mysite.keys.make_key"),
    "redis, database in OPTIONS": lambda servers, number: overlay.redis_cache(
        f"redis://127.0.0.1:{servers.redis.port}", OPTIONS={"db": str(number)}
    ),
    "redis, Unix socket": _django(lambda servers, number: f"unix://{servers.redis_on_socket.unix_socket}?db={number}"),
    "redis, password": _django(
        lambda servers, number: f"redis://:pa%3Ass%2Fw%40rd@127.0.0.1:{servers.redis_with_password.port}/{number}"
    ),
    "redis, TLS": _tls,
    "django-redis": _package(),
    "django-redis, pickle 5": _package(PICKLE_VERSION=-1),
    "django-redis, JSON": _package(SERIALIZER=f"{SERIALIZERS}.json.JSONSerializer"),
    "django-redis, MessagePack": _package(SERIALIZER=f"{SERIALIZERS}.msgpack.MSGPackSerializer"),
    "django-redis, zlib": _package(COMPRESSOR=f"{COMPRESSORS}.zlib.ZlibCompressor"),
    "django-redis, gzip": _package(COMPRESSOR=f"{COMPRESSORS}.gzip.GzipCompressor"),
    "django-redis, lz4": _package(COMPRESSOR=f"{COMPRESSORS}.lz4.Lz4Compressor"),
    "django-redis, zstd": _package(COMPRESSOR=f"{COMPRESSORS}.zstd.ZStdCompressor"),
    "django-redis, Sentinel": _sentinel,
    "database": lambda servers, number: overlay.database_cache(KEY_PREFIX=f"n{number}"),
}
# MessagePack has no UUIDs: Django's own answer is a 500.
IMPOSSIBLE = {("django-redis, MessagePack", "uuid")}


@dataclass(frozen=True)
class Combination:
    database: str = "sqlite"
    cache: str = "redis"
    user_model: str = "default"

    def __str__(self):
        return f"{self.database} / {self.cache} / {self.user_model} users"


def covering_subset():
    """Each database with each kind of primary key; each cache with a primary key of each kind of value."""
    chosen = [Combination(database=database, user_model=kind) for database in DATABASES for kind in USER_MODELS]
    chosen += [
        Combination(cache=cache, user_model=kind)
        for cache in CACHES
        for kind in ("default", "uuid", "str")
        if (cache, kind) not in IMPOSSIBLE
    ]
    chosen += [Combination(database, "database", "default") for database in DATABASES]
    return sorted(set(chosen), key=str)


def small_subset():
    """Each value of each dimension at least once: for the Djangos beside the recorded one."""
    databases, kinds = len(DATABASES), len(USER_MODELS)
    chosen = []
    for number, cache in enumerate(CACHES):
        kind = USER_MODELS[number % kinds]
        kind = "str" if (cache, kind) in IMPOSSIBLE else kind
        chosen.append(Combination(DATABASES[number % databases], cache, kind))
    return chosen


def everything():
    return [
        Combination(database, cache, kind)
        for database in DATABASES
        for cache in CACHES
        for kind in USER_MODELS
        if (cache, kind) not in IMPOSSIBLE
    ]


@dataclass(frozen=True)
class Person:
    """A row of tests/vectors/users.json."""

    id: object  # as the primary key's type
    claim: str  # as SimpleJWT writes it
    username: str
    active: bool


def people(kind, database="sqlite"):
    """The users of a model that this database can hold."""
    found = []
    rows = vectors.load("users.json")["user_models"]["default" if kind == "big" else kind]["rows"]
    for row in rows:
        key = row.get("id")
        if kind == "uuid":
            key = uuid.UUID(key)
        elif isinstance(key, int) and key > 2**31 - 1 and kind != "big" and database != "sqlite":
            continue  # not in a column of 32 bits
        found.append(Person(key, str(key), row.get("username", row["email"]), bool(row["is_active"])))
    return found
