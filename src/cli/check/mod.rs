//! `sluicegate check`: settings, keys, database, cache and channel layer, live. One file for each subject; `code` has
//! what each can find, of which `docs/check.md` is made.

mod admin;
mod certificate;
mod channel_layer;
mod clocks;
mod code;
mod compare;
mod database;
mod descriptors;
mod findings;
mod hosts;
mod keys;
mod redis_servers;
mod sockets;
mod tickets;
mod upstream;

use std::{sync::Arc, time::Instant};

use super::{
    DONE, FAILED, UNUSABLE,
    args::CheckArguments,
    logging,
    run::{print_problems, runtime},
};
use crate::{
    access_token::Verifier,
    app::Parts,
    causes::with_causes,
    settings::{Report, Settings, Sources, TicketViewState},
};

use code::Code;
pub(super) use code::Level;
pub(super) use compare::literal_path;
use findings::{Findings, Form};

pub(super) fn run(arguments: &CheckArguments) -> u8 {
    logging::start_quiet();
    let mut findings = Findings::new(if arguments.json { Form::Json } else { Form::Text });
    let sources = arguments.project.sources();
    let report = Report::read(&sources);
    let Some(settings) = report.settings.clone().filter(|_| report.problems.is_empty()) else {
        if arguments.json {
            report.problems.iter().for_each(|problem| findings.problem(problem));
            findings.finish(UNUSABLE);
            return UNUSABLE;
        }
        return print_problems(&report.problems);
    };
    findings.ok("settings", "complete");
    for note in &report.notes {
        findings.add(Code::SettingsNote, "settings", note.as_str());
    }
    check_ticket_view(&report, &settings, &mut findings);
    sockets::check(&report, &mut findings);
    hosts::check(&report, &settings, &mut findings);
    keys::check(&settings, &mut findings);
    admin::check(settings.admin.as_ref(), &mut findings);
    certificate::check(&settings, &mut findings);
    match runtime() {
        Ok(runtime) => runtime.block_on(check_live(settings, &sources, arguments.compare.as_deref(), &mut findings)),
        Err(code) => return code,
    }
    let code = if findings.has(arguments.fail_level) { FAILED } else { DONE };
    findings.finish(code);
    code
}

fn check_ticket_view(report: &Report, settings: &Settings, findings: &mut Findings) {
    const SUBJECT: &str = "ticket view";
    match &report.ticket_view {
        TicketViewState::Served => findings.ok(SUBJECT, "every part of it is understood"),
        TicketViewState::TurnedOff => findings.add(Code::TicketViewTurnedOff, SUBJECT, "[ticket] serve = false"),
        TicketViewState::LeftToDjango(parts) => {
            let sentence = if settings.upstream.is_some() {
                "passed on to Django, which serves it as before. It is not served here because of the following"
            } else {
                "not served here, because of the following"
            };
            findings.add(Code::TicketViewLeft, SUBJECT, sentence);
            for part in parts {
                findings.add(Code::TicketViewPart, SUBJECT, part.as_str());
            }
        }
    }
}

/// What can only be known by trying.
async fn check_live(settings: Settings, sources: &Sources, compared: Option<&str>, findings: &mut Findings) {
    let verifier = match Verifier::new(settings.access_token.clone()) {
        Ok(verifier) => {
            findings.ok("SIMPLE_JWT", &format!("{}, the keys can be used", settings.access_token.algorithm.name()));
            Some(Arc::new(verifier))
        }
        Err(error) => {
            findings.add(Code::KeyUnusable, "SIMPLE_JWT", with_causes(&error));
            None
        }
    };
    if settings.admission.is_some() {
        database::check(&settings, findings).await;
        tickets::check(&settings, sources, findings).await;
    } else {
        findings.add(Code::NothingAdmitted, "tickets", "all of that is passed on to Django");
    }
    // Routes, templates and patterns, as `serve` compiles them.
    if let Some(verifier) = verifier
        && let Err(error) = Parts::closed(verifier).into_site(settings.clone())
    {
        findings.add(Code::RouteUnusable, "start", error.to_string());
    }
    channel_layer::check(&settings, findings).await;
    redis_servers::check(&settings, findings).await;
    descriptors::check(&settings, findings);
    upstream::check(&settings, findings).await;
    if let Some(url) = compared {
        Box::pin(compare::compare(settings, url, findings)).await;
    }
}

fn took(begun: Instant) -> String {
    format!("{:.1} ms", begun.elapsed().as_secs_f64() * 1000.0)
}
