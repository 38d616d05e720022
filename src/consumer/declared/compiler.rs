//! Templates of one route, and what is wrong with them.

use super::{
    place::Place,
    template::{Template, Templates},
};
use crate::consumer::{Close, DeclaredClose};

/// Compiles the texts of one route, and checks their names.
pub(super) struct Compiler<'a> {
    pub(super) templates: Templates,
    pub(super) captures: &'a [String],
    pub(super) has_ask: bool,
    pub(super) problems: Vec<String>,
}

impl Compiler<'_> {
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
            self.problems.push(format!(
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
        let template = compile(&mut self.templates, &known, &mut self.problems);
        for name in template.reads.iter().filter(|name| !known.contains(&name.as_str())) {
            let problem = place.unknown(name, &known);
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        template
    }
}
