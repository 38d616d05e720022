//! `GZipMiddleware` (Django 5.2, middleware/gzip.py).

use std::io::Write;

use flate2::{Compression, GzBuilder};
use http::{HeaderMap, HeaderValue, header};
use uuid::Uuid;

use super::{answer::Answer, request::DjangoRequest};

/// Shorter bodies are left as they are, without a `Vary` either.
const MIN_LENGTH: usize = 200;
/// `max_random_bytes`: a file name of up to so many letters hides the compressed length (BREACH).
const MAX_RANDOM_BYTES: u8 = 100;

/// Matches `GZipMiddleware.process_response`.
pub(super) fn compress(request: &DjangoRequest, answer: &mut Answer) {
    if answer.body.len() < MIN_LENGTH || answer.headers.contains_key(header::CONTENT_ENCODING) {
        return;
    }
    answer.vary_on("Accept-Encoding");
    if !request.header(&header::ACCEPT_ENCODING).is_some_and(|accepted| accepts_gzip(&accepted)) {
        return;
    }
    let Ok(compressed) = compress_string(&answer.body) else { return };
    if compressed.len() >= answer.body.len() {
        return;
    }
    answer.body = compressed.into();
    answer.set(header::CONTENT_LENGTH, &answer.body.len().to_string());
    weaken_etag(&mut answer.headers);
    answer.set(header::CONTENT_ENCODING, "gzip");
}

/// `re.search(r"\bgzip\b", accepted)`: `q` is ignored.
fn accepts_gzip(accepted: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    accepted.match_indices("gzip").any(|(at, found)| {
        !word(accepted[..at].chars().next_back()) && !word(accepted[at + found.len()..].chars().next())
    })
}

/// Matches django/utils/text.py, `compress_string`.
fn compress_string(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = Uuid::new_v4().as_bytes()[0] % MAX_RANDOM_BYTES;
    let name = vec![b'a'; usize::from(length)];
    let mut encoder = GzBuilder::new().mtime(0).filename(name).write(Vec::new(), Compression::new(6));
    encoder.write_all(body)?;
    encoder.finish()
}

/// A compressed body is equivalent to the plain one, not the same.
fn weaken_etag(headers: &mut HeaderMap) {
    let Some(etag) = headers.get_mut(header::ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")) else { return };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat()) {
        *etag = weak;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use http::{Request, StatusCode};

    use super::*;

    fn compressed(body: &str, accepted: &str) -> Answer {
        let parts = Request::builder().header(header::ACCEPT_ENCODING, accepted).body(()).unwrap().into_parts().0;
        let mut answer = Answer::html(StatusCode::OK, body.to_owned());
        answer.set(header::ETAG, "\"x\"");
        compress(&DjangoRequest::new(parts, None), &mut answer);
        answer
    }

    #[test]
    fn a_long_body_is_compressed_for_a_client_that_takes_gzip() {
        let body = "a".repeat(1000);
        let answer = compressed(&body, "br, gzip;q=0");
        assert_eq!(answer.headers[header::CONTENT_ENCODING], "gzip");
        assert_eq!(answer.headers[header::CONTENT_LENGTH], answer.body.len().to_string());
        assert_eq!(answer.headers[header::VARY], "Accept-Encoding");
        assert_eq!(answer.headers[header::ETAG], "W/\"x\"");
        let mut plain = String::new();
        flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, body);
    }

    #[test]
    fn a_client_that_does_not_take_gzip_gets_the_body_and_the_vary() {
        let answer = compressed(&"a".repeat(1000), "xgzip");
        assert_eq!(answer.headers.get(header::CONTENT_ENCODING), None);
        assert_eq!(answer.headers[header::VARY], "Accept-Encoding");
    }

    #[test]
    fn a_short_body_stays_as_it_is() {
        assert_eq!(compressed(&"a".repeat(199), "gzip").headers.get(header::VARY), None);
    }
}
