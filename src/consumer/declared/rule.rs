//! `[[route.receive]]`: which frames a rule is for.

use super::{action::Action, compiler::Compiler, place::Place, values};
use crate::{
    consumer::{DeclaredReceive, Frame, FrameKind},
    python::Value,
};

/// One `[[route.receive]]`.
#[derive(Debug)]
pub(super) struct Rule {
    frame: FrameKind,
    pub(super) when: Vec<(String, Value)>,
    pub(super) ask: bool,
    pub(super) action: Action,
}

impl Rule {
    pub(super) fn compile(rule: &DeclaredReceive, compiler: &mut Compiler<'_>) -> Self {
        if rule.ask && !compiler.has_ask {
            compiler.problem("`ask = true` needs a `[route.ask]` to ask");
        }
        if rule.frame == FrameKind::Binary && !rule.when.is_empty() {
            compiler.problem("`when` looks into JSON, which no binary frame is");
        }
        let place = Place::Receive;
        Self {
            frame: rule.frame,
            when: rule.when.iter().map(|(key, value)| (key.clone(), values::from_json(value))).collect(),
            ask: rule.ask,
            action: Action::compile(&rule.action, place, compiler),
        }
    }

    /// Whether it needs the frame's JSON.
    pub(super) fn reads_content(&self) -> bool {
        !self.when.is_empty() || self.ask || self.action.reads.contains("content")
    }

    /// Whether it is for frames of this kind.
    pub(super) const fn is_for(&self, frame: &Frame) -> bool {
        match (self.frame, frame) {
            (FrameKind::Any, _) | (FrameKind::Text, Frame::Text(_)) | (FrameKind::Binary, Frame::Binary(_)) => true,
            (FrameKind::Text, Frame::Binary(_)) | (FrameKind::Binary, Frame::Text(_)) => false,
        }
    }

    /// Whether it is for this frame.
    pub(super) fn fits(&self, frame: &Frame, content: Option<&Value>) -> bool {
        self.is_for(frame)
            && self.when.iter().all(|(key, expected)| {
                content.and_then(|content| content.get(key)).is_some_and(|value| values::equal(value, expected))
            })
    }
}
