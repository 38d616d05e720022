//! What keeps the ticket view from being served here.

use super::{
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
};

/// Parts of the ticket view that are not understood: with `[ticket] serve = "auto"` reasons to leave it to Django,
/// with `true` errors.
#[derive(Debug, Default)]
pub(super) struct Blockers(Vec<Problem>);

impl Blockers {
    /// A part that is not understood, with the lines that settle it (or none).
    pub(super) fn push(&mut self, origin: &Origin, sentence: impl Into<String>, mend: &str) {
        self.add(Problem::new(Code::TicketViewNotServed, sentence).at(origin).mend(mend));
    }

    /// What went wrong elsewhere, and matters only to the ticket view.
    pub(super) fn add(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// What someone told sluicegate itself is an error whoever serves the view; what Django says only blocks it.
    pub(super) fn add_or_report(&mut self, problem: Problem, layers: &mut Layers) {
        if problem.origin.as_ref().is_some_and(Origin::is_stated) {
            layers.problems.push(problem);
        } else {
            self.add(problem);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems, all with the code that says that the view cannot be served.
    pub(super) fn into_problems(self) -> impl Iterator<Item = Problem> {
        self.0.into_iter().map(|problem| Problem { code: Code::TicketViewNotServed, ..problem })
    }

    /// A sentence for each.
    pub(super) fn sentences(&self) -> Vec<String> {
        let sentence = |problem: &Problem| match &problem.origin {
            Some(origin) => format!("{} ({origin})", problem.sentence),
            None => problem.sentence.clone(),
        };
        self.0.iter().map(sentence).collect()
    }
}
