//! How the sockets of each route are treated, and what of the project's own Python is not run.

use super::findings::Findings;
use crate::settings::Report;

pub(super) fn check(report: &Report, findings: &mut Findings) {
    for route in report.sockets() {
        findings.ok(&format!("sockets, {}", route.written()), &route.to_string());
    }
    for replaced in report.replaced() {
        Findings::note("sockets", &format!("{}\n{}", replaced.sentence, replaced.mend));
    }
    let Some(settings) = &report.settings else { return };
    if settings.upstream.is_some() && !report.sockets().any(|route| route.is_rest()) {
        findings.ok("sockets, any other path", "proxied untouched");
    }
    if report.sockets().any(|route| route.is_held()) {
        Findings::note(
            "hold",
            "while its server is away a socket stays open, and goes on at another or the same one, where `connect` runs \
             again; a message of which a part was on its way is lost. A consumer that ends with an exception looks the \
             same from here.",
        );
    }
}
