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


