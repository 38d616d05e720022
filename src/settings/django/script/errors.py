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


