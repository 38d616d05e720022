//! Templates of one route, and what is wrong with them.

use super::{
    place::Place,
    template::{Template, Templates},
};
use crate::consumer::{Close, DeclaredClose};

/// What of a route a text stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Groups,
    Connect,
    /// The rule of this place among all.
    Receive(usize),
    /// The event of this type, as written.
    Event(String),
    Disconnect,
}

/// Compiles the texts of one route, and checks their names.
pub(super) struct Compiler<'a> {
    /// What is being compiled.
    pub(super) table: Table,
    pub(super) templates: Templates,
    pub(super) captures: &'a [String],
    pub(super) has_ask: bool,
    pub(super) problems: Vec<(Table, String)>,
}

impl Compiler<'_> {
    /// Something is wrong with what is being compiled.
    pub(super) fn problem(&mut self, sentence: impl Into<String>) {
        let problem = (self.table.clone(), sentence.into());
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) fn json(&mut self, json: &serde_json::Value, place: Place) -> Template {
        self.checked(place, |templates, known, problems| templates.json(json, known, problems))
    }

    /// A text that stays one.
    pub(super) fn text(&mut self, text: &str, place: Place) -> Template {
        self.checked(place, |templates, known, problems| templates.text(text, known, problems))
    }

    /// The name of a group or a channel.
    pub(super) fn name(&mut self, text: &str, place: Place) -> Template {
        self.checked(place, |templates, known, problems| templates.name(text, known, problems))
    }

    pub(super) fn close(&mut self, close: Option<&DeclaredClose>) -> Option<Close> {
        let close = close?;
        let compiled = Close::new(close.code, close.reason.as_str());
        if compiled.is_none() {
            self.problem(format!(
                "a socket cannot be closed with code {} and a reason of {} bytes: codes are 1000 to 1003, 1007 to 1014 and 3000 \
                 to 4999, and a reason has at most 123 bytes",
                close.code,
                close.reason.len()
            ));
        }
        compiled
    }

    fn checked(
        &mut self,
        place: Place,
        compile: impl FnOnce(&mut Templates, &[&str], &mut Vec<String>) -> Template,
    ) -> Template {
        let known: Vec<&str> = self.captures.iter().map(String::as_str).chain(place.names(self.has_ask)).collect();
        let mut problems = Vec::new();
        let template = compile(&mut self.templates, &known, &mut problems);
        for name in template.reads.iter().filter(|name| !known.contains(&name.as_str())) {
            problems.push(place.unknown(name, &known));
        }
        for sentence in problems {
            self.problem(sentence);
        }
        template
    }
}
