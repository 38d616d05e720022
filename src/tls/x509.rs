//! What a certificate says of itself (RFC 5280): for whom it is, and from when to when it is good. For people to read:
//! clients judge certificates, not this.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::{Timestamp, civil, tz::TimeZone};

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `version`, and `extensions`, of `TBSCertificate`.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `dNSName` and `iPAddress` of `GeneralName`.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
/// 2.5.29.17, `subjectAltName`.
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

/// The names and the time of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// Of hosts and addresses: `subjectAltName`.
    pub(crate) names: Vec<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

/// Reads a certificate in DER. `None`: it is none.
pub(super) fn describe(certificate: &[u8]) -> Option<Described> {
    let mut to_be_signed = Elements(inside(Elements(certificate).of(SEQUENCE)?, SEQUENCE)?);
    let mut first = to_be_signed.next()?;
    if first.0 == VERSION {
        first = to_be_signed.next()?;
    }
    // `serialNumber` was first; `signature` and `issuer` follow.
    let (_serial, _signature, _issuer) = (first, to_be_signed.next()?, to_be_signed.next()?);
    let mut validity = Elements(to_be_signed.of(SEQUENCE)?);
    let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
    let extensions = to_be_signed.find(|(tag, _)| *tag == EXTENSIONS);
    let names = extensions.and_then(|(_, extensions)| names(extensions)).unwrap_or_default();
    Some(Described { names, not_before, not_after })
}

/// The contents of the first element in `bytes`, which is a `tag`.
fn inside(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    Elements(bytes).of(tag)
}

fn names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Elements(inside(extensions, SEQUENCE)?);
    let value = extensions.find_map(|(_, extension)| {
        let mut parts = Elements(extension);
        let is_wanted = parts.of(OBJECT_IDENTIFIER)? == SUBJECT_ALT_NAME;
        parts.find(|(tag, _)| is_wanted && *tag == OCTET_STRING).map(|(_, value)| value)
    })?;
    let names = Elements(inside(value, SEQUENCE)?);
    Some(names.filter_map(|(tag, name)| general_name(tag, name)).collect())
}

fn general_name(tag: u8, name: &[u8]) -> Option<String> {
    match tag {
        DNS_NAME => std::str::from_utf8(name).ok().map(str::to_owned),
        IP_ADDRESS => {
            let four = <[u8; 4]>::try_from(name).map(|bytes| Ipv4Addr::from(bytes).to_string());
            four.ok().or_else(|| <[u8; 16]>::try_from(name).map(|bytes| Ipv6Addr::from(bytes).to_string()).ok())
        }
        _ => None,
    }
}

/// `UTCTime` as `YYMMDDHHMMSSZ`, or `GeneralizedTime` with a year of four digits.
fn time((tag, text): (u8, &[u8])) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i8>().ok();
    let (year, rest) = match tag {
        UTC_TIME => {
            let year = i16::from(number(0, 2)?);
            (if year < 50 { 2000 + year } else { 1900 + year }, 2)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, 4),
        _ => return None,
    };
    let part = |index: usize| number(rest + 2 * index, rest + 2 * index + 2);
    let time = civil::DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, part(4)?, 0).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
}

/// DER elements that stand behind one another: tag and contents.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The contents of the next one, if it is a `tag`.
    fn of(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[tag, length], mut rest) = self.0.split_first_chunk()?;
        let mut size = usize::from(length);
        if length & 0x80 != 0 {
            let bytes;
            (bytes, rest) = rest.split_at_checked(size & 0x7f).filter(|(bytes, _)| (1..=4).contains(&bytes.len()))?;
            size = bytes.iter().fold(0, |size, &byte| size << 8 | usize::from(byte));
        }
        let contents;
        (contents, self.0) = rest.split_at_checked(size)?;
        Some((tag, contents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        let seconds = |tag, text: &str| time((tag, text.as_bytes())).map(Timestamp::as_second);
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(seconds(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(seconds(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        for bad in ["", "Z", "70010100000Z", "701301000000Z", "700101000000", "70010100000äZ"] {
            assert_eq!(seconds(UTC_TIME, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let nested = [0x30, 0x04, 0x30, 0x02, 0x02, 0x00];
        for bad in [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80", b"\x30\x00", &nested] {
            assert_eq!(describe(bad), None, "{bad:?}");
        }
    }
}
