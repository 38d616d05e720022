//! What a client offers in `Sec-WebSocket-Extensions`.

use http::{HeaderMap, header};

/// What a server answers that accepts the extension.
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
/// The same to a client that limits our window, which wants to hear of it.
const AGREED_WITH_WINDOW: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15";

/// The answer to the first of a client's offers that can be accepted: RFC 7692, 7.1. Parameters that nobody knows, or that
/// come twice or with a wrong value, make an offer one that is not understood. A smaller window than ours cannot be
/// promised.
pub(in crate::websocket) fn agreed(headers: &HeaderMap) -> Option<&'static str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).find_map(answer)
}

fn answer(offer: &str) -> Option<&'static str> {
    let mut parts = offer.split(';').map(str::trim);
    if parts.next() != Some("permessage-deflate") {
        return None;
    }
    let mut seen = Vec::new();
    let is_understood = parts.all(|part| {
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
    });
    let agreed = if seen.contains(&"server_max_window_bits") { AGREED_WITH_WINDOW } else { AGREED };
    is_understood.then_some(agreed)
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

    fn answered(offers: &[&'static str]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for offer in offers {
            headers.append(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(offer));
        }
        agreed(&headers)
    }

    #[test]
    fn the_offers_of_browsers_and_libraries_are_accepted() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=15",
            "permessage-deflate;client_no_context_takeover ; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
        ] {
            assert_eq!(answered(&[offer]), Some(AGREED), "{offer}");
        }
        assert_eq!(answered(&["x-other", "permessage-deflate"]), Some(AGREED));
        let limited = "permessage-deflate; server_max_window_bits=\"15\"; client_max_window_bits = \"8\"";
        assert_eq!(answered(&[limited]), Some(AGREED_WITH_WINDOW));
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
            assert_eq!(answered(&[offer]), None, "{offer}");
        }
        assert_eq!(answered(&[]), None);
    }
}
