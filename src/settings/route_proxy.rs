//! `[[route]]` with `proxy`, and the routes that the project's own ASGI application has.

use std::time::Duration;

use serde_json::Value;

use super::{
    django::AsgiRoute,
    kind::Kind,
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
    route_declared,
    route_table::{find, first},
    toml_file::{Entry, Node, NodeValue},
    upstream::{self, UpstreamSettings},
};
use crate::{
    consumer::{RouteKind, RouteOptions, RoutePattern},
    upstream::{HoldOptions, ProxyOptions, RouteAuth, UpstreamOptions},
    websocket::Route,
};

/// What only a proxied route may say.
const ONLY_PROXIED: [&str; 3] = ["auth", "hold", "hold_buffer"];
const PROXY_FORMS: &str = "proxy = true        # or a URL such as \"http://127.0.0.1:8000\", or a list of them";

/// What a proxied route is read beside.
pub(super) struct Surroundings<'a> {
    pub(super) upstream: &'a UpstreamSettings,
    /// The routes of the project's ASGI application.
    pub(super) found: &'a [AsgiRoute],
}

/// Whether a `[[route]]` says where its sockets are passed on.
pub(super) fn is_proxied(table: &Node) -> bool {
    matches!(&table.value, NodeValue::Table(entries) if has_proxy(entries))
}

/// Whether one of these is `proxy`.
pub(super) fn has_proxy(entries: &[Entry]) -> bool {
    find(entries, "proxy").is_some()
}

/// What a `[[route]]` says about its proxy; `None` where it has none, or it cannot be used, which is reported.
pub(super) fn read(
    entries: &[Entry],
    pattern: &RoutePattern,
    file: &str,
    around: &Surroundings<'_>,
    layers: &mut Layers,
) -> Option<ProxyOptions> {
    let mut reader = Reader { file, layers };
    let Some(entry) = find(entries, "proxy") else {
        for entry in entries.iter().filter(|entry| ONLY_PROXIED.contains(&entry.name.as_str())) {
            let sentence =
                format!("`route.{}` is about a route that is passed on, and this one has no `proxy`", entry.name);
            reader.report(entry.line, Code::Route, &sentence, PROXY_FORMS);
        }
        return None;
    };
    let declared = first(entries, &route_declared::NAMES);
    if let Some(declared) = declared {
        let sentence =
            format!("a route has a `proxy` or `{}`: either Django's consumer answers, or this table", declared.name);
        reader.report(declared.line, Code::Route, &sentence, "");
    }
    // Each part is read whatever became of the others, so that all problems are told.
    let upstream = reader.upstream(entry, around.upstream);
    let auth = match (find(entries, "auth"), declared) {
        // Who checks the ticket is a question once it is known that Django's consumer answers.
        (None, Some(_)) => None,
        (auth, _) => reader.auth(auth, pattern, entry.line, around),
    };
    let hold = reader.hold(entries, around.upstream);
    Some(ProxyOptions { upstream: upstream?, auth: auth?, hold: hold? })
}

struct Reader<'a> {
    file: &'a str,
    layers: &'a mut Layers,
}

impl Reader<'_> {
    /// `proxy`: servers of the route's own, or `None` for those of `[upstream]`.
    #[expect(clippy::option_option, reason = "the outer one says that a problem was reported")]
    fn upstream(&mut self, entry: &Entry, upstream: &UpstreamSettings) -> Option<Option<UpstreamOptions>> {
        let origin = self.origin(entry.line);
        let listed = match entry.node.to_json() {
            Value::Bool(true) if upstream.is_stated => return Some(None),
            Value::Bool(true) => {
                let sentence = "`proxy = true` passes sockets on to [upstream], and there is none";
                let mend = "[upstream]\nurl = \"http://127.0.0.1:8000\"";
                self.report(entry.line, Code::Route, sentence, mend);
                return None;
            }
            value => Kind::Texts.accept(value).filter(|list| list.as_array().is_some_and(|list| !list.is_empty())),
        };
        let Some(Value::Array(listed)) = listed else {
            let sentence = "`route.proxy` takes true, an address or a list of addresses";
            self.report(entry.line, Code::WrongType, sentence, PROXY_FORMS);
            return None;
        };
        let listed: Vec<String> = listed.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let servers = upstream::servers("route.proxy", &listed, &origin, self.layers)?;
        let bind = self.layers.values.text_or("bind", super::server::DEFAULT_BIND);
        upstream::check_loop(&bind, &servers, &origin, self.layers);
        Some(Some(upstream::options(&self.layers.values, servers)))
    }

    /// `auth`: as stated, or as the project's ASGI application has it.
    fn auth(
        &mut self,
        entry: Option<&Entry>,
        pattern: &RoutePattern,
        line: usize,
        around: &Surroundings<'_>,
    ) -> Option<RouteAuth> {
        const MEND: &str = "auth = \"ticket\"        # JwtAuthMiddleware stands before the consumer: the ticket is redeemed here\n\
                            # or \"none\": sessions or public sockets, passed on untouched";
        if let Some(entry) = entry {
            return match &entry.node.value {
                NodeValue::Leaf(Value::String(word)) if word == "ticket" => Some(RouteAuth::Ticket),
                NodeValue::Leaf(Value::String(word)) if word == "none" => Some(RouteAuth::Untouched),
                _ => {
                    self.report(entry.line, Code::WrongType, "`route.auth` takes \"ticket\" or \"none\"", MEND);
                    None
                }
            };
        }
        let found = around.found.iter().find(|route| route.pattern().as_ref() == Some(pattern));
        if found.is_none() {
            let sentence = "whether JwtAuthMiddleware stands before this route's consumer is not known: no route of the \
                            project's ASGI application is written like this one";
            self.report(line, Code::Route, sentence, MEND);
        }
        found.map(auth_of)
    }

    /// `hold` and `hold_buffer`; without them `[upstream]`'s.
    #[expect(clippy::option_option, reason = "the outer one says that a problem was reported")]
    fn hold(&mut self, entries: &[Entry], upstream: &UpstreamSettings) -> Option<Option<HoldOptions>> {
        let time = match find(entries, "hold") {
            None => upstream.hold.map(|hold| hold.time),
            Some(entry) => match entry.node.to_json() {
                Value::Bool(false) => None,
                value => Some(self.seconds(entry.line, value)?),
            },
        };
        let time = time.filter(|time| !time.is_zero());
        let buffer = match find(entries, "hold_buffer") {
            None if time.is_some() => Some(upstream::buffer(&self.layers.values)),
            None => None,
            Some(entry) => Some(self.bytes(entry)?),
        };
        if time.is_none() && buffer.is_some() && find(entries, "hold").is_none() {
            let line = find(entries, "hold_buffer").map_or(0, |entry| entry.line);
            self.report(line, Code::Route, "`route.hold_buffer` needs a `hold`", "hold = \"30s\"");
        }
        Some(time.zip(buffer).map(|(time, buffer)| HoldOptions { time, buffer }))
    }

    fn seconds(&mut self, line: usize, value: Value) -> Option<Duration> {
        let seconds = Kind::Seconds.accept(value).and_then(|seconds| seconds.as_f64());
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if time.is_none() {
            let sentence = format!("`route.hold` takes {}, or false", Kind::Seconds.describe());
            self.report(line, Code::WrongType, &sentence, "hold = \"30s\"");
        }
        time
    }

    fn bytes(&mut self, entry: &Entry) -> Option<usize> {
        let bytes = Kind::Bytes.accept(entry.node.to_json()).and_then(|bytes| bytes.as_u64());
        let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
        if bytes.is_none() {
            let sentence = format!("`route.hold_buffer` takes {}", Kind::Bytes.describe());
            self.report(entry.line, Code::WrongType, &sentence, "hold_buffer = \"64 KiB\"");
        }
        bytes
    }

    fn origin(&self, line: usize) -> Origin {
        Origin::File { path: self.file.to_owned(), line }
    }

    fn report(&mut self, line: usize, code: Code, sentence: &str, mend: &str) {
        let origin = self.origin(line);
        self.layers.problems.push(Problem::new(code, sentence).at(&origin).mend(mend));
    }
}

/// Who checks the ticket of a route of Django's. Where a subclass of `JwtAuthMiddleware` replaces a method, only its
/// own Python knows what it lets in.
pub(super) fn auth_of(route: &AsgiRoute) -> RouteAuth {
    if route.auth == "ticket" && route.overridden.is_empty() { RouteAuth::Ticket } else { RouteAuth::Untouched }
}

/// The routes of the project's ASGI application, as proxies to `[upstream]`; they come after `stated`. From
/// a pattern on that cannot be compiled here, all sockets go to Django untouched: an earlier route must not be passed
/// over for a later one.
pub(super) fn of_django(around: &Surroundings<'_>, stated: &[RouteOptions], layers: &mut Layers) -> Vec<RouteOptions> {
    let is_stated = |pattern: &RoutePattern| stated.iter().any(|route| route.pattern == *pattern);
    if is_stated(&RoutePattern::Regex(String::new())) {
        return Vec::new();
    }
    let hold = around.upstream.hold;
    let route = |pattern, matches, auth| {
        let proxy = ProxyOptions { upstream: None, auth, hold };
        RouteOptions { matches, ..RouteOptions::new(pattern, RouteKind::Proxy(proxy)) }
    };
    // One that is answered here may be written like it, and yet match fewer paths.
    let is_covered = |pattern: &RoutePattern, matches: &Option<String>| {
        stated.iter().any(|route| route.pattern == *pattern && (matches.is_none() || route.matches == *matches))
    };
    let mut routes = Vec::new();
    for found in around.found {
        let matched = found.matched();
        match matched.as_ref().map_or_else(|| Err("it has no pattern".to_owned()), Route::compile) {
            Ok(_) => {
                let pattern = found.pattern().filter(|pattern| !is_covered(pattern, &found.matches));
                routes.extend(pattern.map(|pattern| route(pattern, found.matches.clone(), auth_of(found))));
            }
            Err(sentence) => {
                let consumer = found.consumer.as_deref().unwrap_or("a consumer");
                layers.notes.push(format!(
                    "the route to {consumer} cannot be matched here ({sentence}): its sockets, and those of the routes \
                     after it, are passed on untouched"
                ));
                break;
            }
        }
    }
    if hold.is_some() {
        // Whatever no route has is held, too.
        routes.push(route(RoutePattern::Regex(String::new()), None, RouteAuth::Untouched));
    }
    routes
}

/// What is matched in the place of a proxied route's pattern: as the project's route does that is written like it.
pub(super) fn matches(pattern: &RoutePattern, around: &Surroundings<'_>) -> Option<String> {
    let found = around.found.iter().find(|route| route.pattern().as_ref() == Some(pattern))?;
    let matched = found.matched().filter(|matched| Route::compile(matched).is_ok());
    matched.and_then(|_| found.matches.clone())
}
