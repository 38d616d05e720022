//! A declared route, from its options to what its sockets get.

mod asked;
mod events;
mod flows;
mod frames;
mod settings;
mod templates;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::json;

use super::{Declared, compile, failure::FailureKind};
use crate::{
    consumer::{
        Connection, DeclaredAction, DeclaredEvent, DeclaredOptions, DeclaredOutput, DeclaredReceive, Frame, Recorder,
    },
    python::Value,
};

fn replying(reply: serde_json::Value) -> DeclaredAction {
    DeclaredAction { reply: Some(DeclaredOutput::Json(reply)), ..DeclaredAction::default() }
}

fn sending(group: &str, event: serde_json::Value) -> DeclaredAction {
    DeclaredAction { group_send: Some(group.to_owned()), event: Some(event), ..DeclaredAction::default() }
}

fn event(event_type: &str, send: serde_json::Value) -> DeclaredEvent {
    let send = Some(DeclaredOutput::Json(send));
    DeclaredEvent { event_type: event_type.to_owned(), except: None, send, close: None }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn rule(when: serde_json::Value, reply: serde_json::Value) -> DeclaredReceive {
    DeclaredReceive { when: when.as_object().unwrap().clone(), action: replying(reply), ..DeclaredReceive::default() }
}

fn options(rules: &[DeclaredReceive]) -> DeclaredOptions {
    DeclaredOptions { receive: rules.to_vec(), ..DeclaredOptions::default() }
}

fn compiled(options: &DeclaredOptions) -> Declared {
    compile("ws/<str:room>/<int:number>/", &["room".to_owned(), "number".to_owned()], options).unwrap()
}

fn declared(rules: &[DeclaredReceive]) -> Declared {
    compiled(&options(rules))
}

fn captures() -> [(&'static str, Value); 2] {
    [("room", Value::Str("lobby".to_owned())), ("number", Value::Int(7))]
}

fn recorded() -> (Arc<Recorder>, Connection) {
    let recorder = Arc::new(Recorder::default());
    let connection = recorder.connection(&captures());
    (recorder, connection)
}

fn text(text: &str) -> Frame {
    Frame::Text(text.to_owned())
}

/// What `frame` is answered with, or why it is not.
fn reply_to(declared: &Declared, frame: &Frame) -> Result<String, String> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_hours(473_352);
    let (_, connection) = recorded();
    let found = declared.find_rule(frame).map_err(|error| error.to_string())?;
    let (rule, content) = found.unwrap();
    let deed = declared.deed(rule, frame, content.as_ref(), &connection, now).map_err(|error| error.to_string())?;
    match deed.reply.unwrap() {
        Frame::Text(text) => Ok(text),
        Frame::Binary(bytes) => Ok(format!("{bytes:?}")),
    }
}

fn reply(reply: serde_json::Value, frame: &str) -> Result<String, String> {
    reply_to(&declared(&[rule(json!({}), reply)]), &text(frame))
}

/// The kinds of failures that were counted.
fn counted(declared: &Declared) -> Vec<(&'static str, u64)> {
    let counts = FailureKind::ALL.iter().map(|kind| (kind.code(), declared.failures.count(*kind)));
    counts.filter(|(_, count)| *count > 0).collect()
}
