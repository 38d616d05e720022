//! `[[route]]`: the WebSocket routes, in the order in which they are tried.

use serde_json::{Map, Value};

use super::{
    key,
    kind::Kind,
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
    route_proxy::{self, Surroundings},
    toml_file::{Entry, Node, NodeValue},
};
use crate::{
    consumer::{
        DeclaredAction, DeclaredOptions, DeclaredOutput, DeclaredReceive, OutboxOptions, RouteKind, RouteOptions,
        RoutePattern, compile,
    },
    websocket::Route,
};

/// What a route may say in this version.
const ROUTE_NAMES: [&str; 8] = ["path", "regex", "groups", "receive", "proxy", "auth", "hold", "hold_buffer"];
/// What is planned for a route, and refused until it does something.
const ROUTE_LATER: [&str; 7] = ["ask", "events", "on_connect", "on_disconnect", "send", "timeout", "subprotocols"];
const RECEIVE_NAMES: [&str; 2] = ["when", "reply"];
const RECEIVE_LATER: [&str; 5] = ["group_send", "channel_send", "ask", "event", "send"];

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
        let reader = Reader { file, around, layers: &mut *layers };
        if let Some(route) = reader.route(entries, &origin) {
            routes.push((route, origin));
        }
    }
    routes
}

struct Reader<'a> {
    file: &'a str,
    around: &'a Surroundings<'a>,
    layers: &'a mut Layers,
}

impl Reader<'_> {
    fn route(mut self, entries: &[Entry], origin: &Origin) -> Option<RouteOptions> {
        self.names(entries, "route", &ROUTE_NAMES, &ROUTE_LATER);
        let receive = match find(entries, "receive").map(|entry| (&entry.node.value, entry.line)) {
            None => Vec::new(),
            Some((NodeValue::Table(entries), line)) => self.receive(entries, line).into_iter().collect(),
            Some((NodeValue::List(tables), line)) => tables
                .iter()
                .filter_map(|table| {
                    if let NodeValue::Table(entries) = &table.value {
                        return self.receive(entries, table.line);
                    }
                    self.report(line, Code::Route, "`receive` is a table", "[[route.receive]]");
                    None
                })
                .collect(),
            Some((NodeValue::Leaf(_), line)) => {
                self.report(
                    line,
                    Code::Route,
                    "`receive` is a table",
                    "[route.receive]\nreply = { text = \"{{ text }}\" }",
                );
                Vec::new()
            }
        };
        let pattern = match (self.text(entries, "path"), self.text(entries, "regex")) {
            (Some(path), None) => RoutePattern::Path(path),
            (None, Some(regex)) => RoutePattern::Regex(regex),
            (given, _) => {
                let sentence = if given.is_some() {
                    "a route has a path or a regex, not both"
                } else {
                    "a route needs a path or a regex"
                };
                let problem = Problem::new(Code::Route, sentence).at(origin);
                self.layers.problems.push(problem.mend("[[route]]\npath = \"ws/chat/<str:room>/\""));
                return None;
            }
        };
        let groups = self.texts(entries, "groups");
        let declared = DeclaredOptions { groups, receive, ..DeclaredOptions::default() };
        self.check(&pattern, &declared, origin);
        let outbox = OutboxOptions::default();
        let proxy = route_proxy::read(entries, &pattern, self.file, self.around, self.layers);
        if route_proxy::has_proxy(entries) {
            let matches = route_proxy::matches(&pattern, self.around);
            return Some(RouteOptions { pattern, matches, kind: RouteKind::Proxy(proxy?), outbox });
        }
        Some(RouteOptions { pattern, matches: None, kind: RouteKind::Declared(declared), outbox })
    }

    /// Compiles the pattern and the templates, as the start will do again.
    fn check(&mut self, pattern: &RoutePattern, declared: &DeclaredOptions, origin: &Origin) {
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
            let sentence =
                format!("`route.{name}` is matched without the path's first slash, so {text:?} never matches");
            let mend = format!("[[route]]\n{name} = {}", toml::Value::from(rest));
            self.layers.problems.push(Problem::new(Code::Route, sentence).at(origin).mend(mend));
        }
        let sentences = match Route::compile(pattern) {
            Ok(route) => compile(text, route.names(), declared).err().unwrap_or_default(),
            Err(sentence) => vec![sentence],
        };
        for sentence in sentences {
            self.layers.problems.push(Problem::new(Code::Route, sentence).at(origin));
        }
    }

    fn receive(&mut self, entries: &[Entry], line: usize) -> Option<DeclaredReceive> {
        self.names(entries, "route.receive", &RECEIVE_NAMES, &RECEIVE_LATER);
        let when = find(entries, "when").map(|entry| (entry.node.to_json(), entry.line));
        let when = match when {
            None => Map::new(),
            Some((Value::Object(when), _)) => when,
            Some((_, line)) => {
                let mend = "when = { action = \"message\" }";
                self.report(line, Code::Route, "`when` is a table of keys and values", mend);
                Map::new()
            }
        };
        match find(entries, "reply") {
            Some(entry) => {
                let reply = Some(DeclaredOutput::Json(entry.node.to_json()));
                let action = DeclaredAction { reply, ..DeclaredAction::default() };
                Some(DeclaredReceive { when, action, ..DeclaredReceive::default() })
            }
            None if entries.iter().any(|entry| RECEIVE_LATER.contains(&entry.name.as_str())) => None,
            None => {
                self.report(
                    line,
                    Code::Route,
                    "`receive` says nothing to do",
                    "reply = { message = \"{{ content.message }}\" }",
                );
                None
            }
        }
    }

    fn names(&mut self, entries: &[Entry], table: &str, known: &[&str], later: &[&str]) {
        for entry in entries {
            let name = entry.name.as_str();
            if later.contains(&name) {
                let sentence = format!("`{table}.{name}` is not in this version");
                self.report(entry.line, Code::NotInThisVersion, &sentence, "");
            } else if !known.contains(&name) {
                let near = key::nearest(name, known.iter().chain(later).copied());
                let mend = near.map(|near| format!("Did you mean `{near}`?")).unwrap_or_default();
                self.report(entry.line, Code::UnknownKey, &format!("there is no setting `{table}.{name}`"), &mend);
            }
        }
    }

    fn texts(&mut self, entries: &[Entry], name: &str) -> Vec<String> {
        let Some(entry) = find(entries, name) else { return Vec::new() };
        match Kind::Texts.accept(entry.node.to_json()) {
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => {
                let sentence = format!("`route.{name}` takes {}", Kind::Texts.describe());
                self.report(entry.line, Code::WrongType, &sentence, "");
                Vec::new()
            }
        }
    }

    fn text(&mut self, entries: &[Entry], name: &str) -> Option<String> {
        let entry = find(entries, name)?;
        if let NodeValue::Leaf(Value::String(text)) = &entry.node.value {
            return Some(text.clone());
        }
        self.report(entry.line, Code::WrongType, &format!("`route.{name}` takes text in quotes"), "");
        // A text stands in for it, so that its lack is not reported too.
        Some(String::new())
    }

    fn report(&mut self, line: usize, code: Code, sentence: &str, mend: &str) {
        let origin = Origin::File { path: self.file.to_owned(), line };
        self.layers.problems.push(Problem::new(code, sentence).at(&origin).mend(mend));
    }
}

fn find<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.name == name)
}
