//! How the sockets of each route are treated, and what of the project's own Python is not run.

use super::{code::Code, findings::Findings};
use crate::settings::Report;

pub(super) fn check(report: &Report, findings: &mut Findings) {
    for route in report.sockets() {
        findings.ok(&format!("sockets, {}", route.written()), &route.to_string());
    }
    for route in report.sockets() {
        let not_run = route.not_run();
        if not_run.is_empty() {
            continue;
        }
        let consumer = route.consumer().unwrap_or("the consumer");
        let what = format!("{} stood before {consumer}, and does not run here", not_run.join(", "));
        let mend = format!(
            "[[route]]        # in the place of the declared one: the consumer stays Python's\n\
             {} = {}\nproxy = true",
            route.kind_of_pattern(),
            toml::Value::from(route.written()),
        );
        findings.add_with(Code::MiddlewareNotRun, &format!("sockets, {}", route.written()), what, mend);
    }
    for replaced in report.replaced() {
        findings.add_with(Code::MiddlewareReplaced, "sockets", replaced.sentence, replaced.mend);
    }
    let Some(settings) = &report.settings else { return };
    if settings.upstream.is_some() && !report.sockets().any(|route| route.is_rest()) {
        findings.ok("sockets, any other path", "proxied untouched");
    }
    if report.sockets().any(|route| route.is_held()) {
        findings.add(
            Code::Held,
            "sockets",
            "a socket stays open while its server is away, and goes on when it is back",
        );
    }
}
