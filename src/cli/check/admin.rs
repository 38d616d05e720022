//! Who reaches the admin address.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::{code::Code, findings::Findings};
use crate::admin::AdminOptions;

const SUBJECT: &str = "admin address";

pub(super) fn check(options: Option<&AdminOptions>, findings: &mut Findings) {
    let Some(options) = options else { return };
    match addresses(&options.bind) {
        addresses if addresses.iter().any(|address| options.is_open_to_others(*address)) => {
            findings.add(Code::AdminOpen, SUBJECT, format!("[admin] bind = \"{}\"", options.bind));
        }
        _ => findings.ok(SUBJECT, &said(options)),
    }
}

/// A name that is not known here is what `serve` says when it binds.
fn addresses(bind: &str) -> Vec<SocketAddr> {
    bind.to_socket_addrs().map(Iterator::collect).unwrap_or_default()
}

fn said(options: &AdminOptions) -> String {
    let is_local = addresses(&options.bind).iter().map(SocketAddr::ip).all(|address| IpAddr::is_loopback(&address));
    let reach = if is_local { "this machine alone reaches it" } else { "other machines reach it" };
    let may = if options.token.is_some() { "the token lets change something" } else { "read-only" };
    format!("{}: {reach}, {may}", options.bind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::check::findings::Form, secret::Secret};

    #[test]
    fn an_address_for_others_needs_a_token() {
        let codes = |bind: &str, token: Option<&str>| {
            let token = token.map(Secret::new);
            let options = AdminOptions { bind: bind.to_owned(), token, allowed_hosts: Vec::new() };
            let mut findings = Findings::new(Form::Json);
            check(Some(&options), &mut findings);
            findings.codes()
        };
        assert_eq!(codes("0.0.0.0:9001", None), ["C811"]);
        assert_eq!(codes("[::]:9001", None), ["C811"]);
        assert_eq!(codes("0.0.0.0:9001", Some("a token of the tests")), Vec::<&str>::new());
        assert_eq!(codes("127.0.0.1:9001", None), Vec::<&str>::new());
        assert_eq!(codes("localhost:9001", None), Vec::<&str>::new());
    }
}
