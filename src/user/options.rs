//! The statements that Django itself compiled for the user model.

/// How users are found. Made by the settings script from `User.objects.filter(...)`, or from the names in TOML.
#[derive(Clone, Debug)]
pub(crate) struct UserOptions {
    /// `auth.User`, for messages.
    pub(crate) model: String,
    /// `id = <sentinel>`.
    pub(crate) by_id: UserQuery,
    /// Which of its columns `[websocket] user_fields` names.
    pub(crate) fields: Vec<UserField>,
    /// `<USER_ID_FIELD> = <sentinel>`.
    pub(crate) by_user_id_field: UserQuery,
    /// `<USERNAME_FIELD> = <sentinel>`; absent where it could not be compiled.
    pub(crate) by_username: Option<UserQuery>,
    /// `... blacklistedtoken JOIN outstandingtoken ... WHERE jti = <sentinel>`, where the blacklist app is installed.
    pub(crate) blacklist: Option<UserQuery>,
    /// Where `is_active` comes from.
    pub(crate) is_active: ActiveFlag,
}

/// A column that templates know as `user.<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserField {
    pub(crate) name: String,
    /// Its place in the statement's answer.
    pub(crate) column: usize,
    pub(crate) kind: ValueKind,
}

/// What a column holds, and how Python's `json.dumps` would see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Text,
    Integer,
    Boolean,
    Float,
    /// As text, with so many places.
    Decimal {
        places: usize,
    },
    /// As `isoformat()`, with `+00:00` where it is aware.
    DateTime {
        aware: bool,
    },
    /// As `isoformat()`.
    Date,
    /// As text with hyphens.
    Uuid,
    Json,
    /// An integer where it is one, else text.
    Any,
}

/// One statement with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UserQuery {
    /// SQL with `%s` for each parameter (and `%%` for a percent sign), as Django hands it to the driver.
    pub(crate) sql: String,
    /// The parameters in order; exactly one or more are the [`Parameter::Sentinel`].
    pub(crate) params: Vec<Parameter>,
    /// Model attribute of each selected column, in order, such as `id`, `password`, `is_active`, `username`.
    pub(crate) columns: Vec<String>,
    /// How the looked-up value is converted.
    pub(crate) lookup: FieldKind,
    /// What kind the column `id` is.
    pub(crate) id: FieldKind,
}

/// A parameter of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parameter {
    /// The looked-up value goes here.
    Sentinel,
    Bool(bool),
    Int(i64),
    Text(String),
    Null,
}

/// A field's type, as far as conversion and binding need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// An integer field with the column's range (`connection.ops.integer_field_range`); `None`: unbounded.
    Integer { min: Option<i64>, max: Option<i64> },
    /// A UUID in a column of the database's own type.
    Uuid,
    /// A UUID as 32 hexadecimal digits in lower case (`char(32)`).
    UuidHex,
    /// `CharField` and its relatives.
    Text,
}

/// Where `is_active` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActiveFlag {
    /// The column of that name.
    Column,
    /// The class attribute, the same for every user.
    Always(bool),
}
