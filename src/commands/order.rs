//! `sluicegate.disconnect`: who, and with which close.

use crate::{
    channel_layer::{Value, is_valid_channel_name},
    reason::Reason,
    user::UserId,
    websocket::{
        ConnectedSocket,
        close::{CloseFrame, is_valid_code},
    },
};

/// Whose sockets are closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// By the primary key, as text.
    Key(String),
    /// By `get_username()`.
    Name(String),
}

impl Who {
    /// Whether a socket is theirs.
    pub(crate) fn is(&self, connected: &ConnectedSocket) -> bool {
        match self {
            Self::Key(key) => match &connected.user {
                UserId::Text(text) => text == key,
                other => other.to_string() == *key,
            },
            Self::Name(name) => connected.username.as_deref() == Some(name),
        }
    }
}

/// An order to disconnect a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) who: Who,
    pub(crate) close: CloseFrame,
    /// Who wants to know how many were closed.
    pub(crate) reply_channel: Option<String>,
}

impl Order {
    /// The close frame is that of [`Reason::Disconnected`].
    pub(crate) fn new(who: Who) -> Self {
        Self { who, close: CloseFrame::refusal(Reason::Disconnected), reply_channel: None }
    }

    /// Reads a message of the group: `user` (primary key: an integer, or text) or `username`, and where wanted `code`
    /// (a close code, default 4403), `reason` (of the close frame, default `disconnected`) and `reply_channel`.
    ///
    /// # Errors
    ///
    /// A sentence that says what the message is to be. What is wrong about the close alone is passed over: the user is
    /// to go.
    pub(crate) fn read(message: &Value) -> Result<Self, &'static str> {
        let who = match (message.get("user"), message.get("username")) {
            (Some(Value::Int(key)), None) => Who::Key(key.to_string()),
            (Some(Value::Str(key)), None) if !key.is_empty() => Who::Key(key.clone()),
            (None, Some(Value::Str(name))) if !name.is_empty() => Who::Name(name.clone()),
            _ => return Err("it names no user: `user` is a primary key (an int, or its str), or `username` a str"),
        };
        let usual = CloseFrame::refusal(Reason::Disconnected);
        let code = message.get("code").and_then(Value::as_i64).and_then(|code| u16::try_from(code).ok());
        let code = code.filter(|code| is_valid_code(*code)).unwrap_or(usual.code);
        let reason = message.get("reason").and_then(Value::as_str).unwrap_or(&usual.reason);
        let reply_channel = message.get("reply_channel").and_then(Value::as_str);
        let reply_channel = reply_channel.filter(|name| is_valid_channel_name(name)).map(str::to_owned);
        Ok(Self { who, close: CloseFrame::new(code, reason), reply_channel })
    }

    /// The message that [`read`](Self::read) reads.
    pub(crate) fn message(&self) -> Value {
        let (key, name) = match &self.who {
            Who::Key(key) => ("user", key),
            Who::Name(name) => ("username", name),
        };
        let mut entries = vec![
            ("type", Value::from(super::DISCONNECT)),
            (key, Value::from(name.as_str())),
            ("code", Value::from(i64::from(self.close.code))),
            ("reason", Value::from(self.close.reason.as_str())),
        ];
        entries.extend(self.reply_channel.as_deref().map(|channel| ("reply_channel", Value::from(channel))));
        Value::map(entries)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::SystemTime};

    use uuid::Uuid;

    use super::*;

    fn message(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
        Value::map([("type", super::super::DISCONNECT.into())].into_iter().chain(entries))
    }

    fn read(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Result<Order, &'static str> {
        Order::read(&message(entries))
    }

    #[test]
    fn one_line_of_django_is_enough() {
        let order = read([("user", 7.into())]).unwrap();
        assert_eq!(order, Order::new(Who::Key("7".to_owned())));
        assert_eq!((order.close.code, order.close.reason.as_str()), (4403, "disconnected"));
    }

    #[test]
    fn a_message_says_what_it_is_made_of() {
        let order = Order {
            who: Who::Name("ada".to_owned()),
            close: CloseFrame::new(4001, "gone"),
            reply_channel: Some("specific.x!y".to_owned()),
        };
        assert_eq!(Order::read(&order.message()), Ok(order));
    }

    #[test]
    fn who_is_not_named_is_nobody() {
        let user = ("user", 7.into());
        let name = ("username", "ada".into());
        for entries in [vec![], vec![user, name], vec![("user", "".into())], vec![("user", true.into())]] {
            assert!(read(entries).is_err());
        }
    }

    #[test]
    fn a_close_that_cannot_be_sent_is_replaced_and_a_channel_that_is_none_not_answered() {
        for code in [1005, 1006, 1015, 2999, 5000, -1, 70_000] {
            let order = read([("user", 7.into()), ("code", Value::Int(code))]).unwrap();
            assert_eq!(order.close.code, 4403);
        }
        let order =
            read([("user", 7.into()), ("reason", "ä".repeat(99).into()), ("reply_channel", "a b".into())]).unwrap();
        assert_eq!((order.close.reason.chars().count(), order.reply_channel), (61, None));
    }

    #[test]
    fn a_key_is_compared_as_text() {
        let uuid = Uuid::from_u128(7);
        let connected = |user| ConnectedSocket {
            user,
            username: Some("ada".into()),
            route: "ws/".into(),
            address: IpAddr::from([127, 0, 0, 1]),
            since: SystemTime::UNIX_EPOCH,
            token: None,
        };
        let key = |key: &str| Who::Key(key.to_owned());
        assert!(key("7").is(&connected(UserId::Int(7))) && !key("7").is(&connected(UserId::Int(77))));
        assert!(key(&uuid.to_string()).is(&connected(UserId::Uuid(uuid))));
        assert!(key("a b").is(&connected(UserId::Text("a b".to_owned()))));
        assert!(Who::Name("ada".to_owned()).is(&connected(UserId::Int(7))));
        assert!(!Who::Name("Ada".to_owned()).is(&connected(UserId::Int(7))));
    }
}
