//! Which renderer answers (djangorestframework 3.18.3, negotiation.py, utils/mediatypes.py).

use http::header;

use super::{
    options::{Renderer, TicketView},
    request::DjangoRequest,
};
use crate::python::{self, Value, parse_qsl_text};

const MAX_ACCEPT_HEADER_LENGTH: usize = 8192;
const MAX_ACCEPT_TOKENS: usize = 64;
const MAX_MEDIA_TYPE_LENGTH: usize = 256;
/// `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
const MAX_QUERY_FIELDS: usize = 1000;

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// `indent` of the accepted media type, 1 to 8.
    pub(super) indent: Option<usize>,
}

/// Why nothing was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotNegotiated {
    /// `Http404`: no renderer has the format of `?format=`.
    UnknownFormat,
    /// None of the media types is ours.
    NotAcceptable,
    /// Django's `TooManyFieldsSent`.
    TooManyFields,
}

impl Renderer {
    /// `media_type`.
    pub(super) const fn media_type(&self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Browsable => "text/html",
        }
    }

    /// `format`.
    const fn format(&self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Browsable => "api",
        }
    }
}

/// Matches `DefaultContentNegotiation.select_renderer`.
///
/// The browsable page is answered as JSON, so that only whether something was accepted, and its `indent`, count.
pub(super) fn select_renderer(request: &DjangoRequest, view: &TicketView) -> Result<Accepted, NotNegotiated> {
    let format = format_of_query(request, view)?;
    let renderers: Vec<&Renderer> = match &format {
        Some(format) => view.renderers.iter().filter(|renderer| renderer.format() == format).collect(),
        None => view.renderers.iter().collect(),
    };
    if renderers.is_empty() && format.is_some() {
        return Err(NotNegotiated::UnknownFormat);
    }
    // Nothing sent means `*/*`.
    let Some(accept) = request.header(&header::ACCEPT) else {
        return renderers.first().map(|_| Accepted { indent: None }).ok_or(NotNegotiated::NotAcceptable);
    };
    let accepted: Vec<MediaType> = accept_list(&accept).map(MediaType::parse).collect();
    for precedence in (0..4).rev() {
        for renderer in &renderers {
            let found = accepted.iter().filter(|entry| entry.precedence() == precedence);
            if let Some(entry) = found.into_iter().find(|entry| entry.matches(renderer.media_type())) {
                return Ok(Accepted { indent: entry.indent() });
            }
        }
    }
    Err(NotNegotiated::NotAcceptable)
}

/// The last value of `?format=`, unless it is empty.
fn format_of_query(request: &DjangoRequest, view: &TicketView) -> Result<Option<String>, NotNegotiated> {
    if request.query.is_empty() {
        return Ok(None);
    }
    if request.query.matches('&').count() + 1 > MAX_QUERY_FIELDS {
        return Err(NotNegotiated::TooManyFields);
    }
    let Some(parameter) = &view.format_parameter else { return Ok(None) };
    let fields = parse_qsl_text(&request.query, true);
    let format = fields.into_iter().rev().find(|(name, _)| name == parameter).map(|(_, value)| value);
    Ok(format.filter(|format| !format.is_empty()))
}

/// Matches `get_accept_list`.
fn accept_list(header: &str) -> impl Iterator<Item = &str> {
    let end = header.char_indices().nth(MAX_ACCEPT_HEADER_LENGTH).map(|(end, _)| end);
    let header = match end {
        Some(end) => header[..end].rfind(',').map_or("", |comma| &header[..=comma]),
        None => header,
    };
    let usable = |token: &&str| !token.is_empty() && token.chars().count() <= MAX_MEDIA_TYPE_LENGTH;
    header.split(',').map(str::trim).filter(usable).take(MAX_ACCEPT_TOKENS)
}

/// An entry of `Accept`: `_MediaType`.
#[derive(Debug)]
struct MediaType {
    main: String,
    sub: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Matches django/utils/http.py, `parse_header_parameters`, and the parsing of Python's `email.message` behind it.
    fn parse(text: &str) -> Self {
        let mut parts = split_parameters(text).into_iter();
        let full = parts.next().unwrap_or_default();
        let full = full.split('=').next().unwrap_or_default().trim().to_lowercase();
        let (main, sub) = full.split_once('/').unwrap_or((&full, ""));
        let parameters = parts.filter_map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = name.trim();
            let name = if part.contains('=') { name.to_lowercase() } else { name.to_owned() };
            (!name.is_empty()).then(|| (name, unquote(value.trim())))
        });
        Self { main: main.to_owned(), sub: sub.to_owned(), parameters: parameters.collect() }
    }

    /// How specific it is, from `*/*` (0) to one with parameters other than `q` (3).
    fn precedence(&self) -> u8 {
        if self.main == "*" {
            0
        } else if self.sub == "*" {
            1
        } else if self.parameters.iter().all(|(name, _)| name == "q") {
            2
        } else {
            3
        }
    }

    /// Whether a renderer's media type satisfies it; `q` is ignored, `q=0` too.
    fn matches(&self, media_type: &str) -> bool {
        let (main, sub) = media_type.split_once('/').unwrap_or((media_type, ""));
        (self.sub == "*" || self.sub == sub) && (self.main == "*" || self.main == main)
    }

    /// Matches `JSONRenderer.get_indent`: `int(indent)` within 0 and 8, where 0 is none.
    fn indent(&self) -> Option<usize> {
        let (_, text) = self.parameters.iter().rev().find(|(name, _)| name == "indent")?;
        let indent = match python::int_from_str(text).ok()? {
            Value::Int(number) => number.clamp(0, 8),
            Value::BigInt(number) if number.sign() != num_bigint::Sign::Minus => 8,
            _ => 0,
        };
        usize::try_from(indent).ok().filter(|&indent| indent > 0)
    }
}

/// Splits on `;` outside of quotes.
fn split_parameters(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ';' if !quoted => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        escaped = c == '\\';
    }
    parts.push(text[start..].trim());
    parts
}

/// Takes off quotes or angle brackets. Matches Python's `email.utils.unquote`.
fn unquote(value: &str) -> String {
    if value.len() > 1 {
        if let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            return inner.replace("\\\\", "\\").replace("\\\"", "\"");
        }
        if let Some(inner) = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
            return inner.to_owned();
        }
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_ranked_by_how_specific_they_are() {
        for (text, precedence) in [
            ("*/*", 0),
            ("*/*;q=1", 0),
            ("application/*", 1),
            ("application/json", 2),
            ("application/json;q=0.1", 2),
            ("application/json; indent=4", 3),
        ] {
            assert_eq!(MediaType::parse(text).precedence(), precedence, "{text}");
        }
    }

    #[test]
    fn the_indent_is_read_as_python_reads_an_integer() {
        for (text, indent) in [
            ("application/json; indent=4", Some(4)),
            ("application/json; INDENT=\"+0_4\"", Some(4)),
            ("application/json; indent=99999999999999999999", Some(8)),
            ("application/json; indent=-1", None),
            ("application/json; indent=0", None),
            ("application/json; indent=x", None),
            ("application/json", None),
        ] {
            assert_eq!(MediaType::parse(text).indent(), indent, "{text}");
        }
    }

    #[test]
    fn overlong_headers_are_cut_at_a_comma() {
        let header = format!("application/json,{},*/*", "x".repeat(MAX_ACCEPT_HEADER_LENGTH));
        assert_eq!(accept_list(&header).collect::<Vec<_>>(), ["application/json"]);
        assert_eq!(accept_list(&"x".repeat(MAX_ACCEPT_HEADER_LENGTH + 1)).count(), 0);
        assert_eq!(accept_list(&"a/b,".repeat(100)).count(), MAX_ACCEPT_TOKENS);
        assert_eq!(accept_list(" , ").count(), 0);
    }

    #[test]
    fn a_semicolon_within_quotes_does_not_end_a_parameter() {
        assert_eq!(split_parameters("a/b; c=\"d;e\" ;f"), ["a/b", "c=\"d;e\"", "f"]);
    }
}
