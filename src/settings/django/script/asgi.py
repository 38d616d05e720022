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


