//! `[[route]]`.

/// One WebSocket route, in the order in which routes are tried.
#[derive(Clone, Debug)]
pub(crate) struct RouteOptions {
    pub(crate) pattern: RoutePattern,
    pub(crate) kind: RouteKind,
}

/// How the path is matched. Both are matched against the percent-decoded path without its first slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RoutePattern {
    /// `path`: Django's `path()` syntax, with its converters int, str, slug, uuid, path.
    Path(String),
    /// `regex`: Django's `re_path()` syntax (Python's `re`, searched from the start).
    Regex(String),
}

/// What answers on this route.
#[derive(Clone, Debug)]
pub(crate) enum RouteKind {
    /// `[route.receive]`; empty: frames are accepted and ignored.
    Declared(Vec<DeclaredReceive>),
}

/// One `[[route.receive]]`: the first whose `when` fits the frame counts.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredReceive {
    /// These keys of the frame's JSON have these values; empty: every frame.
    pub(crate) when: serde_json::Map<String, serde_json::Value>,
    /// The template of the answer: JSON whose texts may hold `{{ expressions }}`.
    pub(crate) reply: serde_json::Value,
}
