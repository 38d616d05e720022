//! The paths on which Django is asked: nobody else reaches them through sluicegate.

use std::sync::Arc;

use crate::{
    consumer::{AskUrl, RouteKind, RouteOptions},
    python::unquote,
};

/// The paths of all questions on `[upstream]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnPaths(Arc<[String]>);

impl OwnPaths {
    /// Those of `routes`.
    pub(crate) fn new(routes: &[RouteOptions]) -> Self {
        Self::of(routes.iter().filter_map(|route| match &route.kind {
            RouteKind::Declared(declared) => Some(&declared.ask.as_ref()?.url),
            RouteKind::Rust(_) | RouteKind::Proxy(_) => None,
        }))
    }

    fn of<'a>(urls: impl Iterator<Item = &'a AskUrl>) -> Self {
        let paths = urls.filter_map(|url| match url {
            AskUrl::Path(path) => Some(folded(&unquote(path.split(['?', '#']).next().unwrap_or_default()))),
            AskUrl::Url(_) => None,
        });
        Self(paths.collect())
    }

    /// Whether `path`, percent-decoded, is one of them, in any spelling that could lead to the same view: with other
    /// slashes, which `APPEND_SLASH` and servers between us and Django set right; with `.` and `..`; with a line end, which
    /// a `$` within the pattern of a `re_path()` lets pass.
    pub(crate) fn has(&self, path: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&folded(path))
    }
}

/// Segments without those that change nothing.
fn folded(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.trim_end().split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_however_it_is_spelled() {
        let urls = [AskUrl::Path("/sockets/caf%C3%A9/?v=1".to_owned()), AskUrl::Url("http://other/x/".to_owned())];
        let paths = OwnPaths::of(urls.iter());
        for path in [
            "/sockets/café/",
            "/sockets/café",
            "//sockets///café//",
            "/./sockets/../sockets/café/.",
            "/sockets/café/\n",
            "sockets/café/",
        ] {
            assert!(paths.has(path), "{path:?}");
        }
        for path in ["/", "/sockets/", "/sockets/cafe/", "/sockets/café/x/", "/x/", "/sockets/caf%C3%A9/"] {
            assert!(!paths.has(path), "{path:?}");
        }
    }

    #[test]
    fn without_questions_no_path_is_ours() {
        assert!(!OwnPaths::default().has("") && !OwnPaths::default().has("/"));
    }
}
