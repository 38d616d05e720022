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


