//! What Channels calls the scope: the parts of a handshake that routes and consumers see.

use std::borrow::Cow;

use http::{HeaderMap, Uri, header};

use crate::{
    python::{self, Value},
    ticket::Ticket,
};

/// A handshake's path and query string, decoded.
///
/// The query holds a ticket: there is no `Debug`.
pub(crate) struct Scope {
    /// `scope["path"]`: percent-decoded, with replacement characters where it is not UTF-8.
    pub(crate) path: String,
    query: Vec<(String, String)>,
}

/// The `uuid` of a handshake.
pub(crate) enum TicketParameter {
    /// None, or an empty one.
    Missing,
    /// Not the form that Python prints.
    Malformed,
    Given(Ticket),
}

impl Scope {
    pub(crate) fn new(uri: &Uri) -> Self {
        let query = uri.query().and_then(|query| python::parse_qsl(query.as_bytes())).unwrap_or_default();
        Self { path: python::unquote(uri.path()).into_owned(), query }
    }

    /// Matches django-channels-jwt, middleware.py, `JwtAuthMiddleware.auth`: `dict(parse_qsl(...)).get("uuid")`, so the
    /// last `uuid` that is not empty. Python then reads any text as a cache key; here it must be a ticket.
    pub(crate) fn ticket(&self) -> TicketParameter {
        match self.query.iter().rfind(|(name, _)| name == "uuid") {
            None => TicketParameter::Missing,
            Some((_, text)) => Ticket::parse(text).map_or(TicketParameter::Malformed, TicketParameter::Given),
        }
    }

    /// `query`, as templates see it: never the ticket; of a name that stands twice, the last value.
    pub(crate) fn query(&self) -> Value {
        let mut entries: Vec<(String, Value)> = Vec::new();
        for (name, value) in self.query.iter().filter(|(name, _)| name != "uuid") {
            set(&mut entries, name, value.clone());
        }
        Value::Dict(entries)
    }
}

/// `query` with another ticket in the place of the one that counts. Any other `uuid` is taken out, and all else is left as
/// it is, byte by byte.
pub(super) fn with_ticket(query: &str, ticket: Ticket) -> String {
    let is_uuid = |part: &&str| {
        let name = part.split_once('=').map_or(*part, |(name, _)| name);
        python::unquote(&name.replace('+', " ")) == "uuid"
    };
    let has_value = |part: &&str| part.split_once('=').is_some_and(|(_, value)| !value.is_empty());
    let counts = query.split('&').filter(is_uuid).filter(has_value).count();
    let mut seen = 0;
    let parts = query.split('&').filter_map(|part| {
        if !is_uuid(&part) {
            return Some(Cow::Borrowed(part));
        }
        seen += usize::from(has_value(&part));
        let name = part.split_once('=').map(|(name, _)| name)?;
        (has_value(&part) && seen == counts).then(|| Cow::Owned(format!("{name}={}", ticket.expose())))
    });
    parts.collect::<Vec<_>>().join("&")
}

/// `headers`, as templates see them: names in lower case, values as ISO-8859-1, several of one name joined with `, `.
/// Without those that hold secrets.
pub(crate) fn headers(headers: &HeaderMap) -> Value {
    let mut entries: Vec<(String, Value)> = Vec::new();
    for name in headers.keys().filter(|name| *name != header::AUTHORIZATION && *name != header::COOKIE) {
        let values: Vec<String> = headers.get_all(name).iter().map(|value| latin1(value.as_bytes())).collect();
        set(&mut entries, name.as_str(), values.join(", "));
    }
    Value::Dict(entries)
}

/// Those of `headers` that `names` has, as templates would see them; secrets too, if they are named.
pub(crate) fn named_headers(headers: &HeaderMap, names: &[String]) -> Value {
    let mut entries: Vec<(String, Value)> = Vec::new();
    for name in names.iter().filter(|name| headers.contains_key(name.as_str())) {
        let values: Vec<String> = headers.get_all(name).iter().map(|value| latin1(value.as_bytes())).collect();
        set(&mut entries, name, values.join(", "));
    }
    Value::Dict(entries)
}

/// A header's bytes as Channels decodes them.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn set(entries: &mut Vec<(String, Value)>, name: &str, value: String) {
    let value = Value::Str(value);
    match entries.iter_mut().find(|(known, _)| known == name) {
        Some(entry) => entry.1 = value,
        None => entries.push((name.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKET: &str = "0f5a3c1e-8d2b-4a6f-9c7e-1b2d3e4f5a6b";

    fn scope(target: &str) -> Scope {
        Scope::new(&target.replace("{t}", TICKET).parse().unwrap())
    }

    #[test]
    fn the_last_uuid_that_is_not_empty_counts() {
        for query in ["uuid={t}", "uuid=bad&uuid={t}", "uuid={t}&uuid=", "a=1&uuid={t}&b=2", "%75uid={t}", "uuid={t}&&"]
        {
            let TicketParameter::Given(ticket) = scope(&format!("/?{query}")).ticket() else { panic!("{query}") };
            assert_eq!(ticket.expose(), TICKET, "{query}");
        }
    }

    #[test]
    fn anything_but_a_uuid_as_python_prints_it_is_malformed() {
        let upper = TICKET.to_uppercase();
        let plain = TICKET.replace('-', "");
        for value in [&upper, &plain, "{{t}}", "{t}%20", "+{t}", "%ff", "None", ":2:x", "online_visitors"] {
            let parameter = scope(&format!("/?uuid={value}")).ticket();
            assert!(matches!(parameter, TicketParameter::Malformed), "{value}");
        }
    }

    #[test]
    fn no_uuid_is_missing() {
        for target in ["/", "/?", "/?uuid=", "/?UUID={t}", "/?+uuid={t}", "/?uuid", "/?;uuid={t}"] {
            assert!(matches!(scope(target).ticket(), TicketParameter::Missing), "{target}");
        }
    }

    #[test]
    fn the_path_is_decoded_and_the_query_never_holds_the_ticket() {
        let scope = scope("/ws/a%20b%2Fc%FF/?x=1&uuid={t}&x=2");
        assert_eq!(scope.path, "/ws/a b/c\u{fffd}/");
        assert_eq!(scope.query(), Value::Dict(vec![("x".to_owned(), Value::Str("2".to_owned()))]));
    }

    #[test]
    fn another_ticket_takes_the_place_of_the_one_that_counts() {
        let fresh = Ticket::new();
        for (query, expected) in [
            ("uuid={t}", "uuid={f}"),
            ("a=1&uuid={t}&b=%20+x", "a=1&uuid={f}&b=%20+x"),
            ("uuid=bad&uuid={t}", "uuid={f}"),
            ("uuid={t}&a&uuid=&uuid", "uuid={f}&a"),
            ("%75uid={t}&&a=b=c", "%75uid={f}&&a=b=c"),
            ("%75uid=old&uuid={t}&UUID=x&+uuid=y", "uuid={f}&UUID=x&+uuid=y"),
        ] {
            let written = with_ticket(&query.replace("{t}", TICKET), fresh);
            assert_eq!(written, expected.replace("{f}", &fresh.expose()), "{query}");
            let TicketParameter::Given(found) = scope(&format!("/?{written}")).ticket() else { panic!("{query}") };
            assert_eq!(found.expose(), fresh.expose());
        }
    }

    #[test]
    fn headers_with_secrets_are_left_out() {
        let mut map = HeaderMap::new();
        map.insert(header::COOKIE, "sessionid=secret".parse().unwrap());
        map.insert(header::AUTHORIZATION, "Bearer secret".parse().unwrap());
        map.append("x-a", "1".parse().unwrap());
        map.append("x-a", http::HeaderValue::from_bytes(b"\xe9").unwrap());
        assert_eq!(headers(&map), Value::Dict(vec![("x-a".to_owned(), Value::Str("1, é".to_owned()))]));
    }
}
