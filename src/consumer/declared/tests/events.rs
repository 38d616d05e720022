//! What events lead to.

use super::*;
use crate::{
    channel_layer::{self, ChannelLayer, ChannelLayerOptions, LayerBackend, Message, Value as Event},
    consumer::{Application, Close, DeclaredClose, OnError},
};

fn with_events(events: Vec<DeclaredEvent>) -> Arc<Declared> {
    Arc::new(compiled(&DeclaredOptions { events, ..DeclaredOptions::default() }))
}

fn message(value: Event) -> Arc<Message> {
    Arc::new(Message::new(value, 100))
}

fn chat(text: &str) -> Event {
    Event::map([("type", "chat.message".into()), ("message", text.into())])
}

fn layer() -> Arc<dyn ChannelLayer> {
    channel_layer::open(&ChannelLayerOptions { backend: LayerBackend::InMemory, ..ChannelLayerOptions::default() })
        .unwrap()
}

async fn hand(declared: &Arc<Declared>, message: &Arc<Message>, connection: &mut Connection) -> bool {
    Arc::clone(declared).consumer().event(Arc::clone(message), connection).await.is_ok()
}

#[tokio::test]
async fn an_event_is_found_as_channels_finds_a_handler() {
    let declared = with_events(vec![event("chat.message", json!({"message": "{{ event.message }}"}))]);
    let (recorder, mut connection) = recorded();
    for event_type in ["chat.message", "chat_message"] {
        let event = Event::map([("type", event_type.into()), ("message", "hé".into())]);
        assert!(hand(&declared, &message(event), &mut connection).await);
    }
    assert_eq!(recorder.texts(), [r#"{"message": "h\u00e9"}"#; 2]);
    let others = [
        Event::map([("type", "chat.other".into())]),
        Event::map([("type", ".chat".into())]),
        Event::map([("type", "_chat".into())]),
        Event::map([("message", "x".into())]),
        Event::map([("type", 1.into())]),
    ];
    for event in others {
        assert!(hand(&declared, &message(event), &mut connection).await, "the socket lives");
    }
    assert_eq!(recorder.texts().len(), 2);
    assert_eq!(counted(&declared), [("event_malformed", 4), ("event_unknown", 1)]);
}

#[tokio::test]
async fn what_is_the_same_for_all_members_is_made_once() {
    let declared =
        with_events(vec![event("chat.message", json!({"message": "{{ event.message }}", "at": "{{ now }}"}))]);
    let message = message(chat("hi"));
    let (recorder, mut connection) = recorded();
    for _ in 0..3 {
        assert!(hand(&declared, &message, &mut connection).await);
    }
    let texts = recorder.texts();
    assert_eq!((texts.len(), &texts[0], &texts[1]), (3, &texts[1], &texts[2]), "even the time is the same");
}

#[tokio::test]
async fn what_fails_for_all_members_counts_once() {
    let declared = with_events(vec![event("chat.message", json!("{{ event.nosuch }}"))]);
    let message = message(chat("hi"));
    let (recorder, mut connection) = recorded();
    for _ in 0..3 {
        assert!(hand(&declared, &message, &mut connection).await);
    }
    assert!(recorder.frames.lock().unwrap().is_empty());
    assert_eq!(counted(&declared), [("template_failed", 1)]);
}

#[tokio::test]
async fn a_template_that_reads_the_socket_is_filled_in_for_each() {
    let declared =
        with_events(vec![event("chat.message", json!("{{ user.username }} {{ room }} {{ event.message }}"))]);
    let message = message(chat("hi"));
    let (recorder, mut connection) = recorded();
    let mut other = recorder.connection(&[("room", Value::Str("other".to_owned())), ("number", Value::Int(1))]);
    assert!(hand(&declared, &message, &mut connection).await && hand(&declared, &message, &mut other).await);
    assert_eq!(recorder.texts(), [r#""alice lobby hi""#, r#""alice other hi""#]);
}

#[tokio::test]
async fn except_is_every_member_but_one() {
    let layer = layer();
    let chat_event = DeclaredEvent { except: Some("{{ event.sender }}".to_owned()), ..event("chat.message", json!(1)) };
    let own = DeclaredEvent { except: Some("{{ channel_name }}".to_owned()), ..event("nobody", json!(2)) };
    let declared = with_events(vec![chat_event, own]);
    let (one, other) = (Arc::new(Recorder::default()), Arc::new(Recorder::default()));
    let mut sender = one.member(&captures(), &layer).await;
    let mut member = other.member(&captures(), &layer).await;
    let of = |sender: Event| message(Event::map([("type", "chat.message".into()), ("sender", sender)]));
    let name = sender.channel_name().unwrap();
    let mut texts = Vec::new();
    for event in [of(name.as_str().into()), of(Event::Nil), of(name.to_uppercase().into()), message(chat("no sender"))]
    {
        assert!(hand(&declared, &event, &mut sender).await && hand(&declared, &event, &mut member).await);
        texts.push((
            std::mem::take(&mut *one.frames.lock().unwrap()).len(),
            std::mem::take(&mut *other.frames.lock().unwrap()).len(),
        ));
    }
    assert_eq!(texts, [(0, 1), (1, 1), (1, 1), (0, 0)]);
    assert_eq!(counted(&declared), [("template_failed", 1)], "an event without sender");
    let nobody = message(Event::map([("type", "nobody".into())]));
    assert!(hand(&declared, &nobody, &mut sender).await && hand(&declared, &nobody, &mut member).await);
    assert!(one.texts().is_empty() && other.texts().is_empty());
}

#[tokio::test]
async fn an_event_may_close_and_may_be_ignored() {
    let close = Some(DeclaredClose { code: 4003, reason: "gone".to_owned() });
    let kick = DeclaredEvent { close, ..event("kick", json!("bye")) };
    let quiet = DeclaredEvent { send: None, ..event("quiet", json!(1)) };
    let declared = with_events(vec![kick, quiet]);
    let (recorder, mut connection) = recorded();
    assert!(hand(&declared, &message(Event::map([("type", "quiet".into())])), &mut connection).await);
    assert_eq!((recorder.texts().len(), recorder.closed.lock().unwrap().clone()), (0, None));
    assert!(hand(&declared, &message(Event::map([("type", "kick".into())])), &mut connection).await);
    assert_eq!(recorder.texts(), [r#""bye""#]);
    assert_eq!(*recorder.closed.lock().unwrap(), Close::new(4003, "gone"));
    assert!(counted(&declared).is_empty());
}

#[tokio::test]
async fn bytes_of_an_event_are_sent_as_they_are() {
    let send = Some(DeclaredOutput::Bytes("{{ event.data }}".to_owned()));
    let declared = with_events(vec![
        DeclaredEvent { send, ..event("blob", json!(1)) },
        event("as.json", json!("{{ event.data }}")),
    ]);
    let (recorder, mut connection) = recorded();
    for event_type in ["blob", "as.json"] {
        let event = Event::map([("type", event_type.into()), ("data", Event::Bytes(vec![0, 255]))]);
        assert!(hand(&declared, &message(event), &mut connection).await);
    }
    assert_eq!(*recorder.frames.lock().unwrap(), [Frame::Binary(vec![0, 255])]);
    assert_eq!(counted(&declared), [("template_failed", 1)], "JSON has no bytes");
}

#[tokio::test]
async fn an_event_cannot_overflow_the_stack() {
    let declared = with_events(vec![event("deep", json!("{{ event.value }}"))]);
    let (recorder, mut connection) = recorded();
    for (depth, sent) in [(127, 1), (128, 1), (1000, 1)] {
        let value = (0..depth).fold(Event::Nil, |value, _| Event::Array(vec![value]));
        let event = Event::map([("type", "deep".into()), ("value", value)]);
        assert!(hand(&declared, &message(event), &mut connection).await);
        assert_eq!(recorder.texts().len(), sent);
    }
    assert_eq!(counted(&declared), [("too_deep", 2)]);
}

#[tokio::test]
async fn a_failure_closes_where_the_route_says_so() {
    let declared = Arc::new(compiled(&DeclaredOptions { on_error: OnError::Close, ..DeclaredOptions::default() }));
    let (_, mut connection) = recorded();
    assert!(!hand(&declared, &message(chat("hi")), &mut connection).await);
}
