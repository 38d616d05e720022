//! Dates in headers (Django 5.2, utils/http.py, `parse_http_date_safe`).

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Whether `text` is a date in one of the three forms of RFC 9110, and not the first second of 1970: as a number that
/// is 0, which Django takes for none.
pub(super) fn is_http_date(text: &str) -> bool {
    fields(text).is_some_and(|[day, month, year, hour, minute, second]| {
        (1..=days(month, year)).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 59
            && [day, month, year, hour, minute, second] != [1, 1, 1970, 0, 0, 0]
    })
}

/// Day, month, year, hour, minute, second.
fn fields(text: &str) -> Option<[u32; 6]> {
    let (day, month, year, time) = match text.split_once(", ") {
        // Sun, 06 Nov 1994 08:49:37 GMT
        Some((weekday, rest)) if is_word(weekday, 3..=3) => match rest.split(' ').collect::<Vec<_>>()[..] {
            [day, month, year, time, "GMT"] => (number(day, 2)?, month, number(year, 4)?, time),
            _ => return None,
        },
        // Sunday, 06-Nov-94 08:49:37 GMT
        Some((weekday, rest)) if is_word(weekday, 6..=9) => match rest.split(['-', ' ']).collect::<Vec<_>>()[..] {
            [day, month, year, time, "GMT"] => (number(day, 2)?, month, number(year, 2)?, time),
            _ => return None,
        },
        Some(_) => return None,
        // Sun Nov  6 08:49:37 1994
        None => match text.split(' ').collect::<Vec<_>>()[..] {
            [weekday, month, "", day, time, year] if is_word(weekday, 3..=3) => {
                (number(day, 1)?, month, number(year, 4)?, time)
            }
            [weekday, month, day, time, year] if is_word(weekday, 3..=3) => {
                (number(day, 2)?, month, number(year, 4)?, time)
            }
            _ => return None,
        },
    };
    let month = MONTHS.iter().position(|known| month.eq_ignore_ascii_case(known))?;
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else { return None };
    // Two digits mean this century or the last, whose leap years but 1900 are the same.
    let year = if year < 100 { year + 2000 } else { year };
    Some([day, u32::try_from(month).ok()? + 1, year, number(hour, 2)?, number(minute, 2)?, number(second, 2)?])
}

/// `text` of so many digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    let valid = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| valid)
}

/// `\w{3}` and the like.
fn is_word(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.chars().count()) && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

const fn days(month: u32, year: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_dates() {
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "sun, 06 NOV 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun Nov 16 08:49:37 1994",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            "Tue, 29 Feb 2000 00:00:00 GMT",
        ] {
            assert!(is_http_date(date), "{date}");
        }
    }

    #[test]
    fn what_django_does_not_read_is_none() {
        for date in [
            "",
            "soon",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:60 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert!(!is_http_date(date), "{date}");
        }
    }
}
