//! The certificate of the listener: for whom it is, until when, and who may read its key.

use std::{fs, os::unix::fs::MetadataExt};

use jiff::Timestamp;

use super::{code::Code, findings::Findings};
use crate::{
    settings::Settings,
    tls::{Identity, TlsOptions},
};

const SUBJECT: &str = "TLS";
/// What permissions give to everybody.
const READABLE_BY_OTHERS: u32 = 0o004;

pub(super) fn check(settings: &Settings, findings: &mut Findings) {
    let Some(options) = &settings.server.tls else { return };
    match Identity::read(options) {
        Ok(identity) => {
            check_time(&identity, Timestamp::now(), findings);
            check_names(&identity.described.names, &settings.http.allowed_hosts, findings);
        }
        // As the settings were read a moment ago, it has been changed since.
        Err(error) => findings.add_with(Code::CertificateRefused, SUBJECT, error.to_string(), error.mend()),
    }
    check_key(options, findings);
}

fn check_time(identity: &Identity, now: Timestamp, findings: &mut Findings) {
    if let Some(fault) = identity.fault(now) {
        findings.add(Code::CertificateRefused, SUBJECT, fault);
    } else if let Some(soon) = identity.ends_soon(now) {
        findings.add(Code::CertificateEndsSoon, SUBJECT, soon);
    } else {
        findings.ok(SUBJECT, &format!("a certificate {identity}"));
    }
}

/// Of `ALLOWED_HOSTS` those that name one host: the others may be anything.
fn check_names(names: &[String], hosts: &[String], findings: &mut Findings) {
    if names.is_empty() {
        return findings.add(Code::CertificateNameless, SUBJECT, "it has no subjectAltName");
    }
    let is_one = |host: &&String| !host.starts_with('.') && host.as_str() != "*" && host.as_str() != "localhost";
    let is_local =
        |host: &str| host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let missing: Vec<_> = hosts
        .iter()
        .filter(is_one)
        .filter(|host| !is_local(host) && !names.iter().any(|name| is_for(name, host)))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        let what = format!("it is for {}, and not for {}", names.join(", "), missing.join(", "));
        findings.add(Code::CertificateOtherHost, SUBJECT, what);
    }
}

/// RFC 6125, 6.4: a star stands for one label, the leftmost.
fn is_for(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_ascii_lowercase(), host.trim_matches(['[', ']']).to_ascii_lowercase());
    match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == domain),
        None => name == host,
    }
}

fn check_key(options: &TlsOptions, findings: &mut Findings) {
    let file = options.key.display();
    match fs::metadata(&options.key) {
        Ok(metadata) if metadata.mode() & READABLE_BY_OTHERS != 0 => {
            let what = format!("{file} has the mode {:o}", metadata.mode() & 0o777);
            findings.add_with(Code::KeyReadable, SUBJECT, what, format!("chmod o-rwx {file}"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::findings::Form;

    #[test]
    fn hosts_are_found_among_the_names_as_clients_do() {
        for (name, host) in [
            ("example.com", "EXAMPLE.com"),
            ("*.example.com", "www.example.com"),
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8::1", "[2001:db8::1]"),
        ] {
            assert!(is_for(name, host), "{name} {host}");
        }
        for (name, host) in [
            ("*.example.com", "example.com"),
            ("*.example.com", "a.b.example.com"),
            ("example.com", "www.example.com"),
            ("*.example.com", ".example.com"),
        ] {
            assert!(!is_for(name, host), "{name} {host}");
        }
    }

    #[test]
    fn hosts_that_the_certificate_is_not_for_are_told() {
        let codes = |names: &[&str], hosts: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            let mut findings = Findings::new(Form::Json);
            check_names(&texts(names), &texts(hosts), &mut findings);
            findings.codes()
        };
        let any = ["localhost", "127.0.0.1", "[::1]", ".example.com", "*"];
        assert_eq!(codes(&["example.com"], &any), Vec::<&str>::new());
        assert_eq!(codes(&["example.com"], &["example.com", "example.org"]), ["C824"]);
        assert_eq!(codes(&[], &["example.com"]), ["C823"]);
    }
}
