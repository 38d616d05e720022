//! Whose requests are let in: hosts and origins.

use super::{code::Code, findings::Findings};
use crate::{
    consumer::RouteKind,
    settings::{Report, Settings},
    upstream::RouteAuth,
    websocket::OriginPolicy,
};

pub(super) fn check(report: &Report, settings: &Settings, findings: &mut Findings) {
    if report.is_debug() {
        findings.add(Code::Debug, "settings", "DEBUG = True");
    }
    let hosts = &settings.http.allowed_hosts;
    if report.knows_hosts() {
        const SUBJECT: &str = "ALLOWED_HOSTS";
        match hosts.as_slice() {
            [] => findings.add(Code::NoHosts, SUBJECT, "the list is empty"),
            hosts if hosts.iter().any(|host| host == "*") => {
                findings.add(Code::AnyHost, SUBJECT, "the list has an entry `*`");
            }
            hosts => findings.ok(SUBJECT, &hosts.join(", ")),
        }
    }
    if settings.routes.iter().any(|route| is_checked_here(&route.kind)) {
        check_origins(&settings.websocket.origins, findings);
    }
}

/// Of sockets that are passed on untouched, Django checks the origin.
fn is_checked_here(kind: &RouteKind) -> bool {
    match kind {
        RouteKind::Rust(_) | RouteKind::Declared(_) => true,
        RouteKind::Proxy(proxy) => proxy.auth == RouteAuth::Ticket,
    }
}

fn check_origins(origins: &OriginPolicy, findings: &mut Findings) {
    const SUBJECT: &str = "origins";
    match origins {
        OriginPolicy::NotChecked => {
            findings.add(Code::OriginsNotChecked, SUBJECT, "handshakes are let in from any web page");
        }
        OriginPolicy::Allowed(entries) if entries.iter().any(|entry| entry == "*") => {
            findings.add(Code::AnyOrigin, SUBJECT, "the list has an entry `*`");
        }
        OriginPolicy::Allowed(entries) => findings.ok(SUBJECT, &entries.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::findings::Form;

    #[test]
    fn origins_are_stated_or_anybodys() {
        let codes = |origins: &OriginPolicy| {
            let mut findings = Findings::new(Form::Json);
            check_origins(origins, &mut findings);
            findings.codes()
        };
        let allowed = |entry: &str| OriginPolicy::Allowed(vec![entry.to_owned()]);
        assert_eq!(codes(&OriginPolicy::NotChecked), ["C503"]);
        assert_eq!(codes(&allowed("*")), ["C504"]);
        assert_eq!(codes(&allowed("https://example.com")), Vec::<&str>::new());
    }
}
