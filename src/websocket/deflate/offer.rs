//! What a client offers in `Sec-WebSocket-Extensions`.

use http::{HeaderMap, header};

/// Whether one of a client's offers can be accepted: RFC 7692, 7.1. Parameters that nobody knows, or that come twice or
/// with a wrong value, make an offer one that is not understood. A smaller window than ours cannot be promised.
pub(in crate::websocket) fn accepts(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(can_be_accepted)
}

fn can_be_accepted(offer: &str) -> bool {
    let mut parts = offer.split(';').map(str::trim);
    if parts.next() != Some("permessage-deflate") {
        return false;
    }
    let mut seen = Vec::new();
    parts.all(|part| {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start()))),
            None => (part, None),
        };
        let is_new = !seen.contains(&name);
        seen.push(name);
        is_new
            && match (name, value) {
                ("server_no_context_takeover" | "client_no_context_takeover" | "client_max_window_bits", None)
                | ("server_max_window_bits", Some("15")) => true,
                ("client_max_window_bits", Some(bits)) => is_window(bits),
                _ => false,
            }
    })
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn is_window(bits: &str) -> bool {
    matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepts_all(offers: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for offer in offers {
            headers.append(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(offer));
        }
        accepts(&headers)
    }

    #[test]
    fn the_offers_of_browsers_and_libraries_are_accepted() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=15",
            "permessage-deflate;client_no_context_takeover ; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=\"15\"; client_max_window_bits = \"8\"",
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
        ] {
            assert!(accepts_all(&[offer]), "{offer}");
        }
        assert!(accepts_all(&["x-other", "permessage-deflate"]));
    }

    #[test]
    fn offers_that_are_not_understood_or_cannot_be_kept_are_not() {
        for offer in [
            "",
            "permessage-bzip2",
            "permessage-deflated",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=016",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; unknown",
            "permessage-deflate; ",
        ] {
            assert!(!accepts_all(&[offer]), "{offer}");
        }
        assert!(!accepts_all(&[]));
    }
}
