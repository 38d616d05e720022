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


