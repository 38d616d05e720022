//! The chat of the demonstration: `ws/chat/<str:room>/`, with the messages of the Channels tutorial and a name to each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use async_trait::async_trait;
use serde_json::json;

use crate::{
    consumer::{Application, Close, Connection, Consumer, ConsumerError, Frame, Outlet},
    python::Value,
};

/// Longer messages are cut.
const LONGEST_MESSAGE: usize = 2000;

/// RFC 6455, 7.4.1: a kind of data that is not accepted.
const UNSUPPORTED_DATA: u16 = 1003;

/// Who is in which room. Rooms without members are forgotten.
#[derive(Default)]
pub(super) struct Chat {
    rooms: Mutex<HashMap<String, Vec<Weak<dyn Outlet>>>>,
}

impl Chat {
    /// Whoever is gone leaves at the next change of the room.
    fn change(&self, room: &str, change: impl FnOnce(&mut Vec<Weak<dyn Outlet>>)) {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let members = rooms.entry(room.to_owned()).or_default();
        members.retain(|member| member.strong_count() > 0);
        change(members);
        if members.is_empty() {
            rooms.remove(room);
        }
    }

    fn group_send(&self, room: &str, text: &str) {
        let members: Vec<_> = {
            let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
            rooms.get(room).into_iter().flatten().filter_map(Weak::upgrade).collect()
        };
        for member in members {
            member.send_text(text);
        }
    }
}

impl Application for Chat {
    fn consumer(self: Arc<Self>) -> Box<dyn Consumer> {
        Box::new(ChatConsumer { chat: self })
    }

    fn reads(&self, _name: &str) -> bool {
        false
    }
}

struct ChatConsumer {
    chat: Arc<Chat>,
}

fn room(connection: &Connection) -> &str {
    match connection.state.captures.first() {
        Some(Some(Value::Str(room))) => room,
        _ => "",
    }
}

fn name(connection: &Connection) -> &str {
    connection.state.username.as_deref().unwrap_or("somebody")
}

#[async_trait]
impl Consumer for ChatConsumer {
    async fn connect(&mut self, connection: &mut Connection) -> Result<(), ConsumerError> {
        let member = Arc::downgrade(connection.outlet());
        self.chat.change(room(connection), |members| members.push(member));
        connection.send_text(&json!({ "welcome": name(connection) }).to_string());
        Ok(())
    }

    async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
        let Frame::Text(text) = frame else {
            return Close::new(UNSUPPORTED_DATA, "text only").map_or(Ok(()), |close| Err(close.into()));
        };
        let content: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if let Some(message) = content.get("message").and_then(|message| message.as_str()) {
            let message: String = message.chars().take(LONGEST_MESSAGE).collect();
            let event = json!({ "user": name(connection), "message": message });
            self.chat.group_send(room(connection), &event.to_string());
        }
        Ok(())
    }

    async fn disconnect(&mut self, _code: u16, connection: &mut Connection) {
        let gone = Arc::downgrade(connection.outlet());
        self.chat.change(room(connection), |members| members.retain(|member| !Weak::ptr_eq(member, &gone)));
    }
}
