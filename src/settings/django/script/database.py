# ---------------------------------------------------------------------------------------------------------------------
# database: connection parameters, completed as the driver completes them
# ---------------------------------------------------------------------------------------------------------------------


def database(project):
    """The database that `User.objects.get(...)` asks: the router's choice, unless the manager makes its own."""
    from django.contrib.auth import get_user_model
    from django.db import router

    model = get_user_model()
    aliases = {read_alias(model) or router.db_for_read(model) for _ in range(20)}
    found = database_of(sorted(aliases)[0])
    if len(aliases) > 1:
        found["unsupported"].append(
            "users are read from another database from call to call, as a router or manager chooses: "
            + ", ".join(sorted(aliases))
        )
    return found


def read_alias(model):
    """The alias that a lookup by primary key goes to; None where Django compiles none."""
    value = sentinels(plain_kind(model._meta.pk))[0]
    with contextlib.suppress(Exception):
        return capture(lambda: model.objects.get(pk=value))[1]
    return None


def database_of(alias):
    from django.db import connections

    connection = connections[alias]
    found = {
        "alias": alias,
        "engine": connection.settings_dict["ENGINE"],
        "vendor": connection.vendor,
        "unsupported": [],
    }
    names = "host port user password name options unix_socket charset file tls"
    found.update({name: None for name in names.split()})
    found["disable_server_side_cursors"] = bool(connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"))
    check_engine(connection, found["unsupported"])
    reader = {"postgresql": postgresql, "mysql": mysql, "sqlite": sqlite}.get(connection.vendor)
    if reader is None:
        found["unsupported"].append("the database engine %s" % found["engine"])
    else:
        reader(connection, found)
    return found


def check_engine(connection, unsupported):
    """Engines of other packages are fine as long as they connect as Django's do."""
    if hasattr(connection, "set_tenant") or hasattr(connection, "set_schema"):
        unsupported.append("%s chooses a schema for each request" % path_of(connection))
    for name in ("get_connection_params", "get_new_connection", "init_connection_state"):
        owner = next(cls for cls in type(connection).__mro__ if name in vars(cls))
        if owner.__module__.split(".")[0] not in ("django", "django_prometheus"):
            unsupported.append("%s overrides %s()" % (path_of(owner), name))


LIBPQ = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER",
    "password": "PGPASSWORD", "passfile": "PGPASSFILE", "options": "PGOPTIONS", "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslcrl": "PGSSLCRL",
    "sslnegotiation": "PGSSLNEGOTIATION", "channel_binding": "PGCHANNELBINDING", "gssencmode": "PGGSSENCMODE",
    "requirepeer": "PGREQUIREPEER", "require_auth": "PGREQUIREAUTH",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}  # fmt: skip
# What changes nothing for the few statements that are sent.
LIBPQ_HARMLESS = set(
    "service client_encoding cursor_factory context prepare_threshold autocommit row_factory connection_factory "
    "connect_timeout application_name fallback_application_name keepalives keepalives_idle keepalives_interval "
    "keepalives_count tcp_user_timeout sslcompression sslsni sslcertmode load_balance_hosts async async_ "
    "target_session_attrs krbsrvname gsslib gssdelegation".split()
)
LIBPQ_DEFAULTS = {"sslnegotiation": "postgres", "channel_binding": "prefer", "gssencmode": "prefer"}


def postgresql(connection, found):
    """`get_connection_params()`, then the service file, then `PG*`, then libpq's defaults: libpq's own order."""
    params = {name: value for name, value in connection.get_connection_params().items() if value is not None}
    unsupported = found["unsupported"]
    service = params.get("service") or os.environ.get("PGSERVICE")
    for name, value in (postgresql_service(service) if service else {}).items():
        params.setdefault(name, value)
    for name, variable in LIBPQ.items():
        if os.environ.get(variable):
            params.setdefault(name, os.environ[variable])
    user_name = params.get("user") or getpass.getuser()
    port = str(params.get("port") or 5432)
    host = str(params.get("hostaddr") or params.get("host") or postgresql_socket_folder(port))
    if "," in host or "," in port:
        unsupported.append("several PostgreSQL hosts: %s" % host)
    found.update(
        host=host,
        port=int(port) if port.isdigit() else None,
        user=user_name,
        name=str(params.get("dbname") or user_name),
        options=params.get("options"),
        tls=postgresql_tls(params),
    )
    found["password"] = params.get("password") or postgresql_password(params, host, port, found["name"], user_name)
    for name in sorted(set(params) - set(LIBPQ) - LIBPQ_HARMLESS):
        unsupported.append("the connection option %s" % name)
    for name in ("sslcrl", "sslnegotiation", "channel_binding", "gssencmode", "requirepeer", "require_auth"):
        if params.get(name) not in (None, "", "disable", LIBPQ_DEFAULTS.get(name)):
            unsupported.append("the connection option %s=%s" % (name, params[name]))
    if connection.settings_dict["OPTIONS"].get("assume_role"):
        unsupported.append("the connection option assume_role")
    if params.get("hostaddr") and found["tls"]["mode"] == "verify-full":
        unsupported.append("hostaddr together with sslmode=verify-full")


def postgresql_service(service):
    """The settings of one service, from the user's file, else the system's."""
    for path in postgresql_service_files():
        if os.path.exists(path):
            groups = read_groups(path)
            if service in groups:
                return groups[service]
    raise LookupError("the PostgreSQL service %r is in no service file" % service)


def postgresql_service_files():
    own = os.environ.get("PGSERVICEFILE") or os.path.expanduser("~/.pg_service.conf")
    folders = [os.environ.get("PGSYSCONFDIR"), "/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc"]
    return [own] + [os.path.join(folder, "pg_service.conf") for folder in folders if folder]


def read_groups(path):
    """A file of `[group]` and `name=value` lines; comments start lines only."""
    groups, group = {}, {}
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            line = line.strip()
            if line.startswith("[") and "]" in line:
                group = groups.setdefault(line[1 : line.index("]")], {})
            elif line and line[0] not in "#;":
                name, _, value = line.partition("=")
                group.setdefault(name.strip(), value.strip())
    return groups


def postgresql_socket_folder(port):
    """libpq's default host, as its packages are built: the folder where the server's socket is."""
    folders = ["/var/run/postgresql", "/tmp"]
    return next((f for f in folders if os.path.exists("%s/.s.PGSQL.%s" % (f, port))), folders[0])


def postgresql_password(params, host, port, name, user_name):
    """The password file's first fitting line; libpq ignores a file that others can read."""
    path = params.get("passfile") or os.path.expanduser("~/.pgpass")
    try:
        if not os.path.isfile(path) or (os.name == "posix" and stat.S_IMODE(os.stat(path).st_mode) & 0o077):
            return None
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    host = "localhost" if host in ("/var/run/postgresql", "/tmp") else str(params.get("host") or host)
    for line in lines:
        fields = [re.sub(r"\\(.)", r"\1", field) for field in re.findall(r"((?:\\.|[^:\\])*)(?::|$)", line)]
        if line.startswith("#") or len(fields) < 5:
            continue
        if all(field in ("*", value) for field, value in zip(fields, (host, port, name, user_name))):
            return fields[4]
    return None


def postgresql_tls(params):
    """`sslmode` and the files, with libpq's default files where they exist."""

    def file(option, default):
        value = params.get(option)
        if value is None:
            value = os.path.expanduser("~/.postgresql/" + default)
            return value if os.path.exists(value) else None
        return str(value) if value == "system" or not value else os.path.abspath(str(value))

    return {
        "mode": params.get("sslmode"),
        "root_certificate": file("sslrootcert", "root.crt"),
        "client_certificate": file("sslcert", "postgresql.crt"),
        "client_key": file("sslkey", "postgresql.key"),
    }


MYSQL_SOCKETS = (
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
)
MYSQL_KNOWN = set(
    "conv charset user passwd password db database host port unix_socket client_flag read_default_file "
    "read_default_group ssl ssl_mode ssl_ca ssl_cert ssl_key ssl_disabled ssl_verify_cert ssl_verify_identity "
    "connect_timeout read_timeout write_timeout use_unicode sql_mode init_command autocommit compress cursorclass "
    "isolation_level collation".split()
)


def mysql(connection, found):
    """`get_connection_params()`, completed by option files, as mysqlclient and PyMySQL read them."""
    params = dict(connection.get_connection_params())
    pure = getattr(mysql_driver(connection), "__name__", "").startswith("pymysql")
    file = mysql_options(params.get("read_default_file"), params.get("read_default_group"), pure)
    host = params.get("host") or file.get("host") or "localhost"
    # PyMySQL prefers a socket that is named anywhere; mysqlclient takes one for `localhost` alone.
    socket = params.get("unix_socket") or (file.get("socket") if pure else None)
    if socket is None and not pure and host == "localhost" and file.get("protocol", "socket").lower() != "tcp":
        sockets = [file.get("socket"), os.environ.get("MYSQL_UNIX_PORT"), *MYSQL_SOCKETS]
        socket = next((path for path in sockets if path and os.path.exists(path)), None)
    found.update(
        host=host,
        port=int(params.get("port") or file.get("port") or os.environ.get("MYSQL_TCP_PORT") or 3306),
        user=params.get("user") or file.get("user") or getpass.getuser(),
        password=params.get("password") or params.get("passwd") or file.get("password"),
        name=params.get("database") or params.get("db") or file.get("database"),
        charset=params.get("charset") or file.get("default_character_set"),
        unix_socket=socket,
        tls=mysql_tls(params, file, pure),
    )
    unsupported = found["unsupported"]
    unsupported += ["the connection option %s" % name for name in sorted(set(params) - MYSQL_KNOWN)]
    ssl = params.get("ssl")
    if ssl and not isinstance(ssl, (dict, bool)):
        unsupported.append("the connection option ssl is a %s" % path_of(ssl))
    elif isinstance(ssl, dict):
        known = {"ca", "cert", "key", "check_hostname", "verify_mode"}
        unsupported += ["the connection option ssl[%r]" % name for name in sorted(set(ssl) - known)]
    command = params.get("init_command") or ""
    if command and not re.fullmatch(
        r"(?i)\s*set\s+(session\s+)?(sql_mode|storage_engine|default_storage_engine|names)\b[^;]*;?\s*", command
    ):
        unsupported.append("the connection option init_command")


def mysql_driver(connection):
    return getattr(sys.modules.get(type(connection).__module__), "Database", None) or sys.modules.get("MySQLdb")


def mysql_options(path, group, pure):
    """The fitting groups of the option files; without either setting drivers read none."""
    if not path and not group:
        return {}
    paths = [path] if path else (["/etc/my.cnf"] if pure else ["/etc/my.cnf", "/etc/mysql/my.cnf", "~/.my.cnf"])
    groups = [group or "client"] if pure else ["client", "client-server", "client-mariadb"] + ([group] if group else [])
    found = {}
    for one in paths:
        for name, options in mysql_option_file(os.path.expanduser(str(one)), bool(path)):
            if name in groups:
                found.update(options)
    return found


def mysql_option_file(path, required):
    """`(group, options)` pairs of an option file and of those that it includes."""
    if not os.path.exists(path):
        if required:
            raise FileNotFoundError("MySQL's option file %s does not exist" % path)
        return []
    found, options = [], {}
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for line in map(str.strip, file):
            if line.startswith("[") and "]" in line:
                options = {}
                found.append((line[1 : line.index("]")], options))
            elif line.startswith("!includedir "):
                folder = line.split(None, 1)[1]
                for name in sorted(os.listdir(folder) if os.path.isdir(folder) else []):
                    if name.endswith(".cnf"):
                        found += mysql_option_file(os.path.join(folder, name), False)
            elif line.startswith("!include "):
                found += mysql_option_file(line.split(None, 1)[1], False)
            elif line and line[0] not in "#;!":
                name, _, value = line.partition("=")
                options[name.strip().replace("-", "_").lower()] = mysql_value(value.strip())
    return found


def mysql_value(text):
    """An option's value: quoted, or up to a comment."""
    if len(text) > 1 and text[0] in "'\"" and text.find(text[0], 1) > 0:
        return text[1 : text.index(text[0], 1)]
    return re.split(r"\s+#", text)[0].strip()


MYSQL_MODES = {
    "DISABLED": "disable",
    "PREFERRED": "prefer",
    "REQUIRED": "require",
    "VERIFY_CA": "verify-ca",
    "VERIFY_IDENTITY": "verify-full",
}


def mysql_tls(params, file, pure):
    """TLS in libpq's words."""
    ssl = params.get("ssl")
    ssl = ssl if isinstance(ssl, dict) else {}
    paths = {
        name: ssl.get(name) or params.get("ssl_" + name) or file.get("ssl_" + name) for name in ("ca", "cert", "key")
    }
    said = params.get("ssl_mode") or file.get("ssl_mode")
    if params.get("ssl_disabled"):
        mode = "disable"
    elif pure:
        mode = pymysql_mode(params, ssl, paths)
    elif said:
        mode = MYSQL_MODES.get(str(said).upper())
    elif paths["ca"]:
        mode = "verify-ca"
    else:
        mode = "require" if params.get("ssl") or paths["cert"] else None
    files = [path and os.path.abspath(os.path.expanduser(str(path))) for path in paths.values()]
    return dict(zip(("mode", "root_certificate", "client_certificate", "client_key"), [mode, *files]))


def pymysql_mode(params, ssl, paths):
    """What PyMySQL checks (pymysql/connections.py): with `ssl_*` arguments only what they ask for, with `ssl` or an
    option file whatever it has a CA for."""
    if any(params.get("ssl_" + name) for name in ("ca", "cert", "key", "verify_cert", "verify_identity")):
        if params.get("ssl_verify_identity"):
            return "verify-full"
        return "verify-ca" if params.get("ssl_verify_cert") else "require"
    if not params.get("ssl") and not any(paths.values()):
        return None
    if not paths["ca"] or str(ssl.get("verify_mode", True)).lower() in ("none", "false", "0"):
        return "require"
    return "verify-full" if ssl.get("check_hostname", True) else "verify-ca"


def sqlite(connection, found):
    """The file's absolute name; null for a database in memory."""
    name = str(connection.get_connection_params()["database"])
    query = {}
    if name.startswith("file:"):
        parts = urlsplit(name)
        query, name = parse_qs(parts.query), unquote(parts.path)
    memory = name in ("", ":memory:") or query.get("mode") == ["memory"]
    found["file"] = None if memory else os.path.abspath(name)
    command = (connection.settings_dict["OPTIONS"].get("init_command") or "").lower()
    if "attach" in command:
        found["unsupported"].append("the connection option init_command attaches another database")


