//! Whether Django finds a ticket of ours, and puts one where we find it.

use serde::Deserialize;

use super::{
    super::{layer::Layers, problem::Problem, sources::Sources},
    Django, run_project, target_of,
};
use crate::ticket::Ticket;

/// What Django's cache did with two tickets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Exchanged {
    /// The key that Django makes of `<ticket>`.
    pub(crate) key: String,
    /// What it found under the ticket to be redeemed, as `repr()` shows it.
    pub(crate) redeemed: String,
}

/// Runs the project's Python once more: Django takes `redeem` out of its cache, and writes `issue`, for the user -1.
/// `None` where no Python is run, but what it printed elsewhere is read. For up to 60 s: call it off the runtime's
/// threads.
///
/// # Errors
///
/// [`Problem`]: the project cannot be imported, or its cache raises an exception.
pub(crate) fn exchange_tickets(sources: &Sources, redeem: Ticket, issue: Ticket) -> Result<Option<Exchanged>, Problem> {
    let Some(target) = target_of(sources) else { return Ok(None) };
    let option = format!("--tickets={},{}", redeem.expose(), issue.expose());
    let document = run_project(sources, &target, Some(&option))?;
    let mut layers = Layers::default();
    let django = Django::of(Ok(Some(document)), &mut layers);
    if let Some(problem) = layers.problems.iter().next() {
        return Err(problem.clone());
    }
    django.item("tickets")
}
