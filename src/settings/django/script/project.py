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


