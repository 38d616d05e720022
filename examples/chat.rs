//! The chat of the Channels tutorial, at `ws/chat/<str:room_name>/`, in the groups of the project's own channel layer: it
//! talks with the tutorial's Python consumer and with its page, which is unchanged.
//!
//! ```text
//! cargo run --example chat -- --django mysite.asgi:application
//! ```

use std::{process::ExitCode, sync::Arc};

use serde::Deserialize;
use serde_json::json;
use sluicegate::{
    async_trait,
    channel_layer::Message,
    consumer::{Connection, Consumer, ConsumerError, Frame, Route},
};

#[derive(Default)]
struct Chat {
    room_group_name: String,
}

#[derive(Deserialize)]
struct Said {
    message: String,
}

#[async_trait]
impl Consumer for Chat {
    async fn connect(&mut self, connection: &mut Connection) -> Result<(), ConsumerError> {
        let room_name = connection.kwarg("room_name").unwrap_or_default();
        self.room_group_name = format!("chat_{room_name}");
        connection.group_add(&self.room_group_name).await?;
        Ok(())
    }

    async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
        let Said { message } = frame.json()?;
        let event = json!({ "type": "chat.message", "message": message });
        connection.group_send(&self.room_group_name, &event.into()).await?;
        Ok(())
    }

    async fn event(&mut self, event: Arc<Message>, connection: &mut Connection) -> Result<(), ConsumerError> {
        if event.event_type() == Some("chat.message") {
            connection.send_json(&json!({ "message": event.value().get("message") }))?;
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    sluicegate::cli::main_with([Route::path("ws/chat/<str:room_name>/", Chat::default)])
}
