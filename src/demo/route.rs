//! The chat of the demonstration: `ws/chat/<str:room>/`, with the messages of the Channels tutorial and a name to each.
//!
//! In `sluicegate.toml` it would be:
//!
//! ```toml
//! [[route]]
//! path = "ws/chat/<str:room>/"
//! groups = ["chat_{{ room }}"]
//! on_connect = { reply = { welcome = "{{ user.username }}" } }
//!
//! [[route.receive]]
//! frame = "binary"
//! close = { code = 1003, reason = "text only" }
//!
//! [[route.receive]]
//! group_send = "chat_{{ room }}"
//! event = { type = "chat.message", user = "{{ user.username }}", message = "{{ content.message[:2000] }}" }
//!
//! [route.events."chat.message"]
//! send = { user = "{{ event.user }}", message = "{{ event.message }}" }
//! ```

use serde_json::json;

use crate::consumer::{
    DeclaredAction, DeclaredClose, DeclaredEvent, DeclaredOptions, DeclaredOutput, DeclaredReceive, FrameKind,
    RouteKind, RouteOptions, RoutePattern,
};

const GROUP: &str = "chat_{{ room }}";
/// RFC 6455, 7.4.1: a kind of data that is not accepted.
const UNSUPPORTED_DATA: u16 = 1003;

/// The route.
pub(super) fn chat() -> RouteOptions {
    let welcome = DeclaredOutput::Json(json!({ "welcome": "{{ user.username }}" }));
    // Longer messages are cut.
    let event =
        json!({ "type": "chat.message", "user": "{{ user.username }}", "message": "{{ content.message[:2000] }}" });
    let declared = DeclaredOptions {
        groups: vec![GROUP.to_owned()],
        on_connect: Some(DeclaredAction { reply: Some(welcome), ..DeclaredAction::default() }),
        receive: vec![
            DeclaredReceive {
                frame: FrameKind::Binary,
                action: DeclaredAction {
                    close: Some(DeclaredClose { code: UNSUPPORTED_DATA, reason: "text only".to_owned() }),
                    ..DeclaredAction::default()
                },
                ..DeclaredReceive::default()
            },
            DeclaredReceive {
                action: DeclaredAction {
                    group_send: Some(GROUP.to_owned()),
                    event: Some(event),
                    ..DeclaredAction::default()
                },
                ..DeclaredReceive::default()
            },
        ],
        events: vec![DeclaredEvent {
            event_type: "chat.message".to_owned(),
            except: None,
            send: Some(DeclaredOutput::Json(json!({ "user": "{{ event.user }}", "message": "{{ event.message }}" }))),
            close: None,
        }],
        ..DeclaredOptions::default()
    };
    let pattern = RoutePattern::Path("ws/chat/<str:room>/".to_owned());
    RouteOptions::new(pattern, RouteKind::Declared(Box::new(declared)))
}
