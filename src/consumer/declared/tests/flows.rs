//! Sockets that hear each other, by the in-process layer.

use super::*;
use crate::{
    channel_layer::{self, ChannelLayer, ChannelLayerOptions, LayerBackend},
    consumer::{Application, Consumer, ConsumerError, Failure},
    reason::Reason,
};

fn layer() -> Arc<dyn ChannelLayer> {
    channel_layer::open(&ChannelLayerOptions { backend: LayerBackend::InMemory, ..ChannelLayerOptions::default() })
        .unwrap()
}

/// The chat of the Channels tutorial.
fn tutorial() -> DeclaredOptions {
    DeclaredOptions {
        groups: vec!["chat_{{ room }}".to_owned()],
        receive: vec![DeclaredReceive {
            action: sending("chat_{{ room }}", json!({"type": "chat.message", "message": "{{ content.message }}"})),
            ..DeclaredReceive::default()
        }],
        events: vec![event("chat.message", json!({"message": "{{ event.message }}"}))],
        ..DeclaredOptions::default()
    }
}

/// A socket, and what it was sent.
struct Socket {
    consumer: Box<dyn Consumer>,
    connection: Connection,
    recorder: Arc<Recorder>,
}

impl Socket {
    async fn open(declared: &Arc<Declared>, room: &str, layer: &Arc<dyn ChannelLayer>) -> Result<Self, ConsumerError> {
        let recorder = Arc::new(Recorder::default());
        let captures = [("room", Value::Str(room.to_owned())), ("number", Value::Int(7))];
        let mut connection = recorder.member(&captures, layer).await;
        let mut consumer = Arc::clone(declared).consumer();
        consumer.connect(&mut connection).await?;
        Ok(Self { consumer, connection, recorder })
    }

    async fn says(&mut self, frame: &str) {
        self.consumer.receive(text(frame), &mut self.connection).await.unwrap();
    }

    /// Handles what has come from the layer, and tells what was sent to the client since.
    async fn hears(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut *self.recorder.events.lock().unwrap());
        for event in events {
            self.consumer.event(event, &mut self.connection).await.unwrap();
        }
        let texts = self.recorder.texts();
        self.recorder.frames.lock().unwrap().clear();
        texts
    }
}

fn refused(result: Result<Socket, ConsumerError>) -> Reason {
    match result.map_err(|error| error.0) {
        Err(Failure::Refused(reason)) => reason,
        _ => panic!("was not refused"),
    }
}

#[tokio::test]
async fn the_tutorial_s_chat_works() {
    let (declared, layer) = (Arc::new(compiled(&tutorial())), layer());
    let mut alice = Socket::open(&declared, "lobby", &layer).await.unwrap();
    let mut bob = Socket::open(&declared, "lobby", &layer).await.unwrap();
    let mut eve = Socket::open(&declared, "other", &layer).await.unwrap();
    alice.says(r#"{"message": "h\u00e9llo"}"#).await;
    bob.says(r#"{"message": 1e400}"#).await;
    let both = [r#"{"message": "h\u00e9llo"}"#, r#"{"message": Infinity}"#];
    assert_eq!(alice.hears().await, both);
    assert_eq!(bob.hears().await, both);
    assert!(eve.hears().await.is_empty());
    drop(bob);
    alice.says(r#"{"message": "alone"}"#).await;
    assert_eq!(alice.hears().await, [r#"{"message": "alone"}"#]);
}

#[tokio::test]
async fn a_worker_answers_by_the_channel_s_name() {
    let action = DeclaredAction {
        channel_send: Some("{{ content.to }}".to_owned()),
        event: Some(json!({"type": "done", "reply_channel": "{{ channel_name }}"})),
        ..DeclaredAction::default()
    };
    let options = DeclaredOptions {
        receive: vec![DeclaredReceive { action, ..DeclaredReceive::default() }],
        events: vec![event("done", json!("{{ event.reply_channel == channel_name }}"))],
        ..DeclaredOptions::default()
    };
    let (declared, layer) = (Arc::new(compiled(&options)), layer());
    let mut socket = Socket::open(&declared, "lobby", &layer).await.unwrap();
    let own = socket.connection.channel_name().unwrap();
    socket.says(&json!({"to": own}).to_string()).await;
    assert_eq!(socket.hears().await, ["true"]);
    for _ in 0..101 {
        socket.says(r#"{"to": "worker"}"#).await;
    }
    socket.says(r#"{"to": "no name"}"#).await;
    socket.says(r#"{"to": null}"#).await;
    assert_eq!(counted(&declared), [("template_failed", 1), ("layer_refused", 1), ("channel_full", 1)]);
}

#[tokio::test]
async fn others_are_told_who_comes_and_goes() {
    let joined = sending("chat_{{ room }}", json!({"type": "note", "text": "{{ user.username }} came"}));
    let left = sending("chat_{{ room }}", json!({"type": "note", "text": "{{ user.username }} left with {{ code }}"}));
    let on_connect = Some(DeclaredAction { reply: Some(DeclaredOutput::Json(json!("welcome"))), ..joined });
    let events = vec![event("note", json!("{{ event.text }}"))];
    let declared = Arc::new(compiled(&DeclaredOptions { on_connect, on_disconnect: Some(left), events, ..tutorial() }));
    let layer = layer();
    let mut alice = Socket::open(&declared, "lobby", &layer).await.unwrap();
    assert_eq!(alice.hears().await, [r#""welcome""#, r#""alice came""#], "it is in its groups");
    let mut bob = Socket::open(&declared, "lobby", &layer).await.unwrap();
    bob.consumer.disconnect(1001, &mut bob.connection).await;
    assert_eq!(alice.hears().await, [r#""alice came""#, r#""alice left with 1001""#]);
    assert!(counted(&declared).is_empty());
}

#[tokio::test]
async fn a_name_that_channels_refuses_refuses_the_handshake() {
    let (declared, layer) = (Arc::new(compiled(&tutorial())), layer());
    let captured = |room: &str| [Some(Value::Str(room.to_owned())), Some(Value::Int(7))];
    assert_eq!(declared.check(&captured("lobby")), Ok(()));
    for room in ["a b", "é", "a!b", &"x".repeat(95)] {
        assert_eq!(declared.check(&captured(room)), Err(Reason::GroupInvalid), "{room}");
        assert_eq!(refused(Socket::open(&declared, room, &layer).await), Reason::GroupInvalid, "{room}");
    }
    assert_eq!(declared.check(&[None, None]), Err(Reason::GroupInvalid), "a group that is not there");
    let of_user = DeclaredOptions { groups: vec!["{{ query.lang }}!".to_owned()], ..DeclaredOptions::default() };
    let of_user = Arc::new(compiled(&of_user));
    assert_eq!(of_user.check(&captured("lobby")), Ok(()), "known when the user is");
    assert_eq!(refused(Socket::open(&of_user, "lobby", &layer).await), Reason::GroupInvalid);
}

#[tokio::test]
async fn a_group_that_needs_a_layer_is_not_joined_without_one() {
    let declared = Arc::new(compiled(&tutorial()));
    let (_, mut connection) = recorded();
    let error = Arc::clone(&declared).consumer().connect(&mut connection).await.unwrap_err();
    assert!(matches!(error.0, Failure::Refused(Reason::UnavailableLayer)));
    assert_eq!(counted(&declared), [("layer_refused", 1)]);
}
