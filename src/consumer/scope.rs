//! What a consumer knows of its client: the parts of Channels' `scope`.

use std::borrow::Cow;

use super::Connection;
use crate::{
    channel_layer,
    python::{self, Value},
    user::UserId,
};

impl Connection {
    /// `scope["url_route"]["kwargs"][name]`, as text: what the route captured under this name.
    #[must_use]
    pub fn kwarg(&self, name: &str) -> Option<Cow<'_, str>> {
        let index = self.context().captures.iter().position(|known| known == name)?;
        text(self.state.captures.get(index)?.as_ref()?)
    }

    /// `scope["user"].pk`, a number or a text.
    #[must_use]
    pub fn user_id(&self) -> channel_layer::Value {
        match &self.state.user {
            UserId::Int(number) => (*number).into(),
            UserId::Uuid(uuid) => uuid.hyphenated().to_string().into(),
            UserId::Text(text) => text.as_str().into(),
        }
    }

    /// `scope["user"].get_username()`, where the project's user model has one.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.state.username.as_deref()
    }

    /// Another column of `scope["user"]`, which `[websocket] user_fields` names; `None` also where it is no text, number or
    /// other plain value.
    #[must_use]
    pub fn user_field(&self, name: &str) -> Option<channel_layer::Value> {
        let (_, value) = self.state.user_fields.iter().find(|(known, _)| **known == *name)?;
        Some(match value {
            Value::None => channel_layer::Value::Nil,
            Value::Bool(flag) => (*flag).into(),
            Value::Int(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Bytes(bytes) => channel_layer::Value::Bytes(bytes.clone()),
            Value::List(_) | Value::Dict(_) => return None,
            other => python::str(other)?.into(),
        })
    }

    /// `parse_qs(scope["query_string"])[name][-1]`. The ticket is not among them.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.state.query.as_ref()?.get(name)?.as_str()
    }

    /// A header of the handshake, its name in lower case; several of one name are joined with `, `. `authorization` and
    /// `cookie` are not kept.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.state.headers.as_ref()?.get(name)?.as_str()
    }

    /// `scope["subprotocols"]`: those that the client offers, in its order.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        let offered = self.header("sec-websocket-protocol").unwrap_or_default();
        offered.split(',').map(str::trim).filter(|name| !name.is_empty())
    }
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Str(text) => Some(Cow::Borrowed(text)),
        other => python::str(other).map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::consumer::Recorder;

    #[test]
    fn a_consumer_sees_its_client() {
        let captures = [("room", Value::Str("lobby".to_owned())), ("number", Value::Int(7))];
        let connection = Arc::new(Recorder::default()).connection(&captures);
        assert_eq!(connection.kwarg("room").as_deref(), Some("lobby"));
        assert_eq!(connection.kwarg("number").as_deref(), Some("7"));
        assert_eq!(connection.kwarg("other"), None);
        assert_eq!((connection.user_id(), connection.username()), (1.into(), Some("alice")));
        assert_eq!((connection.query("lang"), connection.query("uuid")), (Some("de"), None));
        assert_eq!(connection.header("user-agent"), Some("test"));
        assert_eq!(connection.subprotocols().count(), 0);
    }
}
