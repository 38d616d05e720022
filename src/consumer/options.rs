//! `[[route]]`.

use std::{fmt, sync::Arc};

use super::Application;
use crate::upstream::ProxyOptions;

/// One WebSocket route, in the order in which routes are tried.
#[derive(Clone, Debug)]
pub(crate) struct RouteOptions {
    pub(crate) pattern: RoutePattern,
    /// The regular expression that is matched in the place of `pattern`, which is then only shown.
    pub(crate) matches: Option<String>,
    pub(crate) kind: RouteKind,
}

impl RouteOptions {
    /// What is matched.
    pub(crate) fn matched(&self) -> RoutePattern {
        self.matches.clone().map_or_else(|| self.pattern.clone(), RoutePattern::Regex)
    }
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
    /// A consumer written in Rust.
    Rust(RustConsumer),
    /// `[route.receive]`; empty: frames are accepted and ignored.
    Declared(Vec<DeclaredReceive>),
    /// `proxy`: Django's own consumer, behind us.
    Proxy(ProxyOptions),
}

/// What makes the consumers of a route that is written in Rust.
#[derive(Clone)]
pub(crate) struct RustConsumer(Arc<dyn Application>);

impl RustConsumer {
    pub(crate) fn new(application: impl Application + 'static) -> Self {
        Self(Arc::new(application))
    }

    pub(crate) fn application(&self) -> Arc<dyn Application> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for RustConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RustConsumer")
    }
}

/// One `[[route.receive]]`: the first whose `when` fits the frame counts.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredReceive {
    /// These keys of the frame's JSON have these values; empty: every frame.
    pub(crate) when: serde_json::Map<String, serde_json::Value>,
    /// The template of the answer: JSON whose texts may hold `{{ expressions }}`.
    pub(crate) reply: serde_json::Value,
}
