//! Whether there are file descriptors for as many sockets as there may be.

use super::{code::Code, findings::Findings};
use crate::{server::most_sockets, settings::Settings};

/// What a login shell often has: enough to try things, and no more.
const FEW: u64 = 4096;

const SUBJECT: &str = "limits";

pub(super) fn check(settings: &Settings, findings: &mut Findings) {
    match rlimit::getrlimit(rlimit::Resource::NOFILE) {
        Ok((_, hard)) => compare(settings.server.limits.connections, hard, findings),
        Err(error) => findings.add(Code::DescriptorsUnknown, SUBJECT, error.to_string()),
    }
}

fn compare(wanted: Option<usize>, hard: u64, findings: &mut Findings) {
    let most = most_sockets(hard);
    let have = format!("{hard} file descriptors, so {most} sockets");
    match wanted {
        Some(wanted) if wanted > most => {
            findings.add(Code::DescriptorsExceeded, SUBJECT, format!("[limits] connections = {wanted}, but {have}"));
        }
        None if hard <= FEW => findings.add(Code::DescriptorsFew, SUBJECT, have),
        _ => findings.ok(SUBJECT, &have),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::findings::Form;

    #[test]
    fn descriptors_have_to_be_enough_for_what_is_asked_for() {
        let codes = |wanted, hard| {
            let mut findings = Findings::new(Form::Json);
            compare(wanted, hard, &mut findings);
            findings.codes()
        };
        assert_eq!(codes(None, 100_000), Vec::<&str>::new());
        assert_eq!(codes(None, 1024), ["C802"]);
        assert_eq!(codes(Some(500), 1024), Vec::<&str>::new(), "that is what is wanted");
        assert_eq!(codes(Some(1000), 1024), ["C801"], "some are kept for other things");
    }
}
