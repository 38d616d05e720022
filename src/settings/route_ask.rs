//! `[route.ask]` and `[ask]`: the Django views that decide.

use std::time::Duration;

use http::HeaderName;
use url::Url;

use super::{
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
    route_table::{Reader, find},
    toml_file::Entry,
};
use crate::{
    consumer::{AskOptions, AskSettings, AskUrl},
    secret::Secret,
};

pub(super) const MEND: &str = "[route.ask]\nurl = \"/sockets/room/\"";
const TABLE: &str = "route.ask";
const NAMES: [&str; 4] = ["url", "on", "timeout", "forward_headers"];

/// `[ask]`. The key is Django's, where none is stated. `needed_by`: the first route that asks.
pub(super) fn settings(layers: &mut Layers, needed_by: Option<&Origin>) -> AskSettings {
    const MEND_KEY: &str = "[ask]\nkey = \"...\"        # the `secret` of the view's salted_hmac";
    let default = AskSettings::default();
    let text = |path| layers.values.text(path);
    let key = text("ask.key").or_else(|| text("secret_key")).filter(|key| !key.is_empty()).map(Secret::new);
    let problem = match (&key, needed_by) {
        (None, _) if text("ask.key").is_some() => {
            let sentence = "`ask.key` is empty, and signs nothing; without it SECRET_KEY does";
            Some(Problem::new(Code::BadValue, sentence).at(layers.values.origin("ask.key")))
        }
        (None, Some(route)) => {
            let sentence = "this route asks a view, and there is neither a SECRET_KEY nor [ask] key to sign it with";
            Some(Problem::new(Code::Route, sentence).at(route))
        }
        _ => None,
    };
    layers.problems.extend(problem.map(|problem| problem.mend(MEND_KEY)));
    AskSettings { key, max_open: super::websocket::size(&layers.values, "ask.max_open", default.max_open) }
}

/// `[route.ask]`; `None` where there is none, or it cannot be used, which is reported.
pub(super) fn read(entries: &[Entry], has_upstream: bool, reader: &mut Reader<'_>) -> Option<AskOptions> {
    let line = find(entries, "ask")?.line;
    let table = reader.table(entries, "ask", MEND)?;
    reader.names(table, TABLE, &NAMES);
    let url = url(table, line, has_upstream, reader);
    let (on_connect, on_disconnect) = on(table, reader);
    let timeout = reader.seconds(table, TABLE, "timeout", "timeout = \"3s\"");
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        let line = find(table, "timeout").map_or(line, |entry| entry.line);
        reader.report(
            line,
            Code::Route,
            "`route.ask.timeout` is how long an answer may take: more than 0",
            "timeout = \"3s\"",
        );
    }
    let headers = reader.texts(table, TABLE, "forward_headers").unwrap_or_default();
    let line = find(table, "forward_headers").map_or(line, |entry| entry.line);
    for name in headers.iter().filter(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
        let sentence = format!("`route.ask.forward_headers` takes names of headers, not {name:?}");
        reader.report(line, Code::Route, &sentence, "forward_headers = [\"accept-language\"]");
    }
    Some(AskOptions {
        url: url?,
        on_connect,
        on_disconnect,
        timeout: timeout.unwrap_or(Duration::from_secs(3)),
        forward_headers: headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
    })
}

fn url(table: &[Entry], line: usize, has_upstream: bool, reader: &mut Reader<'_>) -> Option<AskUrl> {
    let Some(entry) = find(table, "url") else {
        reader.report(line, Code::Route, "`route.ask` has no `url` to ask", MEND);
        return None;
    };
    let text = reader.text(table, TABLE, "url")?;
    if text.starts_with('/') && !text.starts_with("//") && !text.contains(['#', ' ']) {
        if !has_upstream {
            let sentence = "`route.ask.url` is a path on [upstream], and there is none";
            let mend = "[upstream]\nurl = \"http://127.0.0.1:8000\"        # or a whole URL: url = \"http://127.0.0.1:8000/sockets/\"";
            reader.report(entry.line, Code::Route, sentence, mend);
        }
        return Some(AskUrl::Path(text));
    }
    let is_url = Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    });
    if is_url {
        return Some(AskUrl::Url(text));
    }
    // Not shown: it may hold a password.
    let sentence =
        "`route.ask.url` takes a path that starts with a slash, or a URL with http:// or https:// and no password";
    reader.report(entry.line, Code::Route, sentence, MEND);
    None
}

fn on(table: &[Entry], reader: &mut Reader<'_>) -> (bool, bool) {
    let Some(entry) = find(table, "on") else { return (true, false) };
    let on = reader.texts(table, TABLE, "on").unwrap_or_default();
    for word in on.iter().filter(|word| !["connect", "disconnect"].contains(&word.as_str())) {
        let (sentence, mend) = match word.as_str() {
            "receive" => ("frames are asked about one by one", "[[route.receive]]\nask = true"),
            _ => ("`route.ask.on` takes \"connect\" and \"disconnect\"", "on = [\"connect\", \"disconnect\"]"),
        };
        reader.report(entry.line, Code::Route, sentence, mend);
    }
    let has = |name: &str| on.iter().any(|word| word == name);
    (has("connect"), has("disconnect"))
}
