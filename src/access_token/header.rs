//! The token in `Authorization: Bearer <token>`.

use super::Refusal;

/// The raw token in a header, or `None` where the header holds none of ours, so that the next authentication class is
/// asked. `header` is the value as bytes, headers of that name joined with `,`.
///
/// Matches SimpleJWT 5.5.1, authentication.py, `JWTAuthentication.get_raw_token`.
///
/// # Errors
///
/// [`Refusal::BadAuthorizationHeader`] if the first word is one of `types` and not exactly one word follows.
pub(crate) fn raw_token<'a>(header: &'a [u8], types: &[String]) -> Result<Option<&'a [u8]>, Refusal> {
    // bytes.split(): runs of ASCII white space, the vertical tab included.
    let mut words = header.split(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).filter(|word: &&[u8]| !word.is_empty());
    let Some(scheme) = words.next() else { return Ok(None) };
    if !types.iter().any(|known| is_latin_1_of(scheme, known)) {
        return Ok(None);
    }
    match (words.next(), words.next()) {
        (Some(token), None) => Ok(Some(token)),
        _ => Err(Refusal::BadAuthorizationHeader),
    }
}

/// `text.encode("iso-8859-1") == bytes`.
fn is_latin_1_of(bytes: &[u8], text: &str) -> bool {
    text.chars().map(u32::from).eq(bytes.iter().copied().map(u32::from))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(header: &[u8]) -> Result<Option<&[u8]>, Refusal> {
        raw_token(header, &["Bearer".to_owned()])
    }

    #[test]
    fn words_are_split_on_runs_of_ascii_white_space() {
        for header in [&b"Bearer abc"[..], b"  Bearer   abc  ", b"Bearer\tabc", b"\x0bBearer\x0c\r\nabc"] {
            assert_eq!(bearer(header), Ok(Some(&b"abc"[..])));
        }
        // A no-break space is part of a word.
        assert_eq!(bearer(b"Bearer\xa0abc"), Ok(None));
    }

    #[test]
    fn another_scheme_is_as_if_there_were_none() {
        for header in [&b""[..], b"  ", b"Basic abc", b"bearer abc", b"BEARER abc", b"abc", b"Beare\xe9 abc"] {
            assert_eq!(bearer(header), Ok(None));
        }
    }

    #[test]
    fn one_word_must_follow_the_scheme() {
        for header in [&b"Bearer"[..], b"Bearer a b", b"Bearer a,Bearer b"] {
            assert_eq!(bearer(header), Err(Refusal::BadAuthorizationHeader));
        }
    }

    #[test]
    fn a_scheme_beyond_ascii_is_compared_in_latin_1() {
        assert_eq!(raw_token(b"\xe9 abc", &["é".to_owned()]), Ok(Some(&b"abc"[..])));
        assert_eq!(raw_token("é abc".as_bytes(), &["é".to_owned()]), Ok(None));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_word(header in prop::collection::vec(any::<u8>(), 0..40)) {
            let header = [b"Bearer ".as_slice(), &header].concat();
            if let Ok(Some(token)) = bearer(&header) {
                prop_assert!(!token.is_empty());
                prop_assert!(!token.iter().any(|byte| matches!(byte, b' ' | b'\t'..=b'\r')));
            }
        }
    }
}
