//! `[websocket]`: who may open a socket, and how an open one is kept.

use std::time::Duration;

use serde_json::Value;

use super::{
    django::{Asgi, Django, Origins},
    layer::Layers,
    problem::{Code, Problem},
    values::Values,
};
use crate::websocket::{DeflateOptions, OriginPolicy, RefuseBy, WebSocketOptions};

const MEND: &str = "[websocket]\n\
                    allowed_origins = \"allowed_hosts\"        # AllowedHostsOriginValidator\n\
                    # or a list as OriginValidator takes it: [\"https://example.com\"]\n\
                    # or \"not_checked\", where the project has no origin validator";

/// How often the users of open sockets are looked up again.
const DEFAULT_USER_CHECK: Duration = Duration::from_secs(30);

/// Who answers the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sockets {
    None,
    /// Django alone, whose own validator sees every handshake, too.
    Django,
    /// Some are answered here.
    Here,
}

/// Fills in the options. The origin policy has to be known only where sockets are answered here.
pub(super) fn read(layers: &mut Layers, django: &Django, sockets: Sockets) -> WebSocketOptions {
    let default = WebSocketOptions::default();
    let origins = match origins(layers, django) {
        Ok(origins) => origins,
        Err(problem) => {
            if sockets == Sockets::Here || problem.code != Code::OriginsUnknown {
                layers.problems.push(problem);
            }
            if sockets == Sockets::Django { OriginPolicy::NotChecked } else { OriginPolicy::Allowed(Vec::new()) }
        }
    };
    check_subprotocols(layers);
    let values = &layers.values;
    WebSocketOptions {
        origins,
        check_user_is_active: values.boolean("websocket.check_user_is_active", default.check_user_is_active),
        expire_with_token: values.boolean("websocket.expire_with_token", default.expire_with_token),
        user_check_interval: user_check_interval(values),
        refuse: match values.text_or("websocket.refuse", "status").as_str() {
            "close" => RefuseBy::Close,
            _ => RefuseBy::Status,
        },
        subprotocols: values.texts_or("websocket.subprotocols", &default.subprotocols),
        max_message_size: size(values, "websocket.max_message_size", default.max_message_size),
        compression: compression(values),
        ping_interval: values.seconds("websocket.ping_interval", default.ping_interval),
        ping_timeout: values.seconds("websocket.ping_timeout", default.ping_timeout),
        close_timeout: values.seconds("websocket.close_timeout", default.close_timeout),
    }
}

fn compression(values: &Values) -> Option<DeflateOptions> {
    let default = DeflateOptions::default();
    values.boolean("websocket.compression", false).then(|| DeflateOptions {
        min_size: size(values, "websocket.compression_min_size", default.min_size),
        memory: size(values, "websocket.compression_memory", default.memory),
    })
}

/// A size in bytes.
pub(super) fn size(values: &Values, path: &'static str, default: usize) -> usize {
    let default_shown = u64::try_from(default).unwrap_or(u64::MAX);
    usize::try_from(values.count_or(path, default_shown)).unwrap_or(default)
}

/// RFC 6455, 4.1: a subprotocol is a token of HTTP.
fn check_subprotocols(layers: &mut Layers) {
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let listed = layers.values.texts("websocket.subprotocols").unwrap_or_default();
    for text in listed.iter().filter(|text| !is_token(text)) {
        let sentence = format!("`websocket.subprotocols` takes names without spaces and commas, not {text:?}");
        let problem = Problem::new(Code::BadValue, sentence).at(layers.values.origin("websocket.subprotocols"));
        layers.problems.push(problem.mend("[websocket]\nsubprotocols = [\"graphql-transport-ws\"]"));
    }
}

/// Whether any `Origin` header could equal it.
fn is_origin(text: &str) -> bool {
    let count = |bracket| text.matches(bracket).count();
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control()) && count('[') == count(']')
}

fn origins(layers: &mut Layers, django: &Django) -> Result<OriginPolicy, Problem> {
    if let Some((value, origin)) = layers.values.given("websocket.allowed_origins") {
        return match value {
            Value::String(word) if word == "not_checked" => Ok(OriginPolicy::NotChecked),
            Value::String(word) if word == "allowed_hosts" => Ok(OriginPolicy::Allowed(allowed_hosts(&layers.values))),
            Value::Array(_) => {
                let listed = layers.values.texts("websocket.allowed_origins").unwrap_or_default();
                match listed.iter().find(|text| !is_origin(text)) {
                    Some(text) => {
                        let sentence = format!("`websocket.allowed_origins` takes origins and hosts, not {text:?}");
                        Err(Problem::new(Code::BadValue, sentence).at(origin).mend(MEND))
                    }
                    None => Ok(OriginPolicy::Allowed(listed)),
                }
            }
            Value::String(origin)
                if origin == "*" || origin.contains('.') || origin.contains("://") || origin == "localhost" =>
            {
                Ok(OriginPolicy::Allowed(vec![origin.clone()]))
            }
            _ => {
                let sentence =
                    "`websocket.allowed_origins` takes \"allowed_hosts\", \"not_checked\" or a list of origins";
                Err(Problem::new(Code::BadValue, sentence).at(origin).mend(MEND))
            }
        };
    }
    let unknown = |sentence: &str| Problem::new(Code::OriginsUnknown, sentence).mend(MEND);
    match django.item::<Asgi>("asgi") {
        Ok(Some(Asgi { origins: Origins::NotChecked, .. })) => Ok(OriginPolicy::NotChecked),
        Ok(Some(Asgi { origins: Origins::Allowed { allowed }, .. })) => Ok(OriginPolicy::Allowed(allowed)),
        Ok(Some(Asgi { origins: Origins::Unknown, .. })) => {
            Err(unknown("whether the ASGI application checks origins could not be told by looking at it"))
        }
        Ok(None) if django.present => {
            Err(unknown("no ASGI application was named, so it is not known which origins it lets in"))
        }
        Ok(None) => Err(unknown("it is not known which origins may open sockets")),
        Err(problem) => Err(Problem { code: Code::OriginsUnknown, ..problem }.mend(MEND)),
    }
}

fn user_check_interval(values: &Values) -> Option<Duration> {
    match values.given("websocket.user_check_interval") {
        Some((Value::Null, _)) => None,
        _ => Some(values.seconds("websocket.user_check_interval", DEFAULT_USER_CHECK)).filter(|time| !time.is_zero()),
    }
}

/// Matches channels 4.3.2, security/websocket.py, `AllowedHostsOriginValidator`.
fn allowed_hosts(values: &Values) -> Vec<String> {
    let hosts = values.texts_or("allowed_hosts", &[]);
    if hosts.is_empty() && values.boolean("debug", false) {
        return ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec();
    }
    hosts
}
