//! `now`, as `datetime.now(timezone.utc).isoformat()` writes it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `2026-01-31T23:59:59.123456+00:00`; without the fraction where it is zero.
pub(super) fn isoformat(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = match since.subsec_micros() {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}+00:00")
}

/// Year, month and day of a day since 1970, in the Gregorian calendar.
const fn civil(days: u64) -> (u64, u64, u64) {
    // Counted in eras of 400 years from 0000-03-01, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_python_does() {
        let at = |micros| isoformat(UNIX_EPOCH + Duration::from_micros(micros));
        assert_eq!(at(0), "1970-01-01T00:00:00+00:00");
        assert_eq!(at(951_782_400_000_000), "2000-02-29T00:00:00+00:00");
        assert_eq!(at(1_704_067_199_000_001), "2023-12-31T23:59:59.000001+00:00");
        assert_eq!(at(4_107_542_400_000_000), "2100-03-01T00:00:00+00:00");
    }
}
