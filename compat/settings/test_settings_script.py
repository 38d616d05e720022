"""What `sluicegate settings --script` reads of Django projects, run as users run it: by the project's Python."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import django
import pytest
from support.sluicegate import binary

PROJECTS = Path(__file__).resolve().parent / "projects"
VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT")


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script in a file, as it is printed."""
    path = tmp_path_factory.mktemp("script") / "django_settings.py"
    path.write_bytes(subprocess.run([binary(), "settings", "--script"], stdout=subprocess.PIPE, check=True).stdout)
    return path


@pytest.fixture
def home(tmp_path):
    """An empty home folder: the tester's own password and option files are not to count."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def read(tmp_path, home, script):
    """Runs the script on a project; gives the document, with the process beside it."""

    def read(project, target=None, overlay=None, environment=None, arguments=(), code=0):
        answer = tmp_path / "django.json"
        variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
        variables.update(HOME=str(home), PYTHONDONTWRITEBYTECODE="1", **(environment or {}))
        if overlay is not None:
            path = tmp_path / "overlay.json"
            path.write_text(json.dumps(overlay))
            variables["OVERLAY"] = str(path)
        command = [sys.executable, str(script), *([target] if target else []), "--output", str(answer), *arguments]
        done = subprocess.run(
            command,
            cwd=str(PROJECTS / project),
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=50,
        )
        assert done.returncode == code, done.stderr.decode()
        document = json.loads(answer.read_text())
        document["process"] = done
        return document

    return read


@pytest.fixture
def item(read):
    """One item's value, of the plain project under an overlay."""

    def item(name, overlay=None, target="mysite.settings", **options):
        found = read("plain", target, overlay, **options)["items"][name]
        assert "error" not in found, found
        return found["value"]

    return item


# The document


def test_a_document_holds_every_item_and_nothing_failed(read):
    document = read("plain", "mysite.asgi:application")
    process = document.pop("process")
    assert {name: list(value) for name, value in document["items"].items()} == {
        name: ["value"]
        for name in (
            "core simple_jwt user database cache channel_layer ticket_views middleware security cors languages "
            "error_pages asgi"
        ).split()
    }
    assert (document["schema"], document["error"]) == (1, None)
    assert document["target"] == "mysite.asgi:application"
    assert document["settings_module"] == "mysite.settings"
    assert document["project_dir"] == str(PROJECTS / "plain")
    assert document["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert document["versions"]["django-channels-jwt"] == "0.0.3"
    assert (process.stdout, process.stderr) == (b"", b"")


def test_the_output_file_is_for_its_owner_alone(read, tmp_path):
    read("plain", "mysite.settings")
    assert stat.S_IMODE((tmp_path / "django.json").stat().st_mode) == 0o600


def test_the_script_can_be_piped_into_python_and_prints_nothing_but_the_document(home, script):
    done = subprocess.run(
        [sys.executable, "-", "mysite.settings"],
        input=script.read_bytes(),
        cwd=str(PROJECTS / "noisy"),
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=50,
    )
    document = json.loads(done.stdout)
    assert done.stdout.startswith(b'{"schema":')
    assert document["items"]["core"]["value"]["secret_key"] == "the-key-of-the-noisy-project"
    for printed in (b"settings of mysite.settings", b'{"schema": 99}', b"straight to the descriptor", b"from a child"):
        assert printed in done.stderr
    assert b"printed at the end" not in done.stderr


def test_the_document_goes_to_an_open_descriptor(home, script):
    reading, writing = os.pipe()
    done = subprocess.Popen(
        [sys.executable, str(script), "mysite.settings", "--output=fd:%d" % writing],
        cwd=str(PROJECTS / "noisy"),
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=[writing],
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        document = json.loads(pipe.read())
    assert done.communicate(timeout=50)[0] == b""
    assert document["items"]["core"]["value"]["secret_key"] == "the-key-of-the-noisy-project"


def test_unusable_arguments_end_with_2(home, script):
    command = [sys.executable, str(script), "--no-such-option"]
    assert subprocess.run(command, cwd=str(home), stderr=subprocess.DEVNULL).returncode == 2


# How projects start


def test_without_a_target_manage_py_says_the_settings_and_is_not_run(read):
    document = read("noisy")
    assert document["settings_module"] == "mysite.settings"
    assert document["items"]["core"]["value"]["secret_key"] == "the-key-of-the-noisy-project"


def test_without_a_target_the_environment_wins_over_manage_py(read):
    core = read("split", environment={"DJANGO_SETTINGS_MODULE": "config.settings.production"})["items"]["core"]
    assert core["value"]["secret_key"] == "the-key-of-production"


def test_an_asgi_module_chooses_its_own_settings(read):
    for target in ("config.asgi", "config.asgi:application"):
        document = read("split", target)
        assert document["settings_module"] == "config.settings.production"
        assert document["items"]["core"]["value"]["secret_key"] == "the-key-of-production"
    assert read("split")["settings_module"] == "config.settings.development"


def test_an_asgi_module_reads_the_dotenv_file_first(read):
    items = read("dotenv", "mysite.asgi:application")["items"]
    assert items["core"]["value"]["secret_key"] == "from-the-dotenv-file"
    assert items["cache"]["value"]["servers"] == [
        {
            "host": "cache.example",
            "port": 6380,
            "unix_socket": None,
            "tls": None,
            "username": None,
            "password": "cache-password",
            "db": 3,
        }
    ]


def test_a_missing_variable_is_the_documents_error_with_its_place(read):
    document = read("dotenv", "mysite.settings", code=1)
    assert document["items"] == {}
    assert document["error"] == {
        "exception": "ImproperlyConfigured",
        "message": "Set the APP_SECRET_KEY environment variable",
        "file": str(PROJECTS / "dotenv" / "mysite" / "settings.py"),
        "line": 6,
    }


@pytest.mark.parametrize("target", ["mysite.asgi", "mysite.settings", None])
def test_django_configurations_are_set_up(read, target):
    document = read("configured", target, environment={"SHOP_SECRET_KEY": "the-key-of-the-shop"})
    core = document["items"]["core"]["value"]
    assert (core["secret_key"], core["allowed_hosts"]) == ("the-key-of-the-shop", ["shop.example"])


def test_no_target_and_no_manage_py_is_said(read):
    assert read("dotenv", code=1)["error"] == {
        "exception": "LookupError",
        "message": "no settings: name the target, set DJANGO_SETTINGS_MODULE, or run this beside manage.py",
        "file": None,
        "line": None,
    }


def test_a_manage_py_that_chooses_is_said(read):
    assert read("choosing", code=1)["error"]["message"] == (
        "manage.py chooses among DJANGO_SETTINGS_MODULE=mysite.settings.local, "
        "DJANGO_SETTINGS_MODULE=mysite.settings.tests: name the target"
    )


def test_a_target_that_does_not_exist_is_said(read):
    error = read("plain", "mysite.nowhere:application", code=1)["error"]
    assert error["exception"] == "ModuleNotFoundError"
    assert error["message"] == "No module named 'mysite.nowhere'"


# What fails


FAILING = PROJECTS / "failing" / "mysite"


def test_an_item_that_fails_leaves_the_others_alone_and_keeps_its_secret(read):
    items = read("failing", "mysite.settings", environment={"CACHE_PASSWORD": "hunter2222"})["items"]
    assert items["core"]["value"]["secret_key"] == "the-key-of-the-failing-project"
    assert items["middleware"] == {"value": []}
    assert items["cache"]["error"] == {
        "exception": "ImproperlyConfigured",
        "message": "no entry $CACHE_PASSWORD at redis://***@cache.example",
        "file": str(FAILING / "caches.py"),
        "line": 9,
    }
    assert items["database"]["error"]["exception"] == "ImproperlyConfigured"
    assert "hunter2222" not in json.dumps(items)


@pytest.mark.parametrize(
    ("module", "error"),
    [
        ("broken_settings", ("ImproperlyConfigured", "bad token $API_TOKEN", 5)),
        ("exiting_settings", ("SystemExit", "set DATABASE first", 3)),
    ],
)
def test_settings_that_cannot_be_imported_are_told_with_file_and_line(read, module, error):
    document = read("failing", "mysite." + module, environment={"API_TOKEN": "0123456789abcdef"}, code=1)
    exception, message, line = error
    assert document["error"] == {
        "exception": exception,
        "message": message,
        "file": str(FAILING / (module + ".py")),
        "line": line,
    }


def test_keys_of_settings_that_cannot_be_imported_are_not_shown(read):
    error = read("failing", "mysite.telling_settings", code=1)["error"]
    assert error["exception"] == "RuntimeError"
    assert error["message"] == "no server for *** and ***, b'***' or ***"


def test_a_mistyped_settings_module_is_told_with_file_and_line(read):
    error = read("failing", "mysite.mistyped_settings", code=1)["error"]
    assert error["exception"] == "SyntaxError"
    assert error["file"] == str(FAILING / "mistyped_settings.py")
    assert error["line"] in (2, 3)  # Python 3.8 names the end of the file


def test_a_project_that_hangs_is_given_up_and_the_place_is_named(read):
    error = read("failing", "mysite.hanging_settings", arguments=["--timeout", "2"], code=1)["error"]
    assert error == {
        "exception": "TimeoutError",
        "message": "the project was not read within 2 s",
        "file": str(FAILING / "hanging_settings.py"),
        "line": 3,
    }


# core, security, middleware, cors, simple_jwt


def test_core_settings_are_handed_over(item):
    overlay = {"SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"], "APPEND_SLASH": False}
    assert item("core", overlay) == {
        "secret_key": "the-secret-key-of-the-plain-project",
        "debug": False,
        "append_slash": False,
        "use_tz": True,
        "time_zone": "UTC",
        "use_x_forwarded_host": False,
        "use_x_forwarded_port": False,
        "allowed_hosts": ["localhost", ".example.com"],
        "secure_proxy_ssl_header": ["HTTP_X_FORWARDED_PROTO", "https"],
    }


def test_security_settings_are_handed_over(item):
    overlay = {
        "SECURE_REFERRER_POLICY": ["no-referrer", "same-origin"],
        "SECURE_HSTS_SECONDS": 60,
        "SECURE_REDIRECT_EXEMPT": ["^healthz$"],
        "X_FRAME_OPTIONS": "sameorigin",
    }
    assert item("security", overlay) == {
        "content_type_nosniff": True,
        "cross_origin_opener_policy": "same-origin",
        "hsts_seconds": 60,
        "hsts_include_subdomains": False,
        "hsts_preload": False,
        "ssl_redirect": False,
        "ssl_host": None,
        "referrer_policy": "no-referrer,same-origin",
        "redirect_exempt": ["^healthz$"],
        "x_frame_options": "SAMEORIGIN",
    }


def test_middleware_is_known_by_its_class(item):
    paths = [
        "corsheaders.middleware.CorsMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.contrib.sites.middleware.CurrentSiteMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "mysite.middleware.Own",
    ]
    found = item("middleware", {"MIDDLEWARE": paths})
    assert found == [
        {"kind": kind, "path": path}
        for kind, path in zip(["cors", "locale", "transparent", "transparent", "other"], paths)
    ]


def test_cors_settings_are_those_of_django_cors_headers(item):
    overlay = {
        "MIDDLEWARE": ["corsheaders.middleware.CorsMiddleware"],
        "CORS_ALLOWED_ORIGINS": ["https://app.example"],
        "CORS_ALLOWED_ORIGIN_REGEXES": [r"^https://\w+\.example$"],
        "CORS_ALLOW_CREDENTIALS": True,
    }
    assert item("cors") is None
    assert item("cors", overlay) == {
        "allow_all_origins": False,
        "allowed_origins": ["https://app.example"],
        "allowed_origin_regexes": [r"^https://\w+\.example$"],
        "allow_credentials": True,
        "allow_headers": [
            "accept",
            "authorization",
            "content-type",
            "user-agent",
            "x-csrftoken",
            "x-requested-with",
        ],
        "allow_methods": ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"],
        "allow_private_network": False,
        "expose_headers": [],
        "preflight_max_age": 86400,
        "urls_regex": "^.*$",
        "unsupported": [],
    }


def simplejwt_is_older_than_5_5():
    from importlib.metadata import version

    return tuple(map(int, version("djangorestframework_simplejwt").split(".")[:2])) < (5, 5)


OLD_TEXTS = "this version of SimpleJWT answers 'Token is invalid or expired' where 5.5 distinguishes the two"


def test_simple_jwt_is_what_its_api_settings_say(item):
    overlay = {
        "SIMPLE_JWT": {
            "AUDIENCE": ["web", "app"],
            "ISSUER": "me",
            "LEEWAY": 3,
            "AUTH_HEADER_TYPES": "JWT",
            "SIGNING_KEY": "another-key",
            "AUTH_TOKEN_CLASSES": ["rest_framework_simplejwt.tokens.AccessToken", "mysite.tokens.ChatToken"],
        }
    }
    token = {"checks_blacklist": False}
    assert item("simple_jwt", overlay) == {
        "algorithm": "HS256",
        "signing_key": "another-key",
        "verifying_key": "",
        "audience": ["web", "app"],
        "issuer": "me",
        "jwk_url": None,
        "leeway": 3,
        "auth_header_types": ["JWT"],
        "auth_header_name": "HTTP_AUTHORIZATION",
        "user_id_field": "id",
        "user_id_claim": "user_id",
        "token_type_claim": "token_type",
        "jti_claim": "jti",
        "check_revoke_token": False,
        "revoke_token_claim": "hash_password",
        "check_user_is_active": True,
        "access_token_lifetime": 300.0,
        "auth_token_classes": [
            {
                "name": "AccessToken",
                "path": "rest_framework_simplejwt.tokens.AccessToken",
                "token_type": "access",
                "token_type_shown": "access",
                **token,
            },
            {
                "name": "ChatToken",
                "path": "mysite.tokens.ChatToken",
                "token_type": "chat",
                "token_type_shown": "chat",
                **token,
            },
        ],
        "unsupported": [OLD_TEXTS] if simplejwt_is_older_than_5_5() else [],
    }


def test_token_classes_that_check_the_blacklist_or_replace_methods_are_told(item):
    overlay = {
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "rest_framework_simplejwt.token_blacklist",
        ],
        "SIMPLE_JWT": {
            "AUTH_TOKEN_CLASSES": [
                "mysite.tokens.ChatSlidingToken",
                "rest_framework_simplejwt.tokens.UntypedToken",
                "mysite.tokens.CheckedToken",
            ]
        },
    }
    found = item("simple_jwt", overlay)
    assert [
        (one["token_type"], one["token_type_shown"], one["checks_blacklist"]) for one in found["auth_token_classes"]
    ] == [
        ("sliding", "sliding", True),
        (None, "untyped", False),
        ("access", "access", False),
    ]
    assert [one for one in found["unsupported"] if one != OLD_TEXTS] == [
        "mysite.tokens.CheckedToken overrides verify()"
    ]


# user


def statement(
    table, where, lookup, identity, columns=("id", "password", "email"), names=("id", "password", "username"), **changed
):
    selected = ", ".join('"%s"."%s"' % (table, column) for column in columns)
    return {
        "sql": 'SELECT %s FROM "%s" WHERE %s LIMIT 21' % (selected, table, where),
        "params": [{"sentinel": True}],
        "columns": list(names),
        "lookup": lookup,
        "id": identity,
        **changed,
    }


TEXT = {"kind": "text"}


@pytest.fixture
def integer():
    """What SQLite's Django says of an integer column: 64 bits since 5.0, unbounded before."""
    bounded = django.VERSION >= (5, 0)
    return {"kind": "integer", "min": -(2**63) if bounded else None, "max": 2**63 - 1 if bounded else None}


def test_the_stock_user_is_found_by_djangos_statements(item, integer):
    def expected(where, lookup):
        columns = ("id", "password", "username", "is_active")
        return statement("auth_user", '"auth_user".' + where, lookup, integer, columns, columns)

    found = item("user")
    everything = found.pop("all_fields")
    assert everything["statement"]["columns"] == (
        "id password last_login is_superuser username first_name last_name email is_staff is_active date_joined"
    ).split()
    assert everything["fields"]["first_name"] == {"kind": "text", "column": 5}
    assert everything["fields"]["is_staff"] == {"kind": "boolean", "column": 8}
    assert everything["fields"]["date_joined"] == {"kind": "datetime", "aware": True, "column": 10}
    assert found == {
        "model": "auth.User",
        "user_id_field": "id",
        "is_active": "column",
        "by_id": expected('"id" = %s', integer),
        "by_user_id_field": expected('"id" = %s', integer),
        "by_username": expected('"username" = %s', TEXT),
        "blacklist": None,
        "unsupported": [],
    }


@pytest.mark.parametrize(
    ("model", "kind"), [("UuidUser", {"kind": "uuid_hex"}), ("TextUser", TEXT), ("BigUser", None), ("SmallUser", None)]
)
def test_primary_keys_of_other_kinds(item, integer, model, kind):
    found = item("user", {"AUTH_USER_MODEL": "people." + model})
    assert found.pop("all_fields")["fields"]["email"]["kind"] == "text"
    kind = kind or integer
    table = "people_" + model.lower()
    names = {"columns": sorted_columns(found), "names": [shown(name) for name in sorted_columns(found)]}
    assert found == {
        "model": "people." + model,
        "user_id_field": "id",
        "is_active": "column" if model == "UuidUser" else True,
        "by_id": statement(table, '"%s"."id" = %%s' % table, kind, kind, **names),
        "by_user_id_field": statement(table, '"%s"."id" = %%s' % table, kind, kind, **names),
        "by_username": statement(table, '"%s"."email" = %%s' % table, TEXT, kind, **names),
        "blacklist": None,
        "unsupported": [],
    }


def sorted_columns(found):
    """The columns in the order of the model's fields, which differs with where `id` is declared."""
    return ["email" if name == "username" else name for name in found["by_id"]["columns"]]


def shown(name):
    return "username" if name == "email" else name


def test_user_id_field_may_be_another_field(item, integer):
    found = item("user", {"SIMPLE_JWT": {"USER_ID_FIELD": "username"}})
    assert found["by_user_id_field"] == found["by_username"]
    assert found["by_id"]["lookup"] == integer


def test_a_quoted_schema_stays_quoted(item, integer):
    overlay = {"AUTH_USER_MODEL": "people.QuotedUser"}
    table = 'core"."users'
    assert item("user", overlay)["by_id"] == statement(
        table, '"core"."users"."id" = %s', integer, integer, ("id", "password", "email")
    )


def test_a_filtering_manager_keeps_its_conditions_and_joins(item):
    compared = django.VERSION >= (6, 0)  # since then booleans are compared with a parameter
    user, company = '"people_presentuser"', '"people_company"'
    expected = (
        'SELECT {u}."id", {u}."password", {u}."email" FROM {u} INNER JOIN {c} ON ({u}."company_id" = {c}."id") '
        'WHERE ({c}."name" LIKE %s ESCAPE \'\\\' AND {deleted} AND {u}."id" = %s) LIMIT 21'
    ).format(u=user, c=company, deleted='%s."deleted" = %%s' % user if compared else 'NOT %s."deleted"' % user)
    found = item("user", {"AUTH_USER_MODEL": "people.PresentUser"})
    assert found["unsupported"] == []
    assert found["by_id"]["sql"] == expected
    deleted = [{"value": False}] if compared else []
    assert found["by_id"]["params"] == [{"value": "100\\%%"}, *deleted, {"sentinel": True}]


def test_a_parent_table_is_joined(item, integer):
    found = item("user", {"AUTH_USER_MODEL": "people.ChildUser"})
    assert found["unsupported"] == []
    assert found["by_id"] == {
        "sql": (
            'SELECT "people_parent"."id", "people_parent"."password", "people_parent"."username", '
            '"people_parent"."is_active", "people_childuser"."parent_ptr_id" FROM "people_childuser" INNER JOIN '
            '"people_parent" ON ("people_childuser"."parent_ptr_id" = "people_parent"."id") '
            'WHERE "people_childuser"."parent_ptr_id" = %s LIMIT 21'
        ),
        "params": [{"sentinel": True}],
        "columns": ["id", "password", "username", "is_active", "pk"],
        "lookup": integer,
        "id": integer,
    }


def test_conditions_that_the_database_evaluates_are_a_fixed_statement(item):
    found = item("user", {"AUTH_USER_MODEL": "people.DatabaseTimedUser"})
    assert found["unsupported"] == []
    assert "STRFTIME('%%Y-%%m-%%d" in found["by_id"]["sql"]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("TimedUser", "Django compiles another statement each time"),
        ("HiddenUser", "it finds no user, whatever the value"),
        ("LoweredUser", "the value is converted before it is compared (a parameter of type builtins.str)"),
    ],
)
def test_what_is_no_fixed_statement_is_refused_by_name(item, model, sentence):
    found = item("user", {"AUTH_USER_MODEL": "people." + model})
    assert found["by_id"] is None
    assert "User.objects.get(id=...): " + sentence in found["unsupported"]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("TenantUser", "people.models.OfTenant.get_queryset() reads tenant, which belongs to a request"),
        ("CurrentTenantUser", "people.models.OfCurrentTenant.current() reads local, which belongs to a request"),
    ],
)
def test_a_manager_that_reads_the_request_is_named(item, model, sentence):
    found = item("user", {"AUTH_USER_MODEL": "people." + model})
    assert found["unsupported"] == [sentence]
    assert [found[name] for name in ("by_id", "by_user_id_field", "by_username")] == [None, None, None]


def test_logins_are_found_as_the_manager_finds_them(item):
    found = item("user", {"AUTH_USER_MODEL": "people.FoldingUser"})
    assert found["by_username"]["sql"].endswith("""WHERE "people_foldinguser"."email" LIKE %s ESCAPE '\\' LIMIT 21""")


def test_a_computed_flag_and_a_missing_id_are_named(item):
    found = item("user", {"AUTH_USER_MODEL": "people.ComputedUser"})
    assert found["unsupported"] == ["people.ComputedUser.is_active is computed by Python code"]
    # The handshake does not read the flag, the ticket view does.
    assert (found["is_active"], found["by_id"] is None, found["by_user_id_field"]) == (None, False, None)
    found = item("user", {"AUTH_USER_MODEL": "people.KeyUser"})
    assert found["by_id"] is None
    assert "people.KeyUser has no field `id`, by which django-channels-jwt finds users" in found["unsupported"]


def test_the_blacklist_is_asked_as_simplejwt_asks(item):
    apps = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework_simplejwt.token_blacklist"]
    assert item("user", {"INSTALLED_APPS": apps})["blacklist"] == {
        "sql": (
            'SELECT %s AS "a" FROM "token_blacklist_blacklistedtoken" INNER JOIN "token_blacklist_outstandingtoken" ON '
            '("token_blacklist_blacklistedtoken"."token_id" = "token_blacklist_outstandingtoken"."id") WHERE '
            '"token_blacklist_outstandingtoken"."jti" = %s LIMIT 1'
        ),
        "params": [{"value": 1}, {"sentinel": True}],
        "columns": [],
        "lookup": TEXT,
        "id": TEXT,
    }


# database


def database(alias="default", **changed):
    names = "host port user password name options unix_socket charset file tls"
    return {
        "alias": alias,
        **{name: None for name in names.split()},
        "disable_server_side_cursors": False,
        "unsupported": [],
        **changed,
    }


SQLITE = {"engine": "django.db.backends.sqlite3", "vendor": "sqlite"}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("db.sqlite3", str(PROJECTS / "plain" / "db.sqlite3")),
        ("/srv/db.sqlite3", "/srv/db.sqlite3"),
        (":memory:", None),
        ("file:shared?mode=memory&cache=shared", None),
        ("file:/srv/a%20b.sqlite3?mode=ro", "/srv/a b.sqlite3"),
    ],
)
def test_sqlite_names_are_absolute(item, name, file):
    overlay = {"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": name}}}
    assert item("database", overlay) == database(**SQLITE, file=file)


def test_the_router_says_which_database_users_are_read_from(item):
    engine = {"ENGINE": "django.db.backends.sqlite3"}
    overlay = {
        "AUTH_USER_MODEL": "people.BigUser",
        "DATABASES": {"default": dict(engine, NAME="/srv/a"), "people": dict(engine, NAME="/srv/b")},
        "DATABASE_ROUTERS": ["mysite.routers.Replicas"],
    }
    assert item("database", overlay) == database("people", **SQLITE, file="/srv/b")
    overlay["DATABASE_ROUTERS"] = ["mysite.routers.Alternating"]
    assert item("database", overlay) == database(
        **SQLITE,
        file="/srv/a",
        unsupported=[
            "users are read from another database from call to call, as a router or manager chooses: default, people"
        ],
    )


def test_a_manager_may_choose_the_database_itself(item):
    engine = {"ENGINE": "django.db.backends.sqlite3"}
    overlay = {
        "AUTH_USER_MODEL": "people.ElsewhereUser",
        "DATABASES": {"default": dict(engine, NAME="/srv/a"), "people": dict(engine, NAME="/srv/b")},
    }
    assert item("database", overlay) == database("people", **SQLITE, file="/srv/b")


def test_a_blacklist_in_another_database_is_named(item):
    engine = {"ENGINE": "django.db.backends.sqlite3"}
    found = item(
        "user",
        {
            "INSTALLED_APPS": [
                "django.contrib.auth",
                "django.contrib.contenttypes",
                "people",
                "rest_framework_simplejwt.token_blacklist",
            ],
            "AUTH_USER_MODEL": "people.BigUser",
            "DATABASES": {"default": dict(engine, NAME="/srv/a"), "people": dict(engine, NAME="/srv/b")},
            "DATABASE_ROUTERS": ["mysite.routers.Replicas"],
        },
    )
    assert found["blacklist"] is None
    assert found["unsupported"] == ["the blacklist is in another database than the users: default"]


POSTGRESQL = {"engine": "django.db.backends.postgresql", "vendor": "postgresql"}


def postgresql(**settings):
    return {"DATABASES": {"default": dict({"ENGINE": "django.db.backends.postgresql"}, **settings)}}


def tls(mode=None, root=None, certificate=None, key=None):
    return {"mode": mode, "root_certificate": root, "client_certificate": certificate, "client_key": key}


def test_postgresql_settings_are_handed_over(item):
    overlay = postgresql(
        NAME="shop",
        USER="web",
        PASSWORD="pw",
        HOST="db.example",
        PORT="6432",
        DISABLE_SERVER_SIDE_CURSORS=True,
        OPTIONS={
            "sslmode": "verify-full",
            "sslrootcert": "/etc/ca.pem",
            "options": "-c search_path=core",
            "connect_timeout": 3,
        },
    )
    assert item("database", overlay) == database(
        **POSTGRESQL,
        host="db.example",
        port=6432,
        user="web",
        password="pw",
        name="shop",
        options="-c search_path=core",
        tls=tls("verify-full", "/etc/ca.pem"),
        disable_server_side_cursors=True,
    )


def test_a_postgresql_service_is_completed_from_its_file_variables_and_password_file(item, home):
    (home / "services").write_text("[other]\nhost=no\n[shop]\n# the shop\nhost=db.example\ndbname=shop\nuser=web\n")
    (home / ".pgpass").write_text("db.example:5433:other:web:no\ndb.example:*:shop:web:a\\:b\\\\c\n")
    (home / ".pgpass").chmod(0o600)
    (home / ".postgresql").mkdir()
    (home / ".postgresql" / "root.crt").write_text("")
    found = item(
        "database",
        postgresql(OPTIONS={"service": "shop"}),
        environment={
            "PGSERVICEFILE": str(home / "services"),
            "PGPORT": "5433",
            "PGUSER": "other",
            "PGSSLMODE": "require",
        },
    )
    assert found == database(
        **POSTGRESQL,
        host="db.example",
        port=5433,
        user="web",
        password="a:b\\c",
        name="shop",
        tls=tls("require", str(home / ".postgresql" / "root.crt")),
    )


def test_a_password_file_that_others_can_read_does_not_count(item, home):
    (home / ".pgpass").write_text("*:*:*:*:secret\n")
    (home / ".pgpass").chmod(0o644)
    assert item("database", postgresql(NAME="shop", HOST="db.example"))["password"] is None


def test_a_service_that_does_not_exist_is_an_error(read):
    found = read("plain", "mysite.settings", postgresql(OPTIONS={"service": "nowhere"}))["items"]["database"]
    assert found["error"]["message"] == "the PostgreSQL service 'nowhere' is in no service file"


def test_postgresql_options_that_cannot_be_matched_are_named(item):
    overlay = postgresql(
        NAME="a",
        HOST="one,two",
        USER="u",
        OPTIONS={"channel_binding": "require", "krbsrvname": "x", "sslkeylogfile": "y"},
    )
    assert item("database", overlay)["unsupported"] == [
        "several PostgreSQL hosts: one,two",
        "the connection option sslkeylogfile",
        "the connection option channel_binding=require",
    ]


def test_postgresql_integers_have_their_columns_range(item):
    found = item("user", dict(postgresql(NAME="shop", HOST="127.0.0.1"), AUTH_USER_MODEL="auth.User"))
    assert found["by_id"]["id"] == {"kind": "integer", "min": -(2**31), "max": 2**31 - 1}
    found = item("user", dict(postgresql(NAME="shop", HOST="127.0.0.1"), AUTH_USER_MODEL="people.UuidUser"))
    assert found["by_id"]["id"] == {"kind": "uuid"}
    assert found["unsupported"] == []


# What Django asks for by default.
CHARSET = "utf8mb4" if django.VERSION >= (5, 2) else "utf8"
MYSQL = {"engine": "django.db.backends.mysql", "vendor": "mysql"}


def mysql(**settings):
    return {"DATABASES": {"default": dict({"ENGINE": "django.db.backends.mysql"}, **settings)}}


@pytest.fixture
def needs_mysqlclient():
    pytest.importorskip("MySQLdb", reason="mysqlclient is not installed")


@pytest.mark.usefixtures("needs_mysqlclient")
def test_mysql_settings_are_handed_over(item):
    overlay = mysql(
        NAME="shop",
        USER="web",
        PASSWORD="pw",
        HOST="db.example",
        OPTIONS={
            "ssl_mode": "VERIFY_IDENTITY",
            "ssl": {"ca": "/etc/ca.pem"},
            "init_command": "SET sql_mode='STRICT_TRANS_TABLES'",
        },
    )
    assert item("database", overlay) == database(
        **MYSQL,
        host="db.example",
        port=3306,
        user="web",
        password="pw",
        name="shop",
        charset=CHARSET,
        tls=tls("verify-full", "/etc/ca.pem"),
    )


@pytest.mark.usefixtures("needs_mysqlclient")
def test_mysql_option_files_complete_what_the_settings_leave_out(item, home):
    (home / "more.cnf").write_text("[shop]\nport = 3307\n")
    (home / "my.cnf").write_text(
        '[client]\nuser = web\npassword = "p w#"  # quoted\nhost=db.example\ndatabase=no\n[mysqld]\nport=1\n'
        "[shop]\ndatabase = shop\nssl-ca = /etc/ca.pem\n!include %s\n" % (home / "more.cnf")
    )
    options = {"read_default_file": str(home / "my.cnf"), "read_default_group": "shop"}
    assert item("database", mysql(USER="given", OPTIONS=options)) == database(
        **MYSQL,
        host="db.example",
        port=3307,
        user="given",
        password="p w#",
        name="shop",
        charset=CHARSET,
        tls=tls("verify-ca", "/etc/ca.pem"),
    )


@pytest.mark.usefixtures("needs_mysqlclient")
def test_a_mysql_host_that_is_a_path_is_a_socket(item):
    found = item("database", mysql(NAME="shop", USER="web", HOST="/tmp/mysqld.sock"))
    assert (found["unix_socket"], found["host"]) == ("/tmp/mysqld.sock", "localhost")


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, None),
        ({"ssl": {"ca": "/etc/ca.pem"}}, "verify-full"),
        ({"ssl": {"ca": "/etc/ca.pem", "check_hostname": False}}, "verify-ca"),
        ({"ssl_ca": "/etc/ca.pem"}, "require"),
        ({"ssl_ca": "/etc/ca.pem", "ssl_verify_identity": True}, "verify-full"),
    ],
)
def test_pymysql_prefers_sockets_and_checks_what_it_says(read, home, options, mode):
    pytest.importorskip("pymysql", reason="PyMySQL is not installed")
    (home / "my.cnf").write_text("[client]\nuser=web\nsocket=/tmp/no.sock\n[mysqld]\nuser=no\n")
    options = dict(options, read_default_file=str(home / "my.cnf"))
    document = read("pymysql", "mysite.settings", environment={"MYSQL_OPTIONS": json.dumps(options)})
    assert document["items"]["database"]["value"] == database(
        **MYSQL,
        host="db.example",
        port=3306,
        user="web",
        password="pw",
        name="shop",
        charset=CHARSET,
        tls=tls(mode, "/etc/ca.pem" if mode else None),
        unix_socket="/tmp/no.sock",
    )


# cache


def cache(**changed):
    return {
        "backend": "django.core.cache.backends.redis.RedisCache",
        "kind": "redis",
        "key_prefix": "",
        "version": 1,
        "key_pattern": "{prefix}:{version}:{key}",
        "key_problem": None,
        "key_function": "django.core.cache.backends.base.default_key_func",
        "servers": [server()],
        "serializer": "pickle",
        "pickle_protocol": 5,
        "compressor": None,
        "client": "default",
        "ignore_exceptions": False,
        "sentinels": None,
        "service_name": None,
        "unsupported": [],
        **changed,
    }


def server(host="127.0.0.1", port=6379, **changed):
    return {
        "host": host,
        "port": port,
        "unix_socket": None,
        "tls": None,
        "username": None,
        "password": None,
        "db": 0,
        **changed,
    }


def caches(location="redis://127.0.0.1:6379", backend="django.core.cache.backends.redis.RedisCache", **settings):
    return {"CACHES": {"default": {"BACKEND": backend, "LOCATION": location, **settings}}}


def test_djangos_redis_cache(item):
    assert item("cache") == cache()


@pytest.mark.parametrize(
    ("location", "options", "expected"),
    [
        ("redis://user:p%40ss@a.example:6380/4", {}, server("a.example", 6380, username="user", password="p@ss", db=4)),
        ("redis://a.example", {"db": "5", "password": "pw"}, server("a.example", db=5, password="pw")),
        ("unix:///run/redis.sock?db=2", {}, server(None, None, unix_socket="/run/redis.sock", db=2)),
    ],
)
def test_servers_logins_and_databases(item, location, options, expected):
    assert item("cache", caches(location, OPTIONS=options)) == cache(servers=[expected])


@pytest.mark.parametrize(
    ("options", "any_certificate", "any_name"),
    [
        ({}, False, None),
        ({"ssl_cert_reqs": None}, True, True),
        ({"ssl_cert_reqs": "none"}, True, True),
        ({"ssl_check_hostname": True}, False, False),
    ],
)
def test_tls_of_redis(item, options, any_certificate, any_name):
    from importlib.metadata import version

    if any_name is None:  # redis-py checks names since 6.0
        any_name = int(version("redis").split(".")[0]) < 6
    found = item("cache", caches("rediss://a.example", OPTIONS=dict(options, ssl_ca_certs="/etc/ca.pem")))
    assert found["servers"][0]["tls"] == {
        "accept_any_certificate": any_certificate,
        "accept_any_name": any_name,
        "ca_file": "/etc/ca.pem",
        "certificate_file": None,
        "key_file": None,
    }


def test_several_locations_keep_their_order(item):
    servers = [server("a.example"), server("b.example")]
    for location in ("redis://a.example;redis://b.example", ["redis://a.example", "redis://b.example"]):
        assert item("cache", caches(location)) == cache(servers=servers)


DJANGO_REDIS = {"backend": "django_redis.cache.RedisCache", "kind": "django_redis"}


def test_django_redis(item):
    options = {
        "PASSWORD": "pw",
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
        "IGNORE_EXCEPTIONS": True,
    }
    found = item(
        "cache", caches("redis://a.example/1", "django_redis.cache.RedisCache", KEY_PREFIX="shop", OPTIONS=options)
    )
    assert found == cache(
        **DJANGO_REDIS,
        key_prefix="shop",
        servers=[server("a.example", db=1, password="pw")],
        serializer="json",
        compressor="zlib",
        pickle_protocol=None,
        ignore_exceptions=True,
    )


@pytest.mark.parametrize(("version", "protocol"), [(None, 4), (-1, 5), (2, 2)])
def test_django_redis_pickle_version(item, version, protocol):
    options = {} if version is None else {"PICKLE_VERSION": version}
    overlay = caches("redis://a.example", "django_redis.cache.RedisCache", OPTIONS=options)
    assert item("cache", overlay) == cache(**DJANGO_REDIS, servers=[server("a.example")], pickle_protocol=protocol)


def test_django_redis_sentinels(item):
    overlay = caches(
        "redis://primary/3",
        "django_redis.cache.RedisCache",
        OPTIONS={
            "CLIENT_CLASS": "django_redis.client.SentinelClient",
            "SENTINELS": [["s1.example", 26379], ["s2.example", 26380]],
            "SENTINEL_KWARGS": {"password": "of-the-sentinels"},
            "PASSWORD": "of-the-primary",
        },
    )
    overlay["DJANGO_REDIS_CONNECTION_FACTORY"] = "django_redis.pool.SentinelConnectionFactory"
    assert item("cache", overlay) == cache(
        **DJANGO_REDIS,
        servers=[server(None, None, password="of-the-primary", db=3)],
        pickle_protocol=4,
        client="sentinel",
        sentinels=[
            server("s1.example", 26379, password="of-the-sentinels"),
            server("s2.example", 26380, password="of-the-sentinels"),
        ],
        service_name="primary",
    )


@pytest.mark.parametrize(
    ("backend", "kind"),
    [
        ("django.core.cache.backends.locmem.LocMemCache", "locmem"),
        ("django.core.cache.backends.dummy.DummyCache", "dummy"),
        ("django.core.cache.backends.filebased.FileBasedCache", "file"),
    ],
)
def test_other_caches_are_known_by_their_class(item, backend, kind):
    assert item("cache", caches("/tmp/cache", backend)) == {
        "backend": backend,
        "kind": kind,
        "key_prefix": "",
        "version": 1,
        "key_pattern": "{prefix}:{version}:{key}",
        "key_problem": None,
        "key_function": "django.core.cache.backends.base.default_key_func",
        "unsupported": [],
    }


def test_the_database_cache(item):
    overlay = caches("tickets", "django.core.cache.backends.db.DatabaseCache", OPTIONS={"MAX_ENTRIES": 50})
    found = item("cache", overlay)
    assert found == {
        "backend": "django.core.cache.backends.db.DatabaseCache",
        "kind": "database",
        "key_prefix": "",
        "version": 1,
        "key_pattern": "{prefix}:{version}:{key}",
        "key_problem": None,
        "key_function": "django.core.cache.backends.base.default_key_func",
        "table": "tickets",
        "database": database(**SQLITE, file=str(PROJECTS / "plain" / "db.sqlite3")),
        "max_entries": 50,
        "cull_frequency": 3,
        "unsupported": [],
    }


@pytest.mark.parametrize(
    ("function", "pattern", "problem"),
    [
        ("short", "{prefix}/v{version}/{key}", None),
        ("joined", None, "no pattern of prefix, version and key comes out"),
        ("hashed", None, "no pattern of prefix, version and key comes out"),
        ("of_tenant", None, "it reads request"),
        ("counted", None, "it reads calls"),
    ],
)
def test_a_key_function_is_accepted_only_as_a_pattern(item, function, pattern, problem):
    found = item("cache", caches(KEY_FUNCTION="mysite.keys." + function))
    assert found == cache(key_function="mysite.keys." + function, key_pattern=pattern, key_problem=problem)


def test_a_key_function_that_cannot_take_a_ticket_is_told(item):
    found = item("cache", caches(KEY_FUNCTION="mysite.keys.lowered"))
    assert found["key_pattern"] is None
    assert found["key_problem"].startswith("it fails for a key of type UUID: AttributeError: ")


def test_a_version_may_be_text(item):
    assert item("cache", caches(VERSION="v2")) == cache(version="v2")


# channel_layer


SERVER = {
    "host": "localhost",
    "port": 6379,
    "unix_socket": None,
    "tls": None,
    "username": None,
    "password": None,
    "db": 0,
}


def layer(backend="channels_redis.core.RedisChannelLayer", **config):
    return {"CHANNEL_LAYERS": {"default": {"BACKEND": backend, "CONFIG": config}}}


def test_without_a_channel_layer_there_is_none(item):
    assert item("channel_layer") == {"backend": None, "kind": "none", "unsupported": []}


def test_the_channel_layer_in_memory_is_named(item):
    assert item("channel_layer", layer("channels.layers.InMemoryChannelLayer")) == {
        "backend": "channels.layers.InMemoryChannelLayer",
        "kind": "in_memory",
        "unsupported": [],
    }


def test_the_channel_layer_and_its_defaults(item):
    pytest.importorskip("channels_redis")
    assert item("channel_layer", layer()) == {
        "backend": "channels_redis.core.RedisChannelLayer",
        "kind": "redis",
        "servers": [SERVER],
        "prefix": "asgi",
        "expiry": 60,
        "group_expiry": 86400,
        "capacity": 100,
        "channel_capacity": [],
        "symmetric_encryption_keys": [],
        "serializer_format": "msgpack",
        "random_prefix_length": 12,
        "unsupported": [],
    }
    assert item("channel_layer", layer("channels_redis.pubsub.RedisPubSubChannelLayer")) == {
        "backend": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "kind": "redis_pubsub",
        "servers": [SERVER],
        "prefix": "asgi",
        "symmetric_encryption_keys": [],
        "serializer_format": "msgpack",
        "unsupported": [],
    }


def test_every_form_of_the_channel_layers_hosts(item):
    pytest.importorskip("channels_redis")
    hosts = [
        "redis://user:pw@one:1/2",
        ["two", 2],
        {"address": "rediss://three:3", "ssl_cert_reqs": None},
        {"host": "four", "port": 4, "db": 4, "password": "pw"},
        {"address": "unix:///run/redis.sock?db=5"},
        {
            "sentinels": [["s1", 26379], ["s2", 26380]],
            "master_name": "primary",
            "sentinel_kwargs": {"password": "sentinels"},
            "password": "pw",
            "db": 6,
        },
    ]
    found = item("channel_layer", layer(hosts=hosts))
    assert found["unsupported"] == []
    *plain, tls, sentinel = [found["servers"][index] for index in (0, 1, 3, 4, 2, 5)]
    assert plain == [
        dict(SERVER, host="one", port=1, username="user", password="pw", db=2),
        dict(SERVER, host="two", port=2),
        dict(SERVER, host="four", port=4, db=4, password="pw"),
        dict(SERVER, host=None, port=None, unix_socket="/run/redis.sock", db=5),
    ]
    assert (tls["host"], tls["port"], tls["tls"]["accept_any_certificate"]) == ("three", 3, True)
    asked = [dict(SERVER, host=host, port=port, password="sentinels") for host, port in (("s1", 26379), ("s2", 26380))]
    assert sentinel == dict(
        SERVER, host=None, port=None, password="pw", db=6, sentinels=asked, service_name="primary"
    )


def test_capacities_keys_and_formats_of_the_channel_layer(item):
    pytest.importorskip("channels_redis")
    config = {
        "prefix": "site",
        "capacity": 7,
        "expiry": 10,
        "group_expiry": 20,
        "channel_capacity": {"http.*": 2},
        "symmetric_encryption_keys": ["first", "second"],
        "serializer_format": "json",
        "random_prefix_length": 4,
    }
    found = item("channel_layer", layer(**config))
    assert found["channel_capacity"] == [{"glob": "http.*", "capacity": 2}]
    assert {name: found[name] for name in config if name != "channel_capacity"} == {
        name: value for name, value in config.items() if name != "channel_capacity"
    }


def test_what_json_cannot_hold_of_the_channel_layer(item):
    pytest.importorskip("channels_redis")
    found = item("channel_layer", target="mysite.settings_layer")
    assert found["kind"] == "redis"
    assert found["channel_capacity"] == [
        {"regex": "(?i)^websocket\\.send", "capacity": 3},
        {"glob": "*", "capacity": 4},
    ]
    assert found["symmetric_encryption_keys"] == ["as bytes"]
    assert (found["servers"][0]["host"], found["servers"][0]["port"]) == ("two", 2)
    assert found["unsupported"] == ["mysite.settings_layer.Layer overrides group_send()"]


# languages and pages


def test_texts_are_those_of_djangos_catalogs(item):
    found = item("languages")
    assert {name: found[name] for name in found if name != "texts"} == {
        "language_code": "en-us",
        "use_i18n": True,
        "cookie_name": "django_language",
        "languages": ["en", "de"],
    }
    assert (found["texts"]["en"], found["texts"]["en-us"]) == ({}, {})
    german = found["texts"]["de"]
    assert german["Authentication credentials were not provided."] == "Anmeldedaten fehlen."
    assert german['Method "{method}" not allowed.'] == 'Methode "{method}" nicht erlaubt.'
    assert "Token is expired" not in german


def test_simplejwts_texts_are_translated_where_it_is_installed(item):
    apps = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework_simplejwt"]
    german = item("languages", {"INSTALLED_APPS": apps, "LANGUAGE_CODE": "de"})["texts"]["de"]
    assert german["User not found"] == "Benutzer nicht gefunden"


def test_without_use_i18n_nothing_is_translated(item):
    assert item("languages", {"USE_I18N": False, "LANGUAGE_CODE": "de"})["texts"] == {}


NO_PAGES = {"400": None, "404": None, "500": None, "unsupported": []}


def test_djangos_own_pages_are_null(item):
    assert item("error_pages") == NO_PAGES


def test_a_page_of_the_project_is_handed_over(item):
    page = "<h1>Nothing here</h1>\n"
    assert item("error_pages", environment={"TEMPLATE_FOLDERS": "pages"}) == dict(NO_PAGES, **{"404": page})


def test_a_page_that_shows_the_request_is_named(item):
    assert item("error_pages", environment={"TEMPLATE_FOLDERS": "other_pages"}) == dict(
        NO_PAGES,
        **{"500": "<h1>Broken</h1>\n", "unsupported": ["the 404 page: it differs from request to request"]},
    )


def test_handlers_of_the_project_are_asked(item):
    assert item("error_pages", {"ROOT_URLCONF": "mysite.urls_pages"}) == dict(
        NO_PAGES,
        **{
            "400": "<p>bad</p>",
            "unsupported": [
                "the 404 page: it differs from request to request",
                "the 500 page: it reads the database",
            ],
        },
    )


# ticket_views


JWT = {
    "kind": "jwt",
    "path": "rest_framework_simplejwt.authentication.JWTAuthentication",
    "challenge": 'Bearer realm="api"',
}
PACKAGE_VIEW = {
    "view": "django_channels_jwt.views.AsgiValidateTokenView",
    "name": "Asgi Validate Token",
    "description": "get:\n    API view for retrieving ticket to connect to websocket .",
    "allowed_methods": "GET, HEAD, OPTIONS",
    "authentication": [JWT],
    "renderers": [
        {"kind": "json", "path": "rest_framework.renderers.JSONRenderer"},
        {"kind": "browsable", "path": "rest_framework.renderers.BrowsableAPIRenderer"},
    ],
    "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
    "throttles": [],
    "num_proxies": None,
    "format_parameter": "format",
    "compact_json": True,
    "unicode_json": True,
    "strict_json": True,
    "unsupported": [],
}


def view(path, pattern=None, **changed):
    return dict(PACKAGE_VIEW, path=path, pattern=pattern or r"^%s\Z" % re.escape(path[1:]), **changed)


def test_the_packages_own_route_is_found(item):
    path = "/api/auth/auth_for_ws_connection/"
    assert item("ticket_views") == [view(path)]


def test_settings_of_rest_framework_reach_the_view(item):
    overlay = {
        "REST_FRAMEWORK": {
            "DEFAULT_AUTHENTICATION_CLASSES": [
                "rest_framework.authentication.SessionAuthentication",
                "rest_framework.authentication.BasicAuthentication",
                "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication",
            ],
            "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
            "DEFAULT_THROTTLE_RATES": {"user": "10/hour"},
            "NUM_PROXIES": 2,
            "COMPACT_JSON": False,
            "URL_FORMAT_OVERRIDE": None,
            "EXCEPTION_HANDLER": "mysite.keys.short",
        }
    }
    rest = "rest_framework.authentication."
    expected = {
        "authentication": [
            {"kind": "session", "path": rest + "SessionAuthentication", "challenge": None},
            {"kind": "basic", "path": rest + "BasicAuthentication", "challenge": 'Basic realm="api"'},
            dict(JWT, kind="jwt_stateless", path=JWT["path"].replace("JWTAuth", "JWTStatelessUserAuth")),
        ],
        "throttles": [
            {
                "kind": "user",
                "path": "rest_framework.throttling.UserRateThrottle",
                "scope": "user",
                "requests": 10,
                "period": 3600,
            }
        ],
        "num_proxies": 2,
        "compact_json": False,
        "format_parameter": None,
        "unsupported": ["the exception handler mysite.keys.short"],
    }
    assert item("ticket_views", overlay) == [view("/api/auth/auth_for_ws_connection/", **expected)]


def test_settings_that_change_every_answer_are_named(item):
    overlay = {"PREPEND_WWW": True, "FORCE_SCRIPT_NAME": "/app"}
    reasons = ["the setting FORCE_SCRIPT_NAME", "the setting PREPEND_WWW"]
    assert item("ticket_views", overlay) == [view("/api/auth/auth_for_ws_connection/", unsupported=reasons)]


def wrapped_in(name):
    return {"unsupported": ["the view is wrapped in %s" % name]}


def test_wrapped_and_subclassed_views_are_found_where_they_are_mounted(item):
    found = item(
        "ticket_views",
        {
            "ROOT_URLCONF": "mysite.urls_views",
            "REST_FRAMEWORK": {
                "DEFAULT_AUTHENTICATION_CLASSES": [JWT["path"]],
                "DEFAULT_THROTTLE_RATES": {"tickets": "3/day"},
            },
        },
    )
    throttling = {
        "view": "mysite.views.TunedView",
        "name": "Tuned",
        "description": "Tickets for the chat.",
        "authentication": [
            {"kind": "jwt", "path": "mysite.views.RealmAuthentication", "challenge": 'Bearer realm="chat"'}
        ],
        "renderers": [{"kind": "json", "path": "rest_framework.renderers.JSONRenderer"}],
        "throttles": [
            {"kind": "user", "path": "mysite.views.BurstThrottle", "scope": "burst", "requests": 5, "period": 60},
            {
                "kind": "scoped",
                "path": "rest_framework.throttling.ScopedRateThrottle",
                "scope": "tickets",
                "requests": 3,
                "period": 86400,
            },
        ],
    }
    own_get = {
        "view": "mysite.views.OwnGetView",
        "name": "Own Get",
        "description": "",
        "authentication": [
            {"kind": "other", "path": "mysite.views.CookieAuthentication", "challenge": 'Bearer realm="api"'}
        ],
        "unsupported": [
            "mysite.views.OwnGetView overrides get()",
            "mysite.views.CookieAuthentication overrides get_header()",
        ],
    }
    expected = [
        view("/tuned/", **throttling),
        view("/own-get/", **own_get),
        view("/exempt/"),
        view("/cached/", **wrapped_in("django.middleware.cache.CacheMiddleware")),
        view("/never-cached/", **wrapped_in("django.views.decorators.cache.never_cache")),
        view("/zipped/", **wrapped_in("django.middleware.gzip.GZipMiddleware")),
        view("/audited/", **wrapped_in("mysite.views.audited")),
        view("/bare/", **wrapped_in("mysite.views.bare")),
        view("/v1/ticket/"),
        view(None, r"^v1/(?P<room>[-a-zA-Z0-9_]+)/ticket/\Z"),
        view(None, r"^any/(?P<version>v\d+)/ticket/\Z"),
        view(None, r"^any/(?P<version>v\d+)/(?P<room>[-a-zA-Z0-9_]+)/ticket/\Z"),
        view(None, r"^.*?open/ticket.*\Z"),
        view(None, r"^either/(?:first/|[|](second)/|(third|fourth)/)\Z"),
        view(None, r"^(?:this|.*?that)/ticket/\Z"),
        view("/twice/", unsupported=["another route answers /twice/ before: mysite.urls_views.<lambda>"]),
        view("/initkwargs/"),
    ]
    assert found == expected


def test_a_language_in_the_path_is_named(item):
    found = item("ticket_views", {"ROOT_URLCONF": "mysite.urls_i18n"})
    reason = "the route is inside i18n_patterns(): its path chooses the language"
    assert found == [view(None, r"^(?:en|de)/auth/auth_for_ws_connection/\Z", unsupported=[reason])]


# asgi


CHANNELS = ["channels.sessions.CookieMiddleware", "channels.sessions.SessionMiddleware", "channels.auth.AuthMiddleware"]
VALIDATOR = "channels.security.websocket.OriginValidator"
TICKET = "django_channels_jwt.middleware.JwtAuthMiddleware"
CHAT = {"path": "ws/chat/<str:room>/", "consumer": "mysite.consumers.Chat"}
ALL_HOSTS = {"kind": "allowed", "allowed": ["localhost", ".example.com"]}


def route(place, middleware, auth="ticket", overridden=()):
    own = [name for name in middleware if name == TICKET or (overridden and name == middleware[-1])]
    ticket = own[0] if auth == "ticket" else None
    return dict(place, middleware=middleware, auth=auth, ticket_middleware=ticket, overridden=list(overridden))


def test_consumers_their_middleware_and_the_allowed_origins_are_found(item):
    expected = {
        "routes": [
            route(CHAT, [VALIDATOR, TICKET, *CHANNELS]),
            route(
                {"regex": r"ws/room/(?P<room>\w+)/$", "consumer": "mysite.consumers.Room"},
                [VALIDATOR, TICKET, *CHANNELS],
            ),
        ],
        "origins": ALL_HOSTS,
        "unsupported": [],
    }
    for target in ("mysite.asgi:application", "mysite.asgi"):
        assert item("asgi", target=target) == expected
    assert item("asgi") is None
    assert item("asgi", {"ASGI_APPLICATION": "mysite.asgi.application"}) == expected


def test_prefixes_of_nested_routers_are_joined(item):
    found = item("asgi", target="mysite.asgi:unchecked")
    assert found == {
        "routes": [
            route(
                {
                    "path": "ws/chat/<int:pk>/",
                    "matches": r"\A(?>(?:ws/))(?>/*)(?>(?:chat/(?P<pk>[0-9]+)/\Z))",
                    "consumer": "mysite.consumers.Chat",
                },
                [TICKET],
            ),
            route(
                {
                    "regex": r"^live/(?P<room>\w+)/$",
                    "matches": r"\A(?>(?:live/))(?>/*)(?>(?:(?P<room>\w+)/$)\Z)",
                    "consumer": "mysite.consumers.Room",
                },
                [TICKET],
            ),
            route(
                {
                    "regex": r"^live/all/$",
                    "matches": r"\A(?>(?:live/))(?>/*)(?>(?:all/\Z))",
                    "consumer": "mysite.consumers.Room",
                },
                [TICKET],
            ),
        ],
        "origins": {"kind": "not_checked"},
        "unsupported": [],
    }


def test_nested_routers_match_what_channels_leads_through_them(read):
    """Each path goes to the first route whose pattern matches, the same as Channels chooses, or at least to one."""
    found = read("plain", "mysite.asgi_nested:application")["items"]["asgi"]["value"]
    patterns = [one.get("matches") or one["regex"] for one in found["routes"]]
    consumers = [one["consumer"] for one in found["routes"]]
    assert consumers == ["mysite.asgi_nested.Consumer%d" % n if n != 8 else None for n in range(len(consumers))]
    assert found["routes"][8]["auth"] == "ticket"
    assert len(found["unsupported"]) == 1 and "`(^hard|b)/`" in found["unsupported"][0], found["unsupported"]
    code = "import json, sys; from mysite import asgi_nested; print(json.dumps(asgi_nested.chosen()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=str(PROJECTS / "plain"), stdout=subprocess.PIPE, timeout=50)
    chosen = json.loads(done.stdout.decode())
    assert {number for _, number in chosen} >= set(range(len(patterns)))
    exact = sys.version_info >= (3, 11)
    for path, number in chosen:
        matching = [
            index
            for index, pattern in enumerate(patterns)
            if re.search(pattern if exact else pattern.replace("(?>", "(?:"), path.lstrip("/"))
        ]
        if number is not None:
            assert number in matching, (path, number, matching)
        if exact and matching and number != len(patterns) - 1:
            assert matching[0] == (len(patterns) - 1 if number is None else number), (path, number, matching)


def test_without_a_router_every_path_leads_to_the_consumer(item):
    place = {"path": "", "matches": "(?s:.*)", "consumer": "mysite.asgi_nested.Consumer0"}
    assert item("asgi", target="mysite.asgi_nested:bare")["routes"] == [route(place, [TICKET])]


def test_applications_are_found_through_the_projects_own_middleware(item):
    middleware = ["mysite.asgi.Logged", "mysite.asgi.in_closure.<locals>.middleware", "mysite.asgi.OwnMiddleware"]
    assert item("asgi", target="mysite.asgi:own") == {
        "routes": [route(CHAT, middleware, overridden=["auth"])],
        "origins": {"kind": "unknown"},
        "unsupported": [],
    }
    assert item("asgi", target="mysite.asgi:by_hand") == {
        "routes": [route(CHAT, ["mysite.asgi.by_hand", TICKET])],
        "origins": {"kind": "unknown"},
        "unsupported": [],
    }


def test_a_function_that_the_project_puts_in_place_of_the_packages_own_is_named(item):
    assert item("asgi", target="mysite.asgi_patched:application") == {
        "routes": [route(CHAT, [TICKET], overridden=["get_user"])],
        "origins": {"kind": "not_checked"},
        "unsupported": [],
    }


def test_a_validator_of_the_projects_own_is_unknown(item):
    assert item("asgi", target="mysite.asgi:lenient") == {
        "routes": [route(CHAT, ["mysite.asgi.Lenient", TICKET])],
        "origins": {"kind": "unknown"},
        "unsupported": [],
    }


def test_consumers_behind_sessions_need_no_ticket(item):
    assert item("asgi", target="mysite.asgi:sessions") == {
        "routes": [route(CHAT, [VALIDATOR, *CHANNELS], auth="none")],
        "origins": {"kind": "allowed", "allowed": ["https://example.com"]},
        "unsupported": [],
    }


def test_an_application_without_consumers_is_told(item):
    assert item("asgi", target="mysite.asgi:http") == {
        "routes": [],
        "origins": {"kind": "unknown"},
        "unsupported": ["no consumer was found in the ASGI application django.core.handlers.asgi.ASGIHandler"],
    }


def test_the_script_leaves_nothing_behind(read, tmp_path):
    project = tmp_path / "copy"
    shutil.copytree(str(PROJECTS / "plain"), str(project), ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted(path.relative_to(project) for path in project.rglob("*"))
    read(str(project), "mysite.asgi:application")
    assert sorted(path.relative_to(project) for path in project.rglob("*")) == before
