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


