//! What a template is given: of all that it may read, what it reads.

use std::{collections::BTreeSet, time::SystemTime};

use minijinja::value::Value as Jinja;

use super::{now, values};
use crate::{
    consumer::{Connection, ConnectionState, Frame},
    python::Value,
};

/// Everything that is known where a template is filled in.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    /// What the route's captures are called.
    pub(super) names: &'a [String],
    pub(super) captures: &'a [Option<Value>],
    /// None before there is a user.
    pub(super) connection: Option<&'a Connection>,
    pub(super) cause: Cause<'a>,
    pub(super) now: SystemTime,
}

/// What has happened.
#[derive(Clone, Copy)]
pub(super) enum Cause<'a> {
    Connect,
    /// A frame, and its JSON where it is read and is some.
    Frame(&'a Frame, Option<&'a Value>),
    Event(&'a Jinja),
    Disconnect(u16),
}

impl Given<'_> {
    /// The values of those names that are read.
    pub(super) fn context(&self, reads: &BTreeSet<String>) -> Jinja {
        values::dict(reads.iter().filter_map(|name| Some((name.as_str(), self.value(name)?))))
    }

    fn value(&self, name: &str) -> Option<Jinja> {
        // A captured name hides one of ours.
        if let Some(index) = self.names.iter().position(|captured| captured == name) {
            return self.captures.get(index)?.as_ref().map(values::from_python);
        }
        match (name, self.cause) {
            ("content", Cause::Frame(_, content)) => content.map(values::from_python),
            ("text", Cause::Frame(Frame::Text(text), _)) => Some(Jinja::from(text.as_str())),
            ("bytes", Cause::Frame(Frame::Binary(bytes), _)) => Some(Jinja::from_bytes(bytes.clone())),
            ("event", Cause::Event(event)) => Some(event.clone()),
            ("code", Cause::Disconnect(code)) => Some(Jinja::from(code)),
            ("now", _) => Some(Jinja::from(now::isoformat(self.now))),
            ("channel_name", _) => self.connection?.channel_name().map(Jinja::from),
            _ => of_state(name, &self.connection?.state),
        }
    }
}

fn of_state(name: &str, state: &ConnectionState) -> Option<Jinja> {
    match name {
        "user" => Some(user(state)),
        "query" => state.query.as_deref().map(values::from_python),
        "headers" => state.headers.as_deref().map(values::from_python),
        "context" => state.context.as_deref().map(values::from_python),
        _ => None,
    }
}

fn user(state: &ConnectionState) -> Jinja {
    let id = ("id", values::from_python(&Value::from(&state.user)));
    let username = state.username.as_deref().map(|username| ("username", Jinja::from(username)));
    let fields = state.user_fields.iter().map(|(name, value)| (name.as_ref(), values::from_python(value)));
    values::dict(std::iter::once(id).chain(username).chain(fields))
}
