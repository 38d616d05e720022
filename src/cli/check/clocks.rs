//! Whether another machine agrees about the time.

use std::time::Duration;

use super::{code::Code, findings::Findings};
use crate::clock_offset::ClockOffset;

/// Tokens are compared in whole seconds, by default without leeway.
const MOST: Duration = Duration::from_secs(1);

pub(super) fn check(code: Code, subject: &str, offset: &ClockOffset, findings: &mut Findings) {
    let shown = shown(offset);
    if offset.at_least() >= MOST {
        findings.add(code, subject, shown);
    } else {
        findings.ok(subject, &shown);
    }
}

fn shown(offset: &ClockOffset) -> String {
    let seconds = Duration::from_micros(offset.ahead.unsigned_abs()).as_secs_f64();
    let side = if offset.ahead < 0 { "behind" } else { "ahead" };
    let exact = offset.uncertainty.as_secs_f64();
    format!("its clock is {seconds:.3} s {side} of this machine's (give or take {exact:.3} s)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::findings::Form;

    #[test]
    fn a_clock_counts_as_different_from_a_second_on_beyond_what_is_not_known() {
        let codes = |ahead, milliseconds| {
            let mut findings = Findings::new(Form::Json);
            let offset = ClockOffset { ahead, uncertainty: Duration::from_millis(milliseconds) };
            check(Code::RedisClock, "redis", &offset, &mut findings);
            findings.codes()
        };
        assert_eq!(codes(900_000, 0), Vec::<&str>::new());
        assert_eq!(codes(1_200_000, 300), Vec::<&str>::new(), "it may be the way there");
        assert_eq!(codes(-1_200_000, 100), ["C406"]);
    }
}
