//! What can go wrong with a frame or an event: counted by kind, logged now and then, and never with what a client sent.

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{MAX_DEPTH, template::TemplateError, values::NotAValue};
use crate::{causes::with_causes, channel_layer::ChannelLayerError, python::json};

/// Why a frame or an event was not handled as the route says.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the frame is not JSON")]
    InvalidJson,
    #[error("no rule of the route fits the frame")]
    NoRule,
    #[error("more than {MAX_DEPTH} containers within one another")]
    TooDeep,
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Json(#[from] json::Unserializable),
    #[error(transparent)]
    NotAValue(#[from] NotAValue),
    #[error("a binary message is bytes or text")]
    NotBytes,
    #[error(transparent)]
    Layer(#[from] ChannelLayerError),
    /// `Incoming message has no 'type' attribute`; or it is no text.
    #[error("the event has no type")]
    NoType,
    /// `Malformed type in message (leading underscore)`.
    #[error("the event's type begins with an underscore")]
    MalformedType,
    /// `No handler for message type ...`.
    #[error("no [route.events] has the event's type {0}")]
    NoHandler(TypeName),
}

/// An event's type where it is a name, so that a log has a line for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TypeName(String);

impl TypeName {
    const MAX_LENGTH: usize = 100;

    pub(super) fn new(text: &str) -> Self {
        let is_name = text.len() <= Self::MAX_LENGTH
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':'));
        Self(if is_name { format!("{text:?}") } else { "(which is no name)".to_owned() })
    }
}

impl std::fmt::Display for TypeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kinds that are counted. Their names are in the log and in the documentation, and never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FailureKind {
    InvalidJson,
    NoRule,
    TooDeep,
    TemplateFailed,
    LayerRefused,
    ChannelFull,
    LayerUnavailable,
    EventMalformed,
    EventUnknown,
}

impl FailureKind {
    pub(crate) const ALL: [Self; 9] = [
        Self::InvalidJson,
        Self::NoRule,
        Self::TooDeep,
        Self::TemplateFailed,
        Self::LayerRefused,
        Self::ChannelFull,
        Self::LayerUnavailable,
        Self::EventMalformed,
        Self::EventUnknown,
    ];

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::NoRule => "no_rule",
            Self::TooDeep => "too_deep",
            Self::TemplateFailed => "template_failed",
            Self::LayerRefused => "layer_refused",
            Self::ChannelFull => "channel_full",
            Self::LayerUnavailable => "layer_unavailable",
            Self::EventMalformed => "event_malformed",
            Self::EventUnknown => "event_unknown",
        }
    }
}

impl Failure {
    pub(super) const fn kind(&self) -> FailureKind {
        match self {
            Self::InvalidJson => FailureKind::InvalidJson,
            Self::NoRule => FailureKind::NoRule,
            Self::TooDeep => FailureKind::TooDeep,
            Self::Template(_) | Self::Json(_) | Self::NotAValue(_) | Self::NotBytes => FailureKind::TemplateFailed,
            Self::Layer(ChannelLayerError::ChannelFull) => FailureKind::ChannelFull,
            Self::Layer(ChannelLayerError::Unavailable(_)) => FailureKind::LayerUnavailable,
            Self::Layer(_) => FailureKind::LayerRefused,
            Self::NoType | Self::MalformedType => FailureKind::EventMalformed,
            Self::NoHandler(_) => FailureKind::EventUnknown,
        }
    }
}

/// The failures of one route.
#[derive(Debug)]
pub(super) struct Failures {
    route: String,
    counts: [AtomicU64; FailureKind::ALL.len()],
    /// The types of events that were logged as unknown.
    unknown: Mutex<HashSet<TypeName>>,
}

impl Failures {
    /// Types of events that are each logged; a project has no more, unless clients name them.
    const MOST_TYPES: usize = 64;

    pub(super) fn new(route: &str) -> Self {
        Self { route: route.to_owned(), counts: Default::default(), unknown: Mutex::default() }
    }

    /// How many there were of a kind.
    #[cfg(test)]
    pub(super) fn count(&self, kind: FailureKind) -> u64 {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    /// Counts a failure, and logs it: the first of its kind, then each time that their number has doubled. Of events
    /// without a handler, the first of each type.
    pub(super) fn add(&self, failure: &Failure) {
        let kind = failure.kind();
        let count = self.counts[kind as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let is_news = match failure {
            Failure::NoHandler(name) => self.is_new(name),
            _ => false,
        };
        if is_news || count.is_power_of_two() {
            let (route, kind, error) = (&self.route, kind.code(), with_causes(failure));
            tracing::warn!(route, kind, count, error, "a frame or an event was not handled");
        }
    }

    fn is_new(&self, name: &TypeName) -> bool {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.len() < Self::MOST_TYPES && unknown.insert(name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_count() {
        let failures = Failures::new("ws/");
        for failure in [Failure::InvalidJson, Failure::NoType, Failure::MalformedType] {
            failures.add(&failure);
        }
        failures.add(&Failure::Layer(ChannelLayerError::ChannelFull));
        let counts: Vec<_> =
            FailureKind::ALL.iter().map(|kind| (kind.code(), failures.count(*kind))).filter(|(_, n)| *n > 0).collect();
        assert_eq!(counts, [("invalid_json", 1), ("channel_full", 1), ("event_malformed", 2)]);
        for (index, kind) in FailureKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }

    #[test]
    fn a_type_is_news_once_and_shown_only_where_it_is_a_name() {
        let failures = Failures::new("ws/");
        assert!(failures.is_new(&TypeName::new("chat.message")));
        assert!(!failures.is_new(&TypeName::new("chat.message")));
        for number in 0..1000 {
            failures.is_new(&TypeName::new(&number.to_string()));
        }
        assert_eq!(failures.unknown.lock().unwrap().len(), Failures::MOST_TYPES);
        let text = Failure::NoHandler(TypeName::new("hunter2 <b>")).to_string();
        assert_eq!(text, "no [route.events] has the event's type (which is no name)");
    }
}
