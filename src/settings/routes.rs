//! `[[route]]`: the WebSocket routes, in the order in which they are tried.

use serde_json::Value;

use super::{
    kind::Kind,
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
    route_declared,
    route_proxy::{self, Surroundings},
    route_table::{Reader, find},
    toml_file::{Entry, Node, NodeValue},
};
use crate::{
    consumer::{DeclaredOptions, OutboxOptions, RouteKind, RouteOptions, RoutePattern, SlowClient, declared_problems},
    websocket::Route,
};

/// What every route may say, and one with a `proxy`.
const ROUTE_NAMES: [&str; 7] = ["path", "regex", "connections", "proxy", "auth", "hold", "hold_buffer"];
const MEND: &str = "[[route]]\npath = \"ws/chat/<str:room>/\"";

/// Reads the tables; each route that is good, with its place.
pub(super) fn read(
    file: &str,
    tables: &[Node],
    around: &Surroundings<'_>,
    layers: &mut Layers,
) -> Vec<(RouteOptions, Origin)> {
    let mut routes = Vec::new();
    for table in tables {
        let origin = Origin::File { path: file.to_owned(), line: table.line };
        let NodeValue::Table(entries) = &table.value else {
            layers.problems.push(Problem::new(Code::Route, "a route is a table").at(&origin).mend("[[route]]"));
            continue;
        };
        let mut reader = Reader { file, layers: &mut *layers };
        if let Some(route) = route(entries, around, &origin, &mut reader) {
            routes.push((route, origin));
        }
    }
    routes
}

fn route(
    entries: &[Entry],
    around: &Surroundings<'_>,
    origin: &Origin,
    reader: &mut Reader<'_>,
) -> Option<RouteOptions> {
    let known: Vec<_> = ROUTE_NAMES.into_iter().chain(route_declared::NAMES).collect();
    reader.names(entries, "route", &known);
    let is_proxied = route_proxy::has_proxy(entries);
    let declared = if is_proxied {
        DeclaredOptions::default()
    } else {
        route_declared::read(entries, around.upstream.is_stated, reader)
    };
    let pattern = pattern(entries, origin, reader)?;
    check(&pattern, &declared, entries, origin, reader);
    let connections = reader.size(entries, "route", "connections", Kind::Integer(1, i64::from(u32::MAX)));
    let proxy = route_proxy::read(entries, &pattern, reader.file, around, reader.layers);
    if is_proxied {
        let matches = route_proxy::matches(&pattern, around);
        return Some(RouteOptions { matches, connections, ..RouteOptions::new(pattern, RouteKind::Proxy(proxy?)) });
    }
    let outbox = outbox(entries, reader);
    let kind = RouteKind::Declared(Box::new(declared));
    Some(RouteOptions { outbox, connections, ..RouteOptions::new(pattern, kind) })
}

fn pattern(entries: &[Entry], origin: &Origin, reader: &mut Reader<'_>) -> Option<RoutePattern> {
    // A text stands in for one of another type, so that its lack is not reported too.
    let mut text = |name| find(entries, name).map(|_| reader.text(entries, "route", name).unwrap_or_default());
    let sentence = match (text("path"), text("regex")) {
        (Some(path), None) => return Some(RoutePattern::Path(path)),
        (None, Some(regex)) => return Some(RoutePattern::Regex(regex)),
        (Some(_), Some(_)) => "a route has a path or a regex, not both",
        (None, None) => "a route needs a path or a regex",
    };
    reader.layers.problems.push(Problem::new(Code::Route, sentence).at(origin).mend(MEND));
    None
}

/// What may wait for a client that reads slowly.
fn outbox(entries: &[Entry], reader: &mut Reader<'_>) -> OutboxOptions {
    let default = OutboxOptions::default();
    let words = Kind::Word(&["close", "drop_oldest", "latest"]);
    let policy = reader.value(entries, "route", "slow_client", words, "");
    let count = Kind::Integer(1, i64::from(u32::MAX));
    let bytes = reader.size(entries, "route", "queue_bytes", Kind::Bytes);
    if bytes == Some(0) {
        let line = find(entries, "queue_bytes").map_or(0, |entry| entry.line);
        reader.report(line, Code::Route, "`route.queue_bytes` is more than 0", "queue_bytes = \"4 MiB\"");
    }
    OutboxOptions {
        messages: reader.size(entries, "route", "queue_messages", count).unwrap_or(default.messages),
        bytes: bytes.unwrap_or(default.bytes),
        policy: match policy.as_ref().and_then(Value::as_str) {
            Some("drop_oldest") => SlowClient::DropOldest,
            Some("latest") => SlowClient::Latest,
            _ => SlowClient::Close,
        },
    }
}

/// Compiles the pattern and the templates, as the start will do again.
fn check(
    pattern: &RoutePattern,
    declared: &DeclaredOptions,
    entries: &[Entry],
    origin: &Origin,
    reader: &mut Reader<'_>,
) {
    let (RoutePattern::Path(text) | RoutePattern::Regex(text)) = pattern;
    let rest = match pattern {
        RoutePattern::Path(path) => path.strip_prefix('/').map(str::to_owned),
        RoutePattern::Regex(regex) => ["^/", r"\A/"].iter().find_map(|start| {
            let rest = regex.strip_prefix(start)?;
            Some(format!("{}{rest}", start.trim_end_matches('/')))
        }),
    };
    if let Some(rest) = rest {
        let name = if matches!(pattern, RoutePattern::Path(_)) { "path" } else { "regex" };
        let sentence = format!("`route.{name}` is matched without the path's first slash, so {text:?} never matches");
        let mend = format!("[[route]]\n{name} = {}", toml::Value::from(rest));
        reader.layers.problems.push(Problem::new(Code::Route, sentence).at(origin).mend(mend));
    }
    let route = match Route::compile(pattern) {
        Ok(route) => route,
        Err(sentence) => return reader.layers.problems.push(Problem::new(Code::Route, sentence).at(origin)),
    };
    for (table, sentence) in declared_problems(text, route.names(), declared) {
        match route_declared::line(&table, entries) {
            Some(line) => reader.report(line, Code::Route, &sentence, ""),
            None => reader.layers.problems.push(Problem::new(Code::Route, sentence).at(origin)),
        }
    }
}
