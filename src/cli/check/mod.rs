//! `sluicegate check`: settings, keys, database, cache and channel layer, live.

mod channel_layer;
mod compare;
mod findings;
mod live;
mod sockets;
mod upstream;

use super::{
    DONE, FAILED, UNUSABLE,
    args::CheckArguments,
    logging,
    run::{print_problems, runtime},
};
use crate::settings::{Report, TicketViewState};

use findings::Findings;

pub(super) fn run(arguments: &CheckArguments) -> u8 {
    logging::start_quiet();
    let report = Report::read(&arguments.project.sources());
    if !report.problems.is_empty() {
        return print_problems(&report.problems);
    }
    let mut findings = Findings::default();
    findings.ok("settings", "complete");
    for note in &report.notes {
        Findings::note("settings", note);
    }
    match &report.ticket_view {
        TicketViewState::Served => findings.ok("ticket view", "every part of it is understood"),
        TicketViewState::TurnedOff => Findings::note("ticket view", "not served: [ticket] serve = false"),
        TicketViewState::LeftToDjango(parts) => {
            let has_upstream = report.settings.as_ref().is_some_and(|settings| settings.upstream.is_some());
            let sentence = if has_upstream {
                "passed on to Django, which serves it as before. It is not served here because of the following"
            } else {
                "not served here, because of the following"
            };
            Findings::note("ticket view", sentence);
            for part in parts {
                Findings::note("ticket view", part);
            }
        }
    }
    sockets::check(&report, &mut findings);
    let Some(settings) = report.settings else { return UNUSABLE };
    match runtime() {
        Ok(runtime) => runtime.block_on(async {
            live::check(&settings, &mut findings).await;
            channel_layer::check(&settings, &mut findings).await;
            upstream::check(&settings, &mut findings).await;
            if let Some(url) = &arguments.compare {
                Box::pin(compare::compare(settings, url, &mut findings)).await;
            }
        }),
        Err(code) => return code,
    }
    findings.print_total();
    if findings.failed() > 0 { FAILED } else { DONE }
}
