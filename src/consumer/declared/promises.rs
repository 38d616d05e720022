//! What a declared route makes of a frame and of an event without a socket, for fuzzing.

use std::time::SystemTime;

use super::{
    Declared,
    given::{Cause, Given},
};
use crate::{channel_layer::Message, consumer::Frame, python::Value};

impl Declared {
    /// The frame's JSON, if it is some, and the reply of the rule that fits.
    pub(crate) fn reply(&self, frame: &Frame) -> Option<(Option<Value>, Frame)> {
        let (rule, content) = self.find_rule(frame).ok()??;
        let cause = Cause::Frame(frame, content.as_ref());
        let given =
            Given { names: &self.captures, captures: &[], connection: None, cause, now: SystemTime::UNIX_EPOCH };
        let reply = rule.action.render(&self.templates, &given).ok()?.reply?;
        Some((content, reply))
    }

    /// What all sockets are sent for an event.
    pub(crate) fn sent_to_all(&self, message: &Message) -> Option<Frame> {
        Some(self.prepare(message).ok()?.frame?.frame().clone())
    }
}
