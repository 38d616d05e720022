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


