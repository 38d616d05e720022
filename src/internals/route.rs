//! Routes, and the paths that are looked up in them.

use std::sync::LazyLock;

use crate::{
    consumer::RoutePattern,
    python,
    websocket::route::{Route, find},
};

/// Routes with every converter, compiled once.
static FIXED: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let paths = ["ws/chat/", "ws/<int:number>/<slug:slug>/", "ws/<uuid:id>/<str:room>/<path:rest>"];
    let compile = |path: &str| Route::compile(&RoutePattern::Path(path.to_owned()));
    paths.iter().map(|path| compile(path).expect("a path of Django's documentation")).collect()
});

/// `data` is a pattern and, after a byte 0, a path.
///
/// # Panics
///
/// Where a slash at the start changes where a path belongs, where captures lack a name, and where a `path()` without
/// parameters matches anything but itself.
pub fn route(data: &[u8]) {
    let (pattern, path) = super::halves(data, 0);
    let (Ok(pattern), Ok(path)) = (std::str::from_utf8(pattern), std::str::from_utf8(path)) else { return };
    let path = python::unquote(path);
    let mut given = Vec::new();
    if let Ok(route) = Route::compile(&RoutePattern::Path(pattern.to_owned())) {
        if !pattern.contains('<') {
            let found = find([&route], &path).is_ok_and(|found| found.is_some());
            assert_eq!(found, path.trim_start_matches('/') == pattern, "a path without parameters is compared");
        }
        given.push(route);
    }
    given.extend(Route::compile(&RoutePattern::Regex(pattern.to_owned())));
    let routes: Vec<&Route> = FIXED.iter().chain(&given).collect();
    let found = find(routes.iter().copied(), &path);
    assert_eq!(found, find(routes.iter().copied(), &format!("//{path}")), "slashes at the start count");
    if let Ok(Some((index, captures))) = found {
        assert_eq!(captures.len(), routes[index].names().len());
    }
}
