"""Reads a Django project and prints what sluicegate needs of it, as JSON (docs/django-json.md says what each key is).

    python django_settings.py [TARGET] [--output FILE|fd:N] [--timeout SECONDS] [--tickets REDEEM,ISSUE]
    python - TARGET < django_settings.py > django.json

TARGET is what uvicorn takes (`mysite.asgi:application`, `mysite.asgi`) or a settings module (`mysite.settings`);
without it DJANGO_SETTINGS_MODULE counts, else what `manage.py` sets. Run it in the project's folder, with the
project's Python (3.8 and later). The document holds the project's keys and passwords. With --tickets it holds nothing
but what came of redeeming one ticket and issuing another, for `sluicegate check`.
"""

import ast
import builtins
import contextlib
import functools
import getpass
import importlib
import importlib.util
import inspect
import json
import os
import re
import stat
import sys
import threading
import types
import uuid
from urllib.parse import parse_qs, unquote, urlsplit

SCHEMA = 1
# Less than the minute after which sluicegate kills the process: an answer that says where it hangs is better.
TIME_LIMIT = 58.0

# ---------------------------------------------------------------------------------------------------------------------
# Running: arguments, the descriptor of the answer, the time limit
# ---------------------------------------------------------------------------------------------------------------------


def main(arguments):
    """Reads the project that `arguments` name, writes the document, and ends the process whatever the project runs."""
    options = parse_arguments(arguments)
    answer = Answer(open_output(options["output"]), options["target"])
    watch = threading.Timer(options["timeout"], answer.out_of_time, [options["timeout"], threading.get_ident()])
    watch.daemon = True
    watch.start()
    try:
        settings_module, application = load_project(options["target"])
        answer.document["settings_module"] = settings_module
        project = Project(application)
        items = (("tickets", functools.partial(tickets, *options["tickets"].split(","))),) if options["tickets"] else ITEMS
        for name, item in items:
            answer.add(name, item, project)
    except BaseException as error:  # projects call sys.exit() while they are imported
        answer.document["error"] = described(error)
    answer.finish(1 if answer.document["error"] else 0)


def parse_arguments(arguments):
    options = {"target": None, "output": None, "timeout": TIME_LIMIT, "tickets": None}
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in ("--output", "--timeout", "--tickets"):
            value = value if equals else (words.pop(0) if words else "")
            options[name[2:]] = float(value) if name == "--timeout" else value
        elif word.startswith("-"):
            sys.stderr.write("unknown option %s\n" % name)
            os._exit(2)
        else:
            options["target"] = word
    return options


def open_output(output):
    """The descriptor for the document. Projects print while they are imported: what they print goes to stderr."""
    sys.stdout.flush()
    if output is None:
        descriptor = os.dup(1)
    elif output.startswith("fd:"):
        descriptor = int(output[3:])
    else:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.set_inheritable(descriptor, False)
    os.dup2(2, 1)
    return descriptor


class Answer:
    """The document, written once: by the main thread, or when time is up by the watch."""

    def __init__(self, descriptor, target):
        self.descriptor = descriptor
        self.once = threading.Lock()
        self.document = {
            "schema": SCHEMA,
            "target": target,
            "settings_module": None,
            "project_dir": os.getcwd(),
            "versions": versions(),
            "error": None,
            "items": {},
        }

    def add(self, name, item, project):
        """Reports one item; one that fails says why and leaves the others alone."""
        try:
            value = {"value": plain(item(project))}
            as_json(value)
        except (Exception, SystemExit) as error:
            value = {"error": described(error)}
        self.document["items"][name] = value

    def out_of_time(self, seconds, main_thread):
        place = frame_place(sys._current_frames().get(main_thread))
        self.document["error"] = {
            "exception": "TimeoutError",
            "message": "the project was not read within %g s" % seconds,
            "file": place[0],
            "line": place[1],
        }
        self.finish(1)

    def finish(self, code):
        """Writes the document and leaves at once: projects start threads that never end."""
        self.once.acquire()
        data = as_json(dict(self.document, items=dict(self.document["items"])), errors="replace") + b"\n"
        while data:
            data = data[os.write(self.descriptor, data) :]
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def as_json(value, errors="strict"):
    """UTF-8 that any JSON parser reads: no NaN, and no lone surrogates, which undecodable bytes become in Python."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", errors)


PACKAGES = (
    "django djangorestframework djangorestframework_simplejwt django-channels-jwt channels channels_redis "
    "django-redis redis PyJWT django-cors-headers psycopg psycopg2 mysqlclient PyMySQL daphne uvicorn"
).split()


def versions():
    """The installed versions of what matters; null for what is not installed."""
    from importlib import metadata

    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        found[package] = None
        for name in (package, package + "-binary"):
            with contextlib.suppress(metadata.PackageNotFoundError):
                found[package] = found[package] or metadata.version(name)
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Errors: where in the project, and without secrets
# ---------------------------------------------------------------------------------------------------------------------

# Variables whose values are no secrets but stand in many messages (paths, names of modules).
PUBLIC_VARIABLES = re.compile(
    r"PATH|HOME|PWD|OLDPWD|LANG|LANGUAGE|SHELL|TERM|USER|LOGNAME|HOSTNAME|EDITOR|PAGER|TMPDIR|_|LC_.*|PYTHON(?!.*KEY).*"
    r"|VIRTUAL_ENV.*|CONDA_.*|PYENV_.*|XDG_.*|DJANGO_SETTINGS_MODULE|DJANGO_CONFIGURATION"
)


def described(error):
    """An exception as the document carries it: class, message without secrets, innermost place in the project."""
    name = type(error).__name__
    file, line = traceback_place(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno
    message = masked(message_of(error), secrets_around(error))
    return {"exception": name, "message": message[:2000], "file": file, "line": line}


def message_of(error):
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def sentence_of(error):
    """An exception in one line, for a list of what is unsupported."""
    said = described(error)
    place = " (%s, line %s)" % (said["file"], said["line"]) if said["file"] else ""
    return "%s: %s%s" % (said["exception"], said["message"], place)


def traceback_place(trace):
    """File and line of the innermost frame that belongs to the project, else of the innermost one."""
    best = (None, None)
    inside = False
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        ours = is_project_file(file)
        if not is_own_file(file) and (ours or not inside):
            best = (file, trace.tb_lineno)
        inside = inside or ours
        trace = trace.tb_next
    return best


def frame_place(frame):
    first = (None, None)
    while frame is not None:
        file = frame.f_code.co_filename
        if is_project_file(file):
            return (file, frame.f_lineno)
        if first[0] is None and not is_own_file(file):
            first = (file, frame.f_lineno)
        frame = frame.f_back
    return first


def is_own_file(file):
    return file == main.__code__.co_filename or file.startswith("<frozen ")


def is_project_file(file):
    """Whether `file` is the project's: below its folder, but no installed package."""
    if is_own_file(file) or file.startswith("<"):
        return False
    path = os.path.abspath(file)
    installed = [
        os.path.abspath(sys.prefix) + os.sep,
        os.sep + "site-packages" + os.sep,
        os.sep + "dist-packages" + os.sep,
    ]
    folder = os.path.join(PROJECT_DIR, "")
    return path.startswith(folder) and not any(part in path for part in installed if part != folder)


def masked(text, secrets=()):
    """`text` with each environment variable's value as `$NAME`, and without `secrets` and the project's passwords."""
    values = [
        (value, "$" + name)
        for name, value in os.environ.items()
        if len(value) >= 6 and not PUBLIC_VARIABLES.fullmatch(name)
    ]
    values += [(value, "***") for value in [*settings_secrets(), *secrets] if len(value) >= 6]
    for value, name in sorted(values, key=lambda pair: (-len(pair[0]), pair[1])):
        text = text.replace(value, name)
    return re.sub(r"(\w+://)[^/\s@]*@", r"\1***@", text)


def settings_secrets():
    """The keys and passwords of the settings, as far as they could be read."""
    found = []
    with contextlib.suppress(Exception):
        from django.conf import settings

        if settings.configured:
            found.append(getattr(settings, "SECRET_KEY", None))
            found.append((getattr(settings, "SIMPLE_JWT", None) or {}).get("SIGNING_KEY"))
            found += [database.get("PASSWORD") for database in settings.DATABASES.values()]
            for cache in settings.CACHES.values():
                found.append((cache.get("OPTIONS") or {}).get("PASSWORD"))
                found.append((cache.get("OPTIONS") or {}).get("password"))
    return [value for value in found if isinstance(value, str) and value]


# Settings such as SIMPLE_JWT["TOKEN_OBTAIN_SERIALIZER"] are names that a message needs.
SECRET_NAMES = re.compile(
    r"(?i)(?!.*(SERIALIZER|CLASS|MODEL|BACKEND|VALIDATOR|HASHER|HANDLER|MODULE|CLAIM|HEADER|_TYPES?$|_NAME$))"
    r"(.*(SECRET|PASSW|PASSPHRASE|TOKEN|CREDENTIAL|APIKEY|_KEY$)|KEY$)"
)


def secrets_around(error):
    """What looks like a key or password by its name, in the project's modules and in the frames that `error` left:
    where the settings could not be imported, there is nothing else to ask."""
    found, seen = set(), set()
    with contextlib.suppress(Exception):
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            trace = error.__traceback__
            while trace is not None:
                if is_project_file(trace.tb_frame.f_code.co_filename):
                    collect_secrets(trace.tb_frame.f_globals, found, seen)
                    collect_secrets(trace.tb_frame.f_locals, found, seen)
                trace = trace.tb_next
            error = error.__cause__ or error.__context__
    for module in list(sys.modules.values()):
        with contextlib.suppress(Exception):
            if is_project_file(module.__file__):
                collect_secrets(vars(module), found, seen)
    return sorted(found)


def collect_secrets(names, found, seen, depth=0):
    """Adds the texts in `names`, and in the dictionaries and lists within, that have the name of a secret."""
    for name, value in list(names.items()):
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if type(value) is str and isinstance(name, str) and SECRET_NAMES.match(name):
            found.update((value, repr(value)[1:-1]))
        elif depth < 6 and type(value) in (dict, list, tuple) and len(value) < 1000 and id(value) not in seen:
            seen.add(id(value))
            inner = value if type(value) is dict else dict(enumerate(value))
            collect_secrets(inner, found, seen, depth + 1)


# ---------------------------------------------------------------------------------------------------------------------
# The project: found, imported, set up
# ---------------------------------------------------------------------------------------------------------------------

PROJECT_DIR = os.path.abspath(os.getcwd())


class Project:
    """What the items read: Django, set up, and the ASGI application where one is known."""

    def __init__(self, application):
        self.application = application


def load_project(target):
    """Imports what `target` names as production does: the settings module, and the ASGI application if there is one."""
    if not getattr(sys.flags, "safe_path", False) and sys.path:
        del sys.path[0]  # this script's folder
    sys.path.insert(0, PROJECT_DIR)
    if target is None:
        if not os.environ.get("DJANGO_SETTINGS_MODULE"):
            os.environ.update(manage_py_defaults())
        target = os.environ["DJANGO_SETTINGS_MODULE"]
    sys.argv = ["uvicorn", target]  # projects look at the words that started them
    application = import_target(target)
    set_up()
    from django.conf import settings

    return os.environ.get("DJANGO_SETTINGS_MODULE") or getattr(settings, "SETTINGS_MODULE", None), application


def manage_py_defaults():
    """The `DJANGO_*` variables that `manage.py` sets."""
    if not os.path.exists(os.path.join(PROJECT_DIR, "manage.py")):
        raise LookupError("no settings: name the target, set DJANGO_SETTINGS_MODULE, or run this beside manage.py")
    found = manage_py_variables()
    if "DJANGO_SETTINGS_MODULE" not in found:
        raise LookupError("manage.py does not say DJANGO_SETTINGS_MODULE in plain text: name the target")
    return {name: value for name, value in found.items() if name not in os.environ}


def manage_py_variables():
    """What `manage.py` writes into the environment, read without running it."""
    path = os.path.join(PROJECT_DIR, "manage.py")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read(), path)
    pairs = sorted({pair for pair in map(environment_write, ast.walk(tree)) if pair and pair[0].startswith("DJANGO_")})
    found = dict(pairs)
    if len(found) < len(pairs):
        choices = ", ".join("%s=%s" % pair for pair in pairs)
        raise LookupError("manage.py chooses among %s: name the target" % choices)
    return found


def environment_write(node):
    """`os.environ.setdefault("A", "b")` or `os.environ["A"] = "b"` as `("A", "b")`."""

    def is_environ(part):
        return (isinstance(part, ast.Attribute) and part.attr == "environ") or (
            isinstance(part, ast.Name) and part.id == "environ"
        )

    def words(*parts):
        parts = [part.value if type(part).__name__ == "Index" else part for part in parts]  # Python 3.8
        texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        return tuple(texts) if len(texts) == 2 else None

    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setdefault":
        return words(*node.args) if is_environ(node.func.value) else None
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        target = node.targets[0]
        return words(target.slice, node.value) if is_environ(target.value) else None
    return None


def import_target(target):
    """Imports `module:attribute` or `module`. A settings module becomes DJANGO_SETTINGS_MODULE and gives no app."""
    name, colon, attribute = target.partition(":")
    if colon:
        return functools.reduce(getattr, (attribute or "application").split("."), importlib.import_module(name))
    if looks_like_settings(name):
        os.environ["DJANGO_SETTINGS_MODULE"] = name
        return None
    module = importlib.import_module(name)
    application = getattr(module, "application", None)
    if application is None:
        # A module of neither kind by its name: Django's settings are in capitals.
        os.environ["DJANGO_SETTINGS_MODULE"] = name
    return application


def looks_like_settings(name):
    """Whether a module is settings by its name (`mysite.settings.production`), so that it is not imported first."""
    words = name.split(".")
    return "settings" in words or words[-1].endswith("settings") or os.environ.get("DJANGO_SETTINGS_MODULE") == name


def set_up():
    """`django.setup()` where the target has not done it; through django-configurations where the project uses it."""
    import django
    from django.apps import apps

    if apps.ready:
        return
    if not os.environ.get("DJANGO_CONFIGURATION"):
        said = {}
        with contextlib.suppress(LookupError, SyntaxError):
            said = manage_py_variables()
        if said.get("DJANGO_SETTINGS_MODULE") == os.environ.get("DJANGO_SETTINGS_MODULE"):
            os.environ.update({name: said[name] for name in ("DJANGO_CONFIGURATION",) if name in said})
    if os.environ.get("DJANGO_CONFIGURATION"):
        importlib.import_module("configurations").setup()
    else:
        django.setup()


# ---------------------------------------------------------------------------------------------------------------------
# Plain values
# ---------------------------------------------------------------------------------------------------------------------


def plain(value):
    """`value` as JSON can hold it: lazy texts, paths, tuples, sets, time spans."""
    from django.utils.functional import Promise

    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (str, Promise, os.PathLike, uuid.UUID)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8")
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(part) for part in value)
    if hasattr(value, "total_seconds"):
        return value.total_seconds()
    if isinstance(value, type):
        return path_of(value)
    raise TypeError("a value of type %s cannot be handed over" % path_of(type(value)))


def path_of(thing):
    """The dotted path of a class, a function, or of an instance's class."""
    if not hasattr(thing, "__qualname__"):
        thing = type(thing)
    return "%s.%s" % (getattr(thing, "__module__", None), thing.__qualname__)


def one_or_many(value):
    """Null, a text, or a list of texts, as PyJWT distinguishes them."""
    return value if value is None or isinstance(value, str) else [str(part) for part in value]


def dotted(path):
    """What a dotted path names, or None where its package is not installed."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def overridden(cls, base, declared=()):
    """The methods of `base` that classes between `cls` and `base` replace, apart from `declared` attributes."""
    names = []
    for between in cls.__mro__:
        if between is base or between in base.__mro__:
            continue
        for name, value in vars(between).items():
            if name in declared or name in names or not hasattr(base, name) or name in CLASS_ATTRIBUTES:
                continue
            if value is not vars(base).get(name, NOTHING) and not is_documentation(value, getattr(base, name)):
                names.append(name)
    return sorted(names)


def is_documentation(method, original):
    """Whether a method is the original in a wrapper of drf-spectacular, which describes it for OpenAPI."""
    wrapper = getattr(method, "__globals__", {}).get("__name__", "")
    return wrapper.startswith("drf_spectacular.") and inspect.unwrap(method) is inspect.unwrap(original)


NOTHING = object()
CLASS_ATTRIBUTES = {
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__parameters__",
    "__orig_bases__", "__firstlineno__", "__static_attributes__", "__annotate__", "__annotate_func__",
    "__annotations_cache__", "__abstractmethods__", "_abc_impl", "__slots__", "__hash__", "__init_subclass__",
    "__repr__", "__str__",
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# core, security, cors, middleware
# ---------------------------------------------------------------------------------------------------------------------


def core(project):
    from django.conf import settings

    names = "secret_key debug append_slash use_tz time_zone use_x_forwarded_host use_x_forwarded_port".split()
    found = {name: getattr(settings, name.upper()) for name in names}
    found["allowed_hosts"] = list(settings.ALLOWED_HOSTS)
    found["secure_proxy_ssl_header"] = settings.SECURE_PROXY_SSL_HEADER and list(settings.SECURE_PROXY_SSL_HEADER)
    return found


def security(project):
    """`SECURE_*` as SecurityMiddleware (django/middleware/security.py) writes them."""
    from django.conf import settings

    names = "content_type_nosniff cross_origin_opener_policy hsts_seconds hsts_include_subdomains hsts_preload".split()
    found = {name: getattr(settings, "SECURE_" + name.upper()) for name in names + ["ssl_redirect", "ssl_host"]}
    policy = settings.SECURE_REFERRER_POLICY
    if policy:
        policy = ",".join([part.strip() for part in policy.split(",")] if isinstance(policy, str) else policy)
    found["referrer_policy"] = policy or None
    found["redirect_exempt"] = [regex_text(pattern) for pattern in settings.SECURE_REDIRECT_EXEMPT]
    found["x_frame_options"] = (getattr(settings, "X_FRAME_OPTIONS", None) or "DENY").upper()
    return found


def regex_text(pattern):
    """A regular expression as text; flags of a compiled one lead it."""
    if not hasattr(pattern, "pattern"):
        return str(pattern)
    letters = [letter for letter, flag in (("i", re.I), ("m", re.M), ("s", re.S), ("x", re.X)) if pattern.flags & flag]
    return ("(?%s)" % "".join(letters) if letters else "") + pattern.pattern


def cors(project):
    """corsheaders.conf's own view of `CORS_*`; null where its middleware is not used."""
    if not any(one["kind"] == "cors" for one in middleware(project)):
        return None
    from corsheaders.conf import conf
    from corsheaders.signals import check_request_enabled

    found = {"unsupported": []}
    for name in "allow_all_origins allow_credentials allow_private_network preflight_max_age".split():
        found[name] = getattr(conf, "CORS_" + name.upper(), False)
    found["preflight_max_age"] = int(found["preflight_max_age"])
    for name in "allowed_origins allow_headers allow_methods expose_headers".split():
        found[name] = [str(word) for word in getattr(conf, "CORS_" + name.upper())]
    found["allowed_origin_regexes"] = [regex_text(pattern) for pattern in conf.CORS_ALLOWED_ORIGIN_REGEXES]
    found["urls_regex"] = regex_text(conf.CORS_URLS_REGEX)
    if check_request_enabled.has_listeners():
        found["unsupported"].append("corsheaders' signal check_request_enabled has receivers, which are Python code")
    return found


MIDDLEWARE = {
    "corsheaders.middleware.CorsMiddleware": "cors",
    "django.middleware.security.SecurityMiddleware": "security",
    "django.contrib.sessions.middleware.SessionMiddleware": "session",
    "django.middleware.common.CommonMiddleware": "common",
    "django.middleware.csrf.CsrfViewMiddleware": "csrf",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "authentication",
    "django.contrib.messages.middleware.MessageMiddleware": "messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware": "x_frame_options",
    "django.middleware.locale.LocaleMiddleware": "locale",
    "django.middleware.gzip.GZipMiddleware": "gzip",
    "django.middleware.http.ConditionalGetMiddleware": "conditional_get",
}
# Known to leave the ticket view's answers alone: they act on other paths, other answers, or only look.
TRANSPARENT = {
    "django.middleware.common.BrokenLinkEmailsMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.sites.middleware.CurrentSiteMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "axes.middleware.AxesMiddleware",
}


def middleware(project):
    from django.conf import settings

    return [{"kind": middleware_kind(path), "path": path} for path in settings.MIDDLEWARE]


def middleware_kind(path):
    from django.conf import settings

    if path == "django.middleware.csp.ContentSecurityPolicyMiddleware":
        policies = (getattr(settings, "SECURE_CSP", None), getattr(settings, "SECURE_CSP_REPORT_ONLY", None))
        return "other" if any(policies) else "transparent"
    found = dotted(path)
    known = path_of(found) if isinstance(found, type) else path
    return MIDDLEWARE.get(known) or ("transparent" if known in TRANSPARENT else "other")


# ---------------------------------------------------------------------------------------------------------------------
# simple_jwt
# ---------------------------------------------------------------------------------------------------------------------


def simple_jwt(project):
    """SimpleJWT's `api_settings`, as far as checking an access token reads them."""
    from rest_framework_simplejwt import exceptions
    from rest_framework_simplejwt.settings import api_settings

    unsupported = []
    found = {"unsupported": unsupported}
    for name in (
        "algorithm jwk_url auth_header_name user_id_field user_id_claim token_type_claim jti_claim "
        "check_revoke_token revoke_token_claim check_user_is_active access_token_lifetime"
    ).split():
        found[name] = getattr(api_settings, name.upper(), SIMPLE_JWT_SINCE.get(name))
    # A private key signs only, and stays where it is.
    symmetric = str(api_settings.ALGORITHM).startswith("HS")
    found["signing_key"] = key_text(api_settings.SIGNING_KEY, "signing_key", unsupported) if symmetric else None
    found["verifying_key"] = key_text(api_settings.VERIFYING_KEY, "verifying_key", unsupported)
    for name in ("audience", "issuer"):
        found[name] = one_or_many(getattr(api_settings, name.upper()))
    leeway = api_settings.LEEWAY or 0
    found["leeway"] = leeway.total_seconds() if hasattr(leeway, "total_seconds") else leeway
    types_ = api_settings.AUTH_HEADER_TYPES
    found["auth_header_types"] = list(types_) if isinstance(types_, (list, tuple)) else [types_]
    found["auth_token_classes"] = [token_class(cls, unsupported) for cls in api_settings.AUTH_TOKEN_CLASSES]
    if not hasattr(exceptions, "ExpiredTokenError"):
        unsupported.append(
            "this version of SimpleJWT answers 'Token is invalid or expired' where 5.5 distinguishes the two"
        )
    return found


# Settings that older versions do not have, with what those versions do.
SIMPLE_JWT_SINCE = {"check_revoke_token": False, "revoke_token_claim": "hash_password", "check_user_is_active": True}


def key_text(key, name, unsupported):
    if key is None or isinstance(key, (str, bytes)):
        return plain(key)
    with contextlib.suppress(TypeError):
        return plain(key)
    unsupported.append("SIMPLE_JWT's %s is an object of type %s, not text" % (name.upper(), path_of(type(key))))
    return None


def token_class(cls, unsupported):
    from django.apps import apps
    from rest_framework_simplejwt import tokens

    own = [tokens.AccessToken, tokens.RefreshToken, tokens.SlidingToken, tokens.UntypedToken, tokens.Token]
    base = next((known for known in own if issubclass(cls, known)), None)
    if base is None:
        unsupported.append("%s is no token class of SimpleJWT" % path_of(cls))
    else:
        declared = {"token_type", "lifetime", "no_copy_claims", "access_token_class"}
        replaced = overridden(cls, base, declared | {"for_user", "set_exp", "set_iat", "set_jti", "outstand"})
        blacklisting = [] if base in (tokens.RefreshToken, tokens.SlidingToken) else ["check_blacklist", "verify"]
        if issubclass(cls, tokens.BlacklistMixin):
            replaced = [name for name in replaced if name not in blacklisting or not from_mixin(cls, name)]
        unsupported.extend("%s overrides %s()" % (path_of(cls), name) for name in replaced)
    untyped = getattr(cls, "verify_token_type", None) is tokens.UntypedToken.verify_token_type
    token_type = getattr(cls, "token_type", None)
    installed = apps.is_installed("rest_framework_simplejwt.token_blacklist")
    return {
        "name": cls.__name__,
        "path": path_of(cls),
        "token_type": None if untyped else token_type,
        "token_type_shown": str(token_type),
        "checks_blacklist": installed and issubclass(cls, tokens.BlacklistMixin),
    }


def from_mixin(cls, name):
    from rest_framework_simplejwt.tokens import BlacklistMixin

    owner = next((part for part in cls.__mro__ if name in vars(part)), None)
    return owner is BlacklistMixin


# ---------------------------------------------------------------------------------------------------------------------
# Whether a function's answer depends on more than its arguments
# ---------------------------------------------------------------------------------------------------------------------

# What every function may look at: it is the same for the life of the process, and has no clock and no randomness.
STEADY_MODULES = {"hashlib", "re", "base64", "binascii", "zlib", "string", "urllib.parse", "unicodedata", "functools"}
STEADY_BUILTINS = {name for name in dir(builtins)} - {"open", "input", "id", "object", "globals", "vars", "hash"}


def state_read_by(function, strict, seen=None):
    """Names of what `function` reads besides its arguments, that may differ from call to call.

    `strict` names everything that is not known to stay the same; otherwise only what belongs to a request: thread
    locals, context variables, and the like, in the function and in those of the project that it calls.
    """
    seen = set() if seen is None else seen
    function = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(function, "__code__", None)
    if code is None or code in seen or len(seen) > 200:
        return []
    seen.add(code)
    found = []
    for name, value in names_in(function, strict):
        if is_per_request(value) or (strict and not is_steady(value)):
            found.append(name)
        elif isinstance(value, types.FunctionType) and not is_library(value):
            found += state_read_by(value, strict, seen)
    return found


def names_in(function, strict=False):
    """What a function's code, and the code inside it, refers to by name: globals, closure cells, imports that it
    makes, and (unless `strict`, where modules themselves are judged) what it takes from the project's modules."""
    codes, names, pairs = [function.__code__], set(), []
    for part in codes:
        names.update(part.co_names)
        codes += [constant for constant in part.co_consts if isinstance(constant, types.CodeType)]
        pairs += imports_of(part, function.__globals__.get("__package__"))
    pairs += [(name, function.__globals__[name]) for name in sorted(names) if name in function.__globals__]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        with contextlib.suppress(ValueError):
            pairs.append((name, cell.cell_contents))
    for _, module in list(pairs):
        if (
            not strict
            and isinstance(module, types.ModuleType)
            and is_project_file(getattr(module, "__file__", None) or "<")
        ):
            pairs += [(name, vars(module)[name]) for name in sorted(names) if name in vars(module)]
    return pairs


def imports_of(code, package):
    """What import statements inside a function bring in; the module itself where it cannot be told."""
    import dis

    found, module = [], None
    constants = []
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            level = constants[-2] if len(constants) > 1 and isinstance(constants[-2], int) else 0
            with contextlib.suppress(Exception):
                name = importlib.util.resolve_name("." * level + step.argval, package) if level else step.argval
                module = importlib.import_module(name)
                found.append((step.argval, module))
        elif step.opname == "IMPORT_FROM":
            found.append((step.argval, getattr(module, step.argval, NOTHING)))
        elif step.opname.startswith("LOAD_"):
            constants.append(step.argval)
    return found


def is_per_request(value):
    import contextvars

    name = path_of(type(value))
    return isinstance(value, (threading.local, contextvars.ContextVar)) or name in (
        "asgiref.local.Local",
        "django.utils.connection.ConnectionProxy",
    )


def is_steady(value):
    if value is None or isinstance(value, (bool, int, float, str, bytes, re.Pattern)):
        return True
    if isinstance(value, (tuple, frozenset)):
        return all(is_steady(part) for part in value)
    if isinstance(value, types.ModuleType):
        return value.__name__ in STEADY_MODULES
    if isinstance(value, types.FunctionType):
        return True  # read in turn, or a library's
    if path_of(type(value)) == "django.conf.LazySettings":
        return True
    module = getattr(value, "__module__", None) or ""
    if isinstance(value, type):
        return module in STEADY_MODULES or module == "builtins"
    return isinstance(value, types.BuiltinFunctionType) and (
        module in STEADY_MODULES | {"_hashlib", "_md5", "_sha1", "_sha2", "_blake2"}
        or (module == "builtins" and value.__name__ in STEADY_BUILTINS)
    )


def is_library(function):
    """Whether a function comes with Python or an installed package."""
    return not is_project_file(function.__code__.co_filename)


# ---------------------------------------------------------------------------------------------------------------------
# user: Django's own statements
# ---------------------------------------------------------------------------------------------------------------------


class Captured(BaseException):
    """Carries a query out of Django before it reaches a database; no project catches it by `except Exception`."""

    def __init__(self, query, using):
        super().__init__()
        self.query = query
        self.using = using


class Refused(Exception):
    """A query that is not one fixed statement; the text says why."""


@contextlib.contextmanager
def captured_queries():
    """Within, the first query that Django would send raises `Captured` instead."""
    from django.db.models.sql.compiler import SQLCompiler

    original = SQLCompiler.execute_sql

    def execute_sql(self, *args, **kwargs):
        raise Captured(self.query, self.using)

    SQLCompiler.execute_sql = execute_sql
    try:
        yield
    finally:
        SQLCompiler.execute_sql = original


def capture(call):
    """The query that `call` would send first, and its database's alias."""
    with captured_queries():
        try:
            call()
        except Captured as caught:
            return caught.query, caught.using
    raise Refused("it is answered without a query")


def user(project):
    """The statements behind `User.objects.get(...)`, as SimpleJWT and django-channels-jwt call it."""
    from django.apps import apps
    from django.contrib.auth import get_user_model

    model = get_user_model()
    unsupported = []
    wanted = wanted_columns(model, unsupported)
    field_name = user_id_field()
    found = {"model": model._meta.label, "user_id_field": field_name, "unsupported": unsupported}
    found["is_active"] = active_flag(model, unsupported)
    for key, name in (("by_id", "id"), ("by_user_id_field", field_name)):
        lookup = Lookup(model, name, wanted, lambda value, name=name: model.objects.get(**{name: value}))
        found[key] = attempt(lookup, "User.objects.get(%s=...)" % name, unsupported)
    found["all_fields"] = all_fields(model, wanted) if found["by_id"] else None
    name = model.USERNAME_FIELD
    lookup = Lookup(model, name, wanted, lambda value: model._default_manager.get_by_natural_key(value))
    found["by_username"] = attempt(lookup, "get_by_natural_key(...)", unsupported)
    found["blacklist"] = None
    if apps.is_installed("rest_framework_simplejwt.token_blacklist"):
        from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

        lookup = Lookup(
            OutstandingToken, "jti", None, lambda value: BlacklistedToken.objects.filter(token__jti=value).exists()
        )
        found["blacklist"] = attempt(lookup, "the query of the blacklist", unsupported)
        if found["blacklist"] and lookup.connection().alias != (read_alias(model) or lookup.connection().alias):
            found["blacklist"] = None
            unsupported.append("the blacklist is in another database than the users: %s" % lookup.connection().alias)
    reads = manager_reads(model)
    unsupported += reads
    for key in unanswerable(model, field_name, bool(reads)):
        found[key] = None
    return found


def unanswerable(model, field_name, per_request):
    """The statements whose answer would be wrong without Python, although each is one fixed text."""
    if per_request:
        return ("by_id", "by_user_id_field", "by_username")
    fields = {
        name: concrete_field(model, name) for name in ("id", "password", "is_active", field_name, model.USERNAME_FIELD)
    }
    converting = {name for name, field in fields.items() if field is not None and changes_values(field)}
    found = set()
    if "id" in converting:
        found.update(("by_id", "by_user_id_field", "by_username"))
    if model.USERNAME_FIELD in converting:
        found.add("by_username")
    # What a ticket is issued by: the handshake reads neither the password nor the flag.
    if converting & {field_name, "password", "is_active"} or not isinstance(active_flag(model, []), (str, bool)):
        found.add("by_user_id_field")
    return found


def user_id_field():
    try:
        from rest_framework_simplejwt.settings import api_settings
    except ImportError:
        return "id"
    return api_settings.USER_ID_FIELD


def attempt(lookup, name, unsupported):
    """The lookup's statement, or null and a sentence why there is none."""
    try:
        return lookup.statement()
    except Refused as error:
        unsupported.append("%s: %s" % (name, error))
    except Exception as error:
        unsupported.append("%s: %s" % (name, sentence_of(error)))
    return None


def wanted_columns(model, unsupported):
    """Model attribute -> the name in `columns`: what a ticket, a handshake and a login read."""
    wanted = {}
    for name, shown in (
        ("id", "id"),
        ("password", "password"),
        ("is_active", "is_active"),
        (model.USERNAME_FIELD, "username"),
    ):
        field = concrete_field(model, name)
        if field is None:
            if name == "id":
                unsupported.append("%s has no field `id`, by which django-channels-jwt finds users" % model._meta.label)
            continue
        if changes_values(field):
            unsupported.append(
                "%s.%s is a %s, which converts values itself" % (model._meta.label, name, path_of(field))
            )
        wanted.setdefault(field.name, shown)
    return wanted


def all_fields(model, wanted):
    """The statement that finds a ticket's user with every column that can be read here, and the kinds of these."""
    lookup = Lookup(model, "id", dict(wanted), lambda value: model.objects.get(id=value))
    connection = lookup.connection()
    found = {}
    for field in model._meta.concrete_fields:
        found[field.attname] = value_kind(field, connection)
        if "unsupported" not in found[field.attname]:
            # Not under a name that another column has here.
            other = field.attname in ("id", "password", "is_active", "username")
            lookup.wanted.setdefault(field.name, field.attname + "*" * other)
    statement = attempt(lookup, "", [])
    if statement is None:
        return None
    for field in model._meta.concrete_fields:
        if "unsupported" not in found[field.attname]:
            found[field.attname]["column"] = statement["columns"].index(lookup.wanted[field.name])
    return {"statement": statement, "fields": found}


VALUE_KINDS = {
    "UUIDField": "uuid",
    "BooleanField": "boolean",
    "NullBooleanField": "boolean",
    "FloatField": "float",
    "DecimalField": "decimal",
    "DateTimeField": "datetime",
    "DateField": "date",
    "JSONField": "json",
}
TEXT_FIELDS = (
    "CharField", "TextField", "SlugField", "EmailField", "URLField", "CITextField", "CICharField", "CIEmailField",
    "FileField", "FilePathField",
)  # fmt: skip


def value_kind(field, connection):
    """How a column's values are read and shown; by the class's path where they are not."""
    from django.conf import settings

    own, field = field, value_field(field)
    name = field.get_internal_type()
    kind = VALUE_KINDS.get(name)
    if name in TEXT_FIELDS:
        kind = "text"
    elif name.endswith(("IntegerField", "AutoField")):
        kind = "integer"
    elif name == "GenericIPAddressField" and connection.vendor != "postgresql":
        kind = "text"
    local = name == "DateTimeField" and settings.USE_TZ and connection.vendor != "postgresql"
    if (
        kind is None
        or changes_values(own)
        or changes_values(field)
        or (kind == "json" and field.decoder is not None)
        or (local and connection.timezone_name != "UTC")
    ):
        return {"unsupported": path_of(type(own))}
    found = {"kind": kind}
    if kind == "decimal":
        found["places"] = field.decimal_places
    if kind == "datetime":
        found["aware"] = bool(settings.USE_TZ)
    return found


def concrete_field(model, name):
    from django.core.exceptions import FieldDoesNotExist

    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if getattr(field, "concrete", False) else None


def changes_values(field):
    """Whether a class outside of Django converts this field's values on their way."""
    methods = "from_db_value get_prep_value get_db_prep_value to_python get_lookup get_prep_lookup db_type rel_db_type"
    for cls in type(field).__mro__:
        if not cls.__module__.startswith("django.") and any(name in vars(cls) for name in methods.split()):
            return True
    return False


def active_flag(model, unsupported):
    """`"column"`, or the class attribute that all users share (AbstractBaseUser has `is_active = True`)."""
    field = concrete_field(model, "is_active")
    if field is not None:
        if field.get_internal_type() not in ("BooleanField", "NullBooleanField"):
            unsupported.append("%s.is_active is a %s" % (model._meta.label, path_of(field)))
        return "column"
    value = inspect.getattr_static(model, "is_active", None)
    if isinstance(value, (bool, int, type(None))):
        return bool(value)
    unsupported.append("%s.is_active is computed by Python code" % model._meta.label)
    return None


LOOKUP_METHODS = ("get_queryset", "get", "filter", "all", "get_by_natural_key", "_chain", "_clone", "__init__")


def manager_reads(model):
    """Names per-request state that the project's managers read: then no statement is the same for every request."""
    found = set()
    for manager in {type(model.objects), type(model._default_manager)}:
        for cls in (manager, getattr(manager, "_queryset_class", manager)):
            for function in methods_reached(cls, LOOKUP_METHODS):
                for state in state_read_by(function, strict=False):
                    found.add("%s() reads %s, which belongs to a request" % (path_of(function), state))
    return sorted(found)


def methods_reached(cls, names):
    """The methods of the project's classes that these methods are or call on themselves."""
    found, names = [], list(names)
    for name in names:
        for part in cls.__mro__:
            function = inspect.unwrap(getattr(vars(part).get(name), "fget", vars(part).get(name)) or NOTHING)
            if isinstance(function, types.FunctionType) and is_project_file(function.__code__.co_filename):
                found.append(function)
                names += [called for called in function.__code__.co_names if called not in names]
    return found


class Lookup:
    """One way to look up a user by a value, compiled by Django with values that can be recognised."""

    def __init__(self, model, name, wanted, call):
        self.model = model
        self.wanted = wanted
        self.call = call
        self.field = model._meta.pk if name == "pk" else concrete_field(model, name)
        self.name = name

    def statement(self):
        """SQL, parameters with the value's places marked, and the kinds of what goes in and comes out."""
        if self.field is None:
            raise Refused("%s has no field `%s`" % (self.model._meta.label, self.name))
        connection = self.connection()
        kind = field_kind(self.field, connection)
        one, other = sentinels(kind)
        first, second, third = self.compiled(one), self.compiled(one), self.compiled(other)
        if first != second:
            raise Refused("Django compiles another statement each time")
        if first[0] != third[0] or len(first[1]) != len(third[1]):
            raise Refused("the statement's text depends on the value")
        params = [self.param(*pair, one, other) for pair in zip(first[1], third[1])]
        if {"sentinel": True} not in params:
            raise Refused("the statement does not hold the value")
        identity = concrete_field(self.model, "id") if self.wanted else None
        return {
            "sql": first[0],
            "params": params,
            "columns": first[2],
            "lookup": kind,
            "id": field_kind(identity, connection) if identity is not None else kind,
        }

    def connection(self):
        from django.db import connections

        return connections[capture(lambda: self.call(sentinels(plain_kind(self.field))[0]))[1]]

    def compiled(self, value):
        """SQL, parameters and columns of the query for `value`."""
        query, using = capture(lambda: self.call(value))
        if self.wanted is not None:
            query = narrowed(query, self.wanted)
        compiler = query.get_compiler(using)
        try:
            sql, params = compiler.as_sql()
        except Exception as error:
            if type(error).__name__ == "EmptyResultSet":
                raise Refused("it finds no user, whatever the value") from error
            raise
        columns = [] if self.wanted is None else selected(compiler, self.wanted)
        return sql, tuple(params), columns

    def param(self, value, with_other, one, other):
        """One parameter: the sentinel's place, or a plain value."""
        if value != with_other or type(value) is not type(with_other):
            if is_form_of(value, one) and is_form_of(with_other, other):
                return {"sentinel": True}
            raise Refused(
                "the value is converted before it is compared (a parameter of type %s)" % path_of(type(value))
            )
        if value is None or isinstance(value, (bool, str)):
            return {"value": None if value is None else (value if isinstance(value, bool) else str(value))}
        if isinstance(value, int) and abs(value) < 2**63:
            return {"value": int(value)}
        raise Refused("it has a parameter of type %s, which is not handed over" % path_of(type(value)))


def sentinels(kind):
    """Two values that are told apart in a list of parameters, also after lower-casing or formatting."""
    if kind["kind"] == "integer":
        high = kind["max"] is None or kind["max"] >= 1987654321
        return (1987654321, 1876543219) if high else (31987, 30871)
    if kind["kind"] in ("uuid", "uuid_hex"):
        return uuid.UUID("5e9711e1-0000-4000-8000-0000000000a1"), uuid.UUID("5e9711e1-0000-4000-8000-0000000000b2")
    return "SentinelOne9bQ", "SentinelTwo7xZ"


def is_form_of(value, sentinel):
    if isinstance(sentinel, uuid.UUID):
        return value == sentinel or value == sentinel.hex
    return value == sentinel and isinstance(value, type(sentinel))


def plain_kind(field):
    """The field's kind as far as it is known without a database."""
    name = value_field(field).get_internal_type()
    if name == "UUIDField":
        return {"kind": "uuid"}
    return {"kind": "integer", "max": 0} if name.endswith(("IntegerField", "AutoField")) else {"kind": "text"}


def field_kind(field, connection):
    """How values of `field` look in `connection`'s database."""
    if field is None:
        raise Refused("the user model has no field `id`")
    field = value_field(field)
    name = field.get_internal_type()
    if name.endswith(("IntegerField", "AutoField")):
        low, high = connection.ops.integer_field_range(name)
        return {"kind": "integer", "min": low, "max": high}
    if name == "UUIDField":
        return {"kind": "uuid" if connection.features.has_native_uuid_field else "uuid_hex"}
    if name in ("CharField", "TextField", "SlugField", "EmailField", "CITextField", "CICharField", "CIEmailField"):
        return {"kind": "text"}
    raise Refused("%s is a %s" % (field, path_of(field)))


def value_field(field):
    """The field whose values a key to another model holds (a parent's primary key)."""
    while field.is_relation:
        field = field.target_field
    return field


def narrowed(query, wanted):
    """`query` that selects the wanted columns alone; what is found, and in which order, stays."""
    if query.combinator:
        raise Refused("it is a union")
    if query.group_by is not None:
        raise Refused("it is grouped")
    if isinstance(query.select_related, dict) or query.select_related:
        check_dropped_joins(query)
    query = query.clone()
    query.select_related = False
    query.clear_deferred_loading()
    query.add_immediate_loading(list(wanted))
    query.set_annotation_mask(())
    query.set_extra_mask(())
    return query


def check_dropped_joins(query):
    """select_related() adds joins that find the same rows only while the database holds each key's target."""

    def check(model, names):
        for name, below in names.items():
            field = next((field for field in model._meta.get_fields() if field.name == name), None)
            if (
                field is not None
                and getattr(field, "many_to_one", False)
                and not field.db_constraint
                and not field.null
            ):
                raise Refused("select_related(%r) joins by a key without a constraint" % name)
            if field is not None and field.related_model:
                check(field.related_model, below)

    if isinstance(query.select_related, dict):
        check(query.model, query.select_related)


def selected(compiler, wanted):
    """The wanted names of the columns that `compiler` selects, in order."""
    names = []
    for expression, _, _ in compiler.select:
        field = getattr(expression, "target", None)
        shown = wanted.get(getattr(field, "name", None))
        # A child's key to its parent (`user_ptr`) holds the parent's `id`.
        if shown is None and getattr(field, "remote_field", None) is not None and field.primary_key:
            shown = "pk"
        names.append(shown or getattr(field, "attname", "?"))
    if "id" not in names:
        raise Refused("it does not select `id`")
    return names


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


# ---------------------------------------------------------------------------------------------------------------------
# languages
# ---------------------------------------------------------------------------------------------------------------------

# Every text that the ticket view may answer with: rest_framework/exceptions.py and authentication.py, then
# rest_framework_simplejwt's tokens.py, backends.py, authentication.py, exceptions.py.
TEXTS = (
    "A server error occurred.",
    "Malformed request.",
    "Incorrect authentication credentials.",
    "Authentication credentials were not provided.",
    "You do not have permission to perform this action.",
    "Not found.",
    'Method "{method}" not allowed.',
    "Could not satisfy the request Accept header.",
    'Unsupported media type "{media_type}" in request.',
    "Request was throttled.",
    "Expected available in {wait} second.",
    "Expected available in {wait} seconds.",
    "Invalid basic header. No credentials provided.",
    "Invalid basic header. Credentials string should not contain spaces.",
    "Invalid basic header. Credentials not correctly base64 encoded.",
    "Invalid username/password.",
    "User inactive or deleted.",
    "CSRF Failed: {reason}",
    "Authorization header must contain two space-delimited values",
    "Given token not valid for any token type",
    "Token contained no recognizable user identification",
    "User not found",
    "User is inactive",
    "The user's password has been changed.",
    "Cannot create token with no type or lifetime",
    "Token is invalid",
    "Token is expired",
    "Token is invalid or expired",
    "Token has no id",
    "Token has no type",
    "Token has wrong type",
    "Token has no '{}' claim",
    "Token '{}' claim has expired",
    "Token is blacklisted",
    "Invalid algorithm specified",
)


def languages(project):
    """What LocaleMiddleware chooses among, and the texts in each language, from Django's own catalogs."""
    from django.conf import settings
    from django.utils import translation

    codes = [code for code, _ in settings.LANGUAGES]
    texts = {}
    for code in dict.fromkeys([settings.LANGUAGE_CODE, *codes]) if settings.USE_I18N else ():
        with translation.override(code):
            translated = {text: translation.gettext(text) for text in TEXTS}
        texts[code] = {text: said for text, said in translated.items() if said != text}
    return {
        "language_code": settings.LANGUAGE_CODE,
        "use_i18n": settings.USE_I18N,
        "cookie_name": settings.LANGUAGE_COOKIE_NAME,
        "languages": codes,
        "texts": texts,
    }


# ---------------------------------------------------------------------------------------------------------------------
# ticket_views: the URL resolver, then the view
# ---------------------------------------------------------------------------------------------------------------------


def ticket_views(project):
    """Every route that ends in `AsgiValidateTokenView` or a subclass."""
    from django.urls import get_resolver
    from django_channels_jwt.views import AsgiValidateTokenView

    found = []
    for patterns, callback, arguments in url_routes(get_resolver(), ()):
        chain = view_chain(callback)
        cls = next((cls for cls in map(view_class, chain) if cls is not None), None)
        if cls is not None and issubclass(cls, AsgiValidateTokenView):
            found.append(ticket_view(patterns, callback, chain, cls, arguments))
    return found


def url_routes(resolver, before):
    """`(patterns, callback, extra arguments)` of each route below `resolver`, in the order in which they are tried."""
    for entry in resolver.url_patterns:
        patterns = (*before, entry.pattern)
        if hasattr(entry, "url_patterns"):
            yield from url_routes(entry, patterns)
        else:
            yield patterns, entry.callback, entry.default_args


def view_class(function):
    """The class that `as_view()` left on the function that it made."""
    cls = getattr(function, "cls", None) or getattr(function, "view_class", None)
    return cls if isinstance(cls, type) else None


def view_chain(callback):
    """The callback and what it wraps, outermost first: `__wrapped__`, partials, closures, attributes."""
    chain, queue, seen = [], [callback], set()
    while queue and len(seen) < 100:
        function = queue.pop(0)
        if id(function) in seen or not callable(function):
            continue
        seen.add(id(function))
        chain.append(function)
        if is_as_view(function):
            break
        queue = wrapped_by(function) or queue
    return chain


def cells_of(function):
    """What a function's closure holds."""
    found = []
    for cell in getattr(function, "__closure__", None) or ():
        with contextlib.suppress(ValueError):
            found.append(cell.cell_contents)
    return found


def wrapped_by(function):
    """What a wrapper calls, as far as it can be seen."""
    if getattr(function, "__wrapped__", None) is not None:
        return [function.__wrapped__]
    if isinstance(function, functools.partial):
        return [function.func, *function.args]
    found = cells_of(function)
    if not isinstance(function, (types.FunctionType, type)):
        found += list(getattr(function, "__dict__", {}).values())
    return [value for value in found if callable(value) and not isinstance(value, type)]


def is_as_view(function):
    """Whether it is the function that Django's `View.as_view()` (django/views/generic/base.py) defines."""
    code = getattr(function, "__code__", None)
    return (
        code is not None
        and code.co_name == "view"
        and code.co_filename.replace("\\", "/").endswith("views/generic/base.py")
    )


# Decorators that leave the ticket view's answers alone.
HARMLESS_DECORATORS = {
    "csrf_exempt",
    "sensitive_post_parameters",
    "sensitive_variables",
    "non_atomic_requests",
    "login_not_required",
}


def decorators(chain):
    """The names of the decorators around the view, by the function whose code holds the wrapper's code."""
    names = []
    for function in chain:
        if is_as_view(function):
            break
        code = getattr(function, "__code__", None)
        name = defining_function(function) if code is not None else path_of(function)
        if name.rpartition(".")[2] not in HARMLESS_DECORATORS:
            names.append(name)
    return names


def defining_function(wrapper):
    """The dotted name of the decorator that made `wrapper`; of the middleware if one was turned into a decorator."""
    inner = [cell for cell in cells_of(wrapper) if isinstance(cell, types.FunctionType)]
    helpers = [cell for cell in inner if cell is not getattr(wrapper, "__wrapped__", None)]
    for value in [*cells_of(wrapper), *(cell for helper in helpers for cell in cells_of(helper))]:
        if type(value).__name__.endswith("Middleware"):
            return path_of(value)
    module = wrapper.__globals__.get("__name__", "?")

    def holds(code):
        return any(one is wrapper.__code__ or holds(one) for one in code.co_consts if isinstance(one, types.CodeType))

    for name, value in wrapper.__globals__.items():
        if isinstance(value, types.FunctionType) and holds(value.__code__):
            return "%s.%s" % (module, name)
    return "%s (%s, line %d)" % (
        wrapper.__code__.co_name,
        wrapper.__code__.co_filename,
        wrapper.__code__.co_firstlineno,
    )


def ticket_view(patterns, callback, chain, cls, arguments):
    """One mounted view: its place, and what its instance answers with."""
    unsupported = []
    found = {"view": path_of(cls), "unsupported": unsupported}
    found["pattern"], found["path"] = url_pattern(patterns, unsupported)
    if found["path"] is not None:
        check_first(found["path"], callback, unsupported)
    unsupported += ["the view is wrapped in %s" % name for name in decorators(chain)]
    unsupported += site_settings()
    if any("(?P<format>" in pattern.regex.pattern for pattern in patterns if hasattr(pattern, "regex")):
        unsupported.append("the route captures `format`")
    initkwargs = next((function.initkwargs for function in chain if hasattr(function, "initkwargs")), {})
    check_overrides(cls, initkwargs, unsupported)
    view, request = instance_of(cls, initkwargs, found["path"], arguments)
    found.update(view_details(view, request, unsupported))
    return found


def site_settings():
    """Settings that would change the view's answers, and are rare."""
    from django.conf import settings

    names = ("FORCE_SCRIPT_NAME", "PREPEND_WWW", "DISALLOWED_USER_AGENTS", "SESSION_SAVE_EVERY_REQUEST")
    return ["the setting %s" % name for name in names if getattr(settings, name)]


def url_pattern(patterns, unsupported):
    """The joined regular expression, anchored, and the path where there is nothing in it to match."""
    from django.urls import LocalePrefixPattern
    from django.urls.resolvers import RoutePattern

    regex, path = "", ""
    for index, pattern in enumerate(patterns):
        last = index == len(patterns) - 1
        if isinstance(pattern, LocalePrefixPattern):
            unsupported.append("the route is inside i18n_patterns(): its path chooses the language")
            regex, path = regex + locale_prefix(pattern), None
            continue
        text = pattern.regex.pattern
        if isinstance(pattern, RoutePattern):
            literal = None if pattern.converters else str(pattern._route)
        else:
            literal = literal_of(text, last)
        path = None if path is None or literal is None else path + literal
        regex += unanchored(text, last, isinstance(pattern, RoutePattern))
    # `$` would match before a line break at the end, too: Django's path() ends in \Z, and its re_path() takes an
    # expression that ends in `$` to match the whole path.
    return "^" + regex + r"\Z", None if path is None else "/" + path


def locale_prefix(pattern):
    from django.conf import settings

    codes = [
        code for code, _ in settings.LANGUAGES if pattern.prefix_default_language or code != settings.LANGUAGE_CODE
    ]
    text = "(?:%s)/" % "|".join(map(re.escape, codes))
    return text if pattern.prefix_default_language else "(?:%s)?" % text


def unanchored(text, last, is_route):
    """One part of a joined expression. Django searches `re_path()` expressions anywhere, so that a part without an
    anchor has anything before or, at the end, behind it."""
    if is_route:
        return alternative(text, last, True)
    # Matches django 5.2, urls/resolvers.py, RegexPattern.match
    whole = last and text.endswith("$")
    parts = alternatives(text)
    joined = "|".join(alternative(part, last, whole) for part in parts)
    return joined if len(parts) == 1 else "(?:%s)" % joined


def alternative(text, last, whole):
    """An expression without `|`, to stand behind what is before it; `whole` if it has to match all that is left."""
    lead = "" if whole or text.startswith(("^", r"\A")) or text == "" else ".*?"
    text = re.sub(r"^(\^|\\A)", "", text)
    if not last:
        return lead + text
    ended = re.sub(r"(\\Z|\\z|(?<!\\)\$)$", "", text)
    return lead + ended + ("" if whole or ended != text else ".*")


def alternatives(text):
    """The expressions between the `|` that stand in no group."""
    parts, depth, in_set = [""], 0, None
    for token in re.findall(r"(?s)\\.|.", text):
        if in_set is not None:
            # A bracket that comes first is one of the set's characters.
            if token == "]" and in_set not in ("[", "[^"):
                in_set = None
            else:
                in_set += token
        elif token == "[":
            in_set = token
        elif token in "()":
            depth += 1 if token == "(" else -1
        elif token == "|" and depth == 0:
            parts.append("")
            continue
        parts[-1] += token
    return parts


def literal_of(text, last):
    """The path that a regular expression without any special character names."""
    match = re.fullmatch(r"(?:\^|\\A)((?:[\w/~@%&=:,;-]|\\[.-])*)(?P<end>\\Z|\$)?", text)
    if text == "":
        return ""
    if match is None or bool(match.group("end")) is not last:
        return None
    return re.sub(r"\\(.)", r"\1", match.group(1))


def check_first(path, callback, unsupported):
    """Whether Django itself resolves the path to this view, and not to a route before it."""
    from django.urls import Resolver404, resolve

    try:
        reached = resolve(path).func
    except Resolver404:
        unsupported.append("Django does not resolve %s" % path)
        return
    if reached is not callback:
        unsupported.append("another route answers %s before: %s" % (path, path_of(reached)))


# Class attributes that a subclass may set: each is read from the instance.
VIEW_ATTRIBUTES = {
    "authentication_classes", "throttle_classes", "renderer_classes", "parser_classes", "permission_classes",
    "content_negotiation_class", "metadata_class", "versioning_class", "settings", "schema", "throttle_scope",
    "http_method_names", "view_is_async", "swagger_schema",
}  # fmt: skip
DESCRIBING = {"name", "description", "suffix", "detail", "basename"}


def check_overrides(cls, initkwargs, unsupported):
    """Names the methods that a subclass or a mix-in replaces."""
    from django_channels_jwt.views import AsgiValidateTokenView

    for name in overridden(cls, AsgiValidateTokenView, VIEW_ATTRIBUTES | DESCRIBING):
        unsupported.append("%s overrides %s()" % (path_of(cls), name))
    for name in ("post", "put", "patch", "delete", "head", "trace"):
        if hasattr(cls, name):
            unsupported.append("%s has a method %s()" % (path_of(cls), name))
    for name in sorted(set(initkwargs) - VIEW_ATTRIBUTES - DESCRIBING):
        unsupported.append("as_view(%s=...)" % name)


def instance_of(cls, initkwargs, path, arguments):
    """A view as for a request, and a request as its classes see it."""
    from django.test import RequestFactory

    view = cls(**initkwargs)
    request = RequestFactory().get(path or "/")
    view.setup(request, **arguments)
    return view, view.initialize_request(request, **arguments)


def view_details(view, request, unsupported):
    settings = view.settings
    found = {
        "name": str(view.get_view_name()),
        "description": str(view.get_view_description()),
        "allowed_methods": ", ".join(view.allowed_methods),
        "authentication": [authentication(one, request, unsupported) for one in view.get_authenticators()],
        "renderers": [renderer(one) for one in view.get_renderers()],
        "parses": [parser.media_type for parser in view.parser_classes],
        "throttles": [one for one in (throttle(one, view, unsupported) for one in view.get_throttles()) if one],
        "num_proxies": settings.NUM_PROXIES,
        "format_parameter": settings.URL_FORMAT_OVERRIDE,
        "compact_json": bool(settings.COMPACT_JSON),
        "unicode_json": bool(settings.UNICODE_JSON),
        "strict_json": bool(settings.STRICT_JSON),
    }
    expected = {
        "exception handler": (view.get_exception_handler(), "rest_framework.views.exception_handler"),
        "content negotiation": (view.content_negotiation_class, "rest_framework.negotiation.DefaultContentNegotiation"),
        "metadata class": (view.metadata_class, "rest_framework.metadata.SimpleMetadata"),
    }
    for what, (value, path) in expected.items():
        if path_of(value) != path:
            unsupported.append("the %s %s" % (what, value and path_of(value)))
    if view.versioning_class is not None:
        unsupported.append("the versioning class %s" % path_of(view.versioning_class))
    permissions = [path_of(one) for one in view.permission_classes]
    if permissions != ["rest_framework.permissions.IsAuthenticated"]:
        unsupported.append("the permission classes %s" % (", ".join(permissions) or "(none)"))
    return found


AUTHENTICATION = {
    "rest_framework_simplejwt.authentication.JWTAuthentication": "jwt",
    "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication": "jwt_stateless",
    "rest_framework.authentication.SessionAuthentication": "session",
    "rest_framework.authentication.BasicAuthentication": "basic",
}


def known_base(cls, known, declared):
    """The first class of `known` that `cls` is or extends by `declared` attributes only; its methods otherwise."""
    base = next((part for part in cls.__mro__ if path_of(part) in known), None)
    return (None, []) if base is None else (known[path_of(base)], overridden(cls, base, declared))


def authentication(instance, request, unsupported):
    cls = type(instance)
    kind, replaced = known_base(cls, AUTHENTICATION, {"www_authenticate_realm", "media_type"})
    if replaced:
        unsupported.append("%s overrides %s" % (path_of(cls), ", ".join(name + "()" for name in replaced)))
    try:
        challenge = instance.authenticate_header(request)
    except Exception as error:
        challenge = None
        unsupported.append("%s.authenticate_header(): %s" % (path_of(cls), sentence_of(error)))
    return {"kind": kind if kind and not replaced else "other", "path": path_of(cls), "challenge": challenge or None}


RENDERERS = {
    "rest_framework.renderers.JSONRenderer": "json",
    "rest_framework.renderers.BrowsableAPIRenderer": "browsable",
}


def renderer(instance):
    return {"kind": RENDERERS.get(path_of(instance), "other"), "path": path_of(instance)}


THROTTLES = {
    "rest_framework.throttling.AnonRateThrottle": "anon",
    "rest_framework.throttling.UserRateThrottle": "user",
    "rest_framework.throttling.ScopedRateThrottle": "scoped",
}


def throttle(instance, view, unsupported):
    """One throttle with its rate; None for one that lets everything pass."""
    cls = type(instance)
    kind, replaced = known_base(cls, THROTTLES, {"scope", "rate", "THROTTLE_RATES", "scope_attr"})
    found = {"kind": kind or "other", "path": path_of(cls), "scope": None, "requests": None, "period": None}
    if kind is None or replaced:
        unsupported.append(
            "the throttle class %s%s" % (path_of(cls), replaced and " overrides " + ", ".join(replaced) or "")
        )
        return dict(found, kind="other")
    if kind == "scoped":
        instance.scope = getattr(view, instance.scope_attr, None)
        if not instance.scope:
            return None
        instance.rate = instance.get_rate()
        instance.num_requests, instance.duration = instance.parse_rate(instance.rate)
    if instance.rate is None:
        return None
    return dict(found, scope=instance.scope, requests=instance.num_requests, period=instance.duration)


# ---------------------------------------------------------------------------------------------------------------------
# error_pages
# ---------------------------------------------------------------------------------------------------------------------


class NoDatabase(Exception):
    """Raised where an error page turns to the database."""


def error_pages(project):
    """The 400, 404 and 500 pages of the project, where they are the same for every request."""
    from django.conf import settings
    from django.urls import get_resolver

    found = {"unsupported": []}
    for status in (400, 404, 500):
        found[str(status)] = None
        if settings.DEBUG:
            continue
        try:
            handler = get_resolver().resolve_error_handler(status)
            if is_django_page(handler, status):
                continue
            found[str(status)] = steady_page(handler, status)
        except Refused as error:
            found["unsupported"].append("the %d page: %s" % (status, error))
        except Exception as error:
            found["unsupported"].append("the %d page: %s" % (status, sentence_of(error)))
    if settings.DEBUG:
        found["unsupported"].append("with DEBUG = True the 400, 404 and 500 pages are Django's debug pages")
    return found


def is_django_page(handler, status):
    """Whether it is Django's own handler (django/views/defaults.py) and the project has no template for it."""
    from django.template import TemplateDoesNotExist, loader

    if getattr(handler, "__module__", None) != "django.views.defaults":
        return False
    try:
        loader.get_template("%d.html" % status)
    except TemplateDoesNotExist:
        return True
    return False


def steady_page(handler, status):
    """The page's text, rendered for requests that differ in all that a request has."""
    from django.conf import settings
    from django.utils import translation

    translated = settings.USE_I18N and any(middleware_kind(path) == "locale" for path in settings.MIDDLEWARE)
    codes = [code for code, _ in settings.LANGUAGES][:5] if translated else [settings.LANGUAGE_CODE]
    with no_database():
        pages = set()
        for path, host in (("/quartz/", "one.example"), ("/other/wave/?a=b", "two.example")):
            for code in codes:
                with translation.override(code):
                    pages.add(rendered(handler, status, path, host))
    if len(pages) != 1:
        raise Refused("it differs from request to request")
    return pages.pop()


def rendered(handler, status, path, host):
    from django.http import Http404
    from django.core.exceptions import SuspiciousOperation
    from django.test import RequestFactory

    request = RequestFactory().get(path, SERVER_NAME=host)
    errors = {400: SuspiciousOperation(path), 404: Http404({"path": path})}
    response = handler(request) if status == 500 else handler(request, exception=errors[status])
    if inspect.iscoroutine(response):
        response.close()
        raise Refused("its handler is a coroutine")
    if hasattr(response, "render") and not getattr(response, "is_rendered", True):
        response = response.render()
    if response.status_code != status or response.streaming:
        raise Refused("its handler answers %d" % response.status_code)
    if response.headers.get("Content-Type") not in ("text/html", "text/html; charset=utf-8"):
        raise Refused("it is %s" % response.headers.get("Content-Type"))
    if response.cookies or set(response.headers) - {"Content-Type", "Content-Length"}:
        raise Refused("it sets headers or cookies")
    return response.content.decode("utf-8")


@contextlib.contextmanager
def no_database():
    """Within, connecting to a database fails: what a page reads there is not the same for ever."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    original = BaseDatabaseWrapper.ensure_connection
    touched = []

    def ensure_connection(self):
        touched.append(self.alias)
        raise NoDatabase("it reads the database")

    BaseDatabaseWrapper.ensure_connection = ensure_connection
    try:
        yield
    except Exception as error:
        if not touched:
            raise
        raise Refused("it reads the database") from error
    finally:
        BaseDatabaseWrapper.ensure_connection = original
    if touched:
        raise Refused("it reads the database")


# ---------------------------------------------------------------------------------------------------------------------
# asgi: consumers, the middleware before each, origin validators
# ---------------------------------------------------------------------------------------------------------------------

WALK_LIMIT = 5000
# Middleware that is known not to look at `Origin`.
ORIGIN_BLIND = {
    "channels.sessions.CookieMiddleware",
    "channels.sessions.SessionMiddleware",
    "channels.auth.AuthMiddleware",
    "django_channels_jwt.middleware.JwtAuthMiddleware",
    "sentry_sdk.integrations.asgi.SentryAsgiMiddleware",
}
TICKET_MIDDLEWARE = "django_channels_jwt.middleware.JwtAuthMiddleware"


def asgi(project):
    """The WebSocket routes of the ASGI application; null where the project has none."""
    application = project.application or default_application()
    if application is None:
        return None
    walk = Walk()
    walk.visit(application, Path())
    unsupported = walk.unsupported
    if not walk.routes:
        unsupported.append("no consumer was found in the ASGI application %s" % path_of(application))
    routes = [dict(route) for route in walk.routes]
    origins = [(route.pop("origins"), route) for route in routes]
    origins = [found for found, route in origins if route["consumer"] is not None or route["auth"] == "ticket"]
    first = origins[0] if origins else {"kind": "unknown"}
    if any(other != first for other in origins):
        unsupported.append("the routes differ in the origins that they allow")
        first = {"kind": "unknown"}
    return {"routes": routes, "origins": first, "unsupported": unsupported}


def default_application():
    """`ASGI_APPLICATION`, with a settings module as target."""
    from django.conf import settings

    path = getattr(settings, "ASGI_APPLICATION", None)
    if not path:
        return None
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


class Path:
    """What lies before a node of the ASGI application: route prefixes, middleware, origin validators."""

    def __init__(self, patterns=(), middleware=(), origins=None):
        self.patterns = patterns
        self.middleware = middleware
        self.origins = origins

    def below(self, pattern):
        return Path((*self.patterns, pattern), self.middleware, self.origins)

    def inside(self, middleware):
        return Path(self.patterns, (*self.middleware, middleware), self.origins)

    def allowing(self, validator, origins):
        both = self.origins is not None
        return Path(self.patterns, (*self.middleware, validator), {"kind": "unknown"} if both else origins)


class Walk:
    """Walks an ASGI application, through attributes, closures and named globals, under a bound."""

    def __init__(self):
        self.routes = []
        self.unsupported = []
        self.steps = 0
        self.above = []

    def visit(self, node, path):
        """Whether consumers were found at or below `node`."""
        if any(node is one for one in self.above) or not is_walkable(node):
            return False
        self.steps += 1
        if self.steps > WALK_LIMIT or len(self.above) > 60:
            if self.steps == WALK_LIMIT + 1:
                self.unsupported.append("the ASGI application was not walked to its end")
            return False
        self.above.append(node)
        try:
            return self.look(node, path)
        finally:
            self.above.pop()

    def look(self, node, path):
        names = [path_of(cls) for cls in type(node).__mro__]
        consumer = consumer_of(node)
        if consumer is not None:
            self.add(consumer, path)
            return True
        if "channels.routing.ProtocolTypeRouter" in names:
            return self.visit(node.application_mapping.get("websocket"), path)
        if "channels.routing.URLRouter" in names:
            found = [self.visit(route.callback, path.below(route)) or self.plain(route, path) for route in node.routes]
            return any(found)
        if "channels.security.websocket.OriginValidator" in names:
            return self.visit(node.application, path.allowing(type(node), origins_of(node)))
        if "starlette.routing.Mount" in names:
            self.unsupported.append("Starlette's Mount, whose prefix is not read")
        if "django.core.handlers.base.BaseHandler" in names or "channels.routing.ChannelNameRouter" in names:
            return False
        return self.visit_all((inner, path.inside(wrapper_of(node))) for inner in distinct(reached_from(node)))

    def visit_all(self, places):
        """Visits every one; whether consumers were found at any."""
        found = [self.visit(node, path) for node, path in places]
        return any(found)

    def plain(self, route, path):
        """Adds what a URLRouter leads to and is no consumer, such as a plain ASGI application."""
        node, path = route.callback, path.below(route)
        while True:
            if any(path_of(cls) == "channels.security.websocket.OriginValidator" for cls in type(node).__mro__):
                node, path = node.application, path.allowing(type(node), origins_of(node))
            elif callable(getattr(node, "inner", None)):
                node, path = node.inner, path.inside(wrapper_of(node))
            else:
                break
        names = [path_of(cls) for cls in type(node).__mro__]
        if not callable(node) or {"channels.routing.URLRouter", "django.core.handlers.base.BaseHandler"} & set(names):
            return False
        self.add(None, path)
        return True

    def add(self, consumer, path):
        middleware = [name if isinstance(name, str) else path_of(name) for name in path.middleware]
        ticket = [
            cls for cls in path.middleware if isinstance(cls, type) and TICKET_MIDDLEWARE in map(path_of, cls.__mro__)
        ]
        base = next((cls for one in ticket for cls in one.__mro__ if path_of(cls) == TICKET_MIDDLEWARE), None)
        route = {
            "consumer": None if consumer is None else path_of(consumer),
            "middleware": middleware,
            "auth": "ticket" if ticket else "none",
            "ticket_middleware": path_of(ticket[0]) if ticket else None,
            "overridden": sorted({name for one in ticket for name in ticket_overrides(one, base)}),
            "origins": path.origins or implied_origins(path.middleware),
        }
        kind, text = self.place(path.patterns)
        place = {kind: text}
        if len(path.patterns) != 1:
            place["matches"] = self.matches([route.pattern for route in path.patterns])
        self.routes.append({**place, **route})

    def matches(self, patterns):
        """
        A regular expression for all that Channels leads through these patterns, one router inside the other. As each
        router does: what the one before left, without its first slashes, is searched for the first match.
        """
        if not patterns:
            return "(?s:.*)"
        text, later = r"\A", [set(pattern.regex.groupindex) for pattern in patterns[1:]]
        for index, pattern in enumerate(patterns):
            try:
                part = searched(pattern, index == 0, set().union(*later[index:]))
            except Refused as error:
                self.unsupported.append(
                    "the pattern `%s` of nested routers (%s): any path is taken to match it" % (pattern, error)
                )
                return text + "(?s:.*)"
            text += ("(?>/*)" if index else "") + part
        return text

    def place(self, routes):
        """`("path", "ws/chat/<str:room>/")` or `("regex", "ws/...$")`, with the prefixes of outer routers joined."""
        from django.urls.resolvers import RoutePattern

        patterns = [route.pattern for route in routes]
        if any(route.default_args for route in routes):
            self.unsupported.append("a WebSocket route gives its consumer extra arguments")
        if all(isinstance(pattern, RoutePattern) for pattern in patterns):
            self.check_converters(patterns)
            return "path", "".join(str(pattern._route) for pattern in patterns)
        if len(patterns) == 1:
            return "regex", str(patterns[0]._regex)
        text = ""
        for index, pattern in enumerate(patterns):
            part = pattern.regex.pattern
            text += re.sub(r"\\Z$", "$", part if index == 0 else re.sub(r"^(\^|\\A)", "", part))
        return "regex", text

    def check_converters(self, patterns):
        for pattern in patterns:
            for name, converter in pattern.converters.items():
                if type(converter).__module__ != "django.urls.converters":
                    self.unsupported.append("the path converter %s of `%s`" % (path_of(converter), name))


TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?#[^)]*\)|\(\?P<\w+>|\(\?P=|\(\?<[=!]|\(\?\(|\(\?[a-zA-Z]+\)|.", re.DOTALL
)


def searched(pattern, outermost, taken):
    """What Django's pattern.match() finds in a path, to stand inside a longer regular expression."""
    regex = pattern.regex
    if regex.flags & (re.MULTILINE | re.VERBOSE | re.ASCII):
        raise Refused("it has flags")
    branches, depth, refers = [[]], 0, False
    for index, token in enumerate(TOKEN.findall(regex.pattern)):
        refers = refers or re.match(r"\\[1-9]", token) is not None
        if token in ("(?P=", "(?(") or (refers and not outermost):
            raise Refused("it refers to a group")
        if token in (r"\b", r"\B", "(?<=", "(?<!") and not outermost:
            raise Refused("it looks at what is before")
        if re.match(r"\(\?[a-zA-Z]+\)", token):
            if index:
                raise Refused("it has flags")
            continue
        if token.startswith("(?#"):
            continue
        depth += token.startswith("(") - (token == ")")
        if token == "|" and not depth:
            branches.append([])
        elif token.startswith("(?P<") and token[4:-1] in taken:
            branches[-1].append("(")
        else:
            branches[-1].append(token)
    first, further = [], []
    for branch in branches:
        rest = list(branch)
        while rest and rest[0] in ("^", r"\A"):
            del rest[0]
        if not outermost and ("^" in rest or r"\A" in rest):
            raise Refused("it has a start of the text in its middle")
        first.append("".join(rest))
        if len(rest) == len(branch):
            further.append("".join("(" if token.startswith("(?P<") else token for token in rest))
    try:
        for text in first + further:
            re.compile("(?:%s)" % text)
    except re.error as error:
        raise Refused("it cannot be taken apart") from error
    text = "(?:%s)" % "|".join(first)
    if getattr(pattern, "_is_endpoint", False) and regex.pattern.endswith("$"):
        text += r"\Z"
    elif len(further) == len(first):
        text = "(?s:.*?)" + text
    elif further:
        if refers:
            raise Refused("it refers to a group")
        text += "|(?s:.+?)(?:%s)" % "|".join(further)
    flags = "i" * bool(regex.flags & re.IGNORECASE) + "s" * bool(regex.flags & re.DOTALL)
    return "(?>%s)" % ("(?%s:%s)" % (flags, text) if flags else text)


def ticket_overrides(cls, base):
    """What a subclass of JwtAuthMiddleware replaces, and what the project has put in the place of the package's own."""
    module = sys.modules[base.__module__]
    names = set(overridden(cls, base))
    names.update(name for name in ("auth", "__call__") if is_foreign(getattr(base, name, None), base))
    # django_channels_jwt 0.0.3 has it beside the class.
    if any("get_user" in vars(between) for between in cls.__mro__ if between is not base):
        names.add("get_user")
    if is_foreign(getattr(module, "get_user", None), base):
        names.add("get_user")
    return names


def is_foreign(function, base):
    function = getattr(function, "func", function)
    return function is not None and getattr(function, "__module__", None) != base.__module__


def is_walkable(node):
    if node is None or isinstance(node, (str, bytes, int, float, type, types.ModuleType, types.BuiltinFunctionType)):
        return consumer_of(node) is not None
    return callable(node)


def consumer_of(node):
    """The consumer's class: `as_asgi()` leaves it on the function that it makes; old projects route to the class."""
    cls = getattr(node, "__dict__", {}).get("consumer_class")
    if isinstance(cls, type):
        return cls
    if isinstance(node, type) and any(path_of(base) == "channels.consumer.AsyncConsumer" for base in node.__mro__):
        return node
    return None


def wrapper_of(node):
    return path_of(node) if isinstance(node, types.FunctionType) else type(node)


def reached_from(node):
    """What a wrapper may call: what it wraps, its closure, its attributes, and the globals that its code names."""
    if getattr(node, "__wrapped__", None) is not None:
        yield node.__wrapped__
    if isinstance(node, functools.partial):
        yield from (node.func, *node.args, *node.keywords.values())
        return
    if isinstance(node, types.MethodType):
        yield node.__self__
        node = node.__func__
    function = node if isinstance(node, types.FunctionType) else getattr(type(node), "__call__", None)
    if not isinstance(node, types.FunctionType):
        values = dict(getattr(node, "__dict__", {}))
        values.update({name: getattr(node, name, None) for name in getattr(type(node), "__slots__", ()) or ()})
        for value in values.values():
            yield from contents(value)
    if isinstance(function, types.FunctionType) and reads_applications(function):
        for _, value in names_in(function):
            yield from contents(value)


def reads_applications(function):
    """Functions of Python, Django and Channels name globals of their own, none of which is the project's."""
    module = function.__globals__.get("__name__", "").split(".")[0]
    return module not in ("django", "asgiref", "channels", "django_channels_jwt", "functools", "asyncio")


def contents(value):
    if isinstance(value, dict):
        return [part for part in list(value.values())[:200] if callable(part)]
    if isinstance(value, (list, tuple)):
        return [part for part in value[:200] if callable(part)]
    return [value] if callable(value) else []


def distinct(values):
    found = []
    for value in values:
        if not any(value is one for one in found):
            found.append(value)
    return found


def origins_of(validator):
    """Channels' OriginValidator (channels/security/websocket.py); a subclass may decide otherwise."""
    base = next(cls for cls in type(validator).__mro__ if path_of(cls) == "channels.security.websocket.OriginValidator")
    if overridden(type(validator), base, {"__init__"}):
        return {"kind": "unknown"}
    allowed = list(validator.allowed_origins)
    if not all(isinstance(origin, str) for origin in allowed):
        return {"kind": "unknown"}
    return {"kind": "allowed", "allowed": allowed}


def implied_origins(middleware):
    """Without a validator: not checked, unless the project's own middleware might."""
    for one in middleware:
        if isinstance(one, str) or not any(path_of(cls) in ORIGIN_BLIND for cls in one.__mro__):
            return {"kind": "unknown"}
    return {"kind": "not_checked"}


def tickets(redeem, issue, project):
    """Takes a ticket out of Django's cache, and puts another one in, for nobody, as django-channels-jwt does both."""
    from django.core.cache import cache

    user_id = cache.get(redeem)
    cache.delete(redeem)
    cache.set(uuid.UUID(issue), -1, 600)
    return {"key": str(cache.make_key("<ticket>")), "redeemed": repr(user_id)[:100]}


ITEMS = (
    ("core", core),
    ("simple_jwt", simple_jwt),
    ("user", user),
    ("database", database),
    ("cache", cache),
    ("channel_layer", channel_layer),
    ("ticket_views", ticket_views),
    ("middleware", middleware),
    ("security", security),
    ("cors", cors),
    ("languages", languages),
    ("error_pages", error_pages),
    ("asgi", asgi),
)

if __name__ == "__main__":
    main(sys.argv[1:])
