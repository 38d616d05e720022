//! `[[route]]`.

use std::{fmt, sync::Arc, time::Duration};

use super::Application;
use crate::{secret::Secret, upstream::ProxyOptions};

/// One WebSocket route, in the order in which routes are tried.
#[derive(Clone, Debug)]
pub(crate) struct RouteOptions {
    pub(crate) pattern: RoutePattern,
    /// The regular expression that is matched in the place of `pattern`, which is then only shown.
    pub(crate) matches: Option<String>,
    pub(crate) kind: RouteKind,
    /// What waits for a client that reads slowly. Not for proxied routes.
    pub(crate) outbox: OutboxOptions,
    /// `connections`: how many sockets it may have in this process. Default: unlimited.
    pub(crate) connections: Option<usize>,
}

impl RouteOptions {
    /// A route with the defaults of all else.
    pub(crate) fn new(pattern: RoutePattern, kind: RouteKind) -> Self {
        Self { pattern, matches: None, kind, outbox: OutboxOptions::default(), connections: None }
    }

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
    /// A consumer of a few lines of TOML.
    Declared(Box<DeclaredOptions>),
    /// `proxy`: Django's own consumer, behind us.
    Proxy(ProxyOptions),
}

impl RouteKind {
    /// Whether it does nothing without a channel layer.
    pub(crate) fn needs_channel_layer(&self) -> bool {
        match self {
            Self::Declared(declared) => declared.needs_channel_layer(),
            Self::Rust(consumer) => consumer.0.has_channels(),
            Self::Proxy(_) => false,
        }
    }

    /// Whether a view is asked about it.
    pub(crate) fn asks(&self) -> bool {
        matches!(self, Self::Declared(declared) if declared.ask.is_some())
    }

    /// Whether it needs one, or could use it.
    pub(crate) fn uses_channel_layer(&self) -> bool {
        match self {
            Self::Declared(declared) => {
                declared.needs_channel_layer() || declared.ask.is_some() || declared.reads_channel_name()
            }
            Self::Rust(consumer) => consumer.application().has_channels(),
            Self::Proxy(_) => false,
        }
    }
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

/// What may wait to be sent to one client, and what happens beyond that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxOptions {
    /// `queue_messages`. Default: 1024.
    pub messages: usize,
    /// `queue_bytes`. A single message is always taken, however long it is. Default: 4 MiB.
    pub bytes: usize,
    /// `slow_client`. Default: close.
    pub policy: SlowClient,
}

impl Default for OutboxOptions {
    fn default() -> Self {
        Self { messages: 1024, bytes: 4 * 1024 * 1024, policy: SlowClient::Close }
    }
}

/// `slow_client`: what happens to a client for which too much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowClient {
    /// `"close"`: what waits is dropped, and the socket closed with 1013.
    #[default]
    Close,
    /// `"drop_oldest"`: the oldest events that wait make room.
    DropOldest,
    /// `"latest"`: of each type of event the latest stays, and the older ones make room.
    Latest,
}

/// A declared route. All texts may be templates: JSON whose texts may hold `{{ expressions }}`.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeclaredOptions {
    /// `groups`: joined when admitted, left when closed.
    pub(crate) groups: Vec<String>,
    /// `[[route.receive]]`: the first whose conditions fit the frame counts. None: frames are accepted and ignored.
    pub(crate) receive: Vec<DeclaredReceive>,
    /// `[route.events."chat.message"]`.
    pub(crate) events: Vec<DeclaredEvent>,
    /// `[route.on_connect]`: when the groups are joined.
    pub(crate) on_connect: Option<DeclaredAction>,
    /// `[route.on_disconnect]`: before the groups are left. Without `reply` and `close`.
    pub(crate) on_disconnect: Option<DeclaredAction>,
    /// `[route.ask]`.
    pub(crate) ask: Option<AskOptions>,
    /// `on_error`.
    pub(crate) on_error: OnError,
}

impl DeclaredOptions {
    /// Whether a client may be told its channel's name, by which others can send to it.
    fn reads_channel_name(&self) -> bool {
        fn mentions(value: &serde_json::Value) -> bool {
            match value {
                serde_json::Value::String(text) => text.contains("channel_name"),
                serde_json::Value::Array(items) => items.iter().any(mentions),
                serde_json::Value::Object(entries) => entries.values().any(mentions),
                _ => false,
            }
        }
        let output = |output: &DeclaredOutput| match output {
            DeclaredOutput::Json(json) => mentions(json),
            DeclaredOutput::Text(text) | DeclaredOutput::Bytes(text) => text.contains("channel_name"),
        };
        let actions = self.receive.iter().map(|receive| &receive.action).chain(&self.on_connect);
        actions.filter_map(|action| action.reply.as_ref()).any(output)
    }

    /// Whether it says so. A route that is [`ask`](Self::ask)ed may be told of groups later.
    pub(crate) fn needs_channel_layer(&self) -> bool {
        let sends = |action: &DeclaredAction| action.group_send.is_some() || action.channel_send.is_some();
        !self.groups.is_empty()
            || !self.events.is_empty()
            || self.receive.iter().any(|receive| sends(&receive.action))
            || self.on_connect.iter().chain(&self.on_disconnect).any(sends)
    }
}

/// `on_error`: what a frame or event that cannot be handled does to its socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnError {
    /// `"ignore"`: counted and logged, and the socket lives.
    #[default]
    Ignore,
    /// `"close"`: it is closed with 1011 besides, as Daphne does after an exception in a consumer.
    Close,
}

/// One `[[route.receive]]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeclaredReceive {
    /// `when`: these keys of the frame's JSON have these values; empty: every frame.
    pub(crate) when: serde_json::Map<String, serde_json::Value>,
    /// `frame`.
    pub(crate) frame: FrameKind,
    /// `ask = true`: `[route.ask]`'s view says what to do.
    pub(crate) ask: bool,
    pub(crate) action: DeclaredAction,
}

/// `frame`: which frames a rule is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FrameKind {
    #[default]
    Any,
    /// `"text"`.
    Text,
    /// `"binary"`.
    Binary,
}

/// What is done, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeclaredAction {
    /// `group_send`: the group.
    pub(crate) group_send: Option<String>,
    /// `channel_send`: the channel, such as that of a worker.
    pub(crate) channel_send: Option<String>,
    /// `event`: what is sent to them.
    pub(crate) event: Option<serde_json::Value>,
    /// `reply`, `reply_text` or `reply_bytes`.
    pub(crate) reply: Option<DeclaredOutput>,
    /// `close`.
    pub(crate) close: Option<DeclaredClose>,
}

/// A message to the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DeclaredOutput {
    /// `send`, `reply`: JSON, as `json.dumps` writes it.
    Json(serde_json::Value),
    /// `send_text`, `reply_text`: the text as it is.
    Text(String),
    /// `send_bytes`, `reply_bytes`: a binary message.
    Bytes(String),
}

/// `close = 4001`, or `close = { code = 4001, reason = "..." }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeclaredClose {
    pub(crate) code: u16,
    /// No template.
    pub(crate) reason: String,
}

/// One `[route.events."..."]`.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredEvent {
    /// The event's `type`, as written. Found as Channels finds a handler: `chat.message` and `chat_message` are one.
    pub(crate) event_type: String,
    /// `except`: the channel name of the one member that does not get it.
    pub(crate) except: Option<String>,
    /// `send`, `send_text` or `send_bytes`.
    pub(crate) send: Option<DeclaredOutput>,
    /// `close`.
    pub(crate) close: Option<DeclaredClose>,
}

/// `[route.ask]`: a Django view that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskOptions {
    /// `url`: a path on `[upstream]`, or a whole URL.
    pub(crate) url: AskUrl,
    /// `on`: asked when a socket connects.
    pub(crate) on_connect: bool,
    /// `on`: told when it has ended.
    pub(crate) on_disconnect: bool,
    /// `timeout`. Default: 3 s.
    pub(crate) timeout: Duration,
    /// `forward_headers`: which of the handshake's headers the view is given, in lower case.
    pub(crate) forward_headers: Vec<String>,
}

/// Where a view is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AskUrl {
    /// On `[upstream]`; sluicegate itself answers 404 there.
    Path(String),
    /// Anywhere: `http://` or `https://`.
    Url(String),
}

impl AskUrl {
    /// As written.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Path(text) | Self::Url(text) => text,
        }
    }
}

/// `[ask]`: what the views of all routes have in common.
#[derive(Clone, Debug)]
pub(crate) struct AskSettings {
    /// `key`: what questions are signed with. Where it is not set, `SECRET_KEY`; `None` where that is not known.
    pub(crate) key: Option<Secret>,
    /// `max_open`: how many questions are open at a time. Default: 100.
    pub(crate) max_open: usize,
}

impl Default for AskSettings {
    fn default() -> Self {
        Self { key: None, max_open: 100 }
    }
}
