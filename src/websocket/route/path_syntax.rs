//! The syntax of Django's `path()`. Matches django/urls/resolvers.py, `_route_to_regex`, and urls/converters.py.

/// Django's built-in converters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Converter {
    Int,
    Str,
    Slug,
    Uuid,
    Path,
}

impl Converter {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "int" => Some(Self::Int),
            "str" => Some(Self::Str),
            "slug" => Some(Self::Slug),
            "uuid" => Some(Self::Uuid),
            "path" => Some(Self::Path),
            _ => None,
        }
    }

    const fn regex(self) -> &'static str {
        match self {
            Self::Int => "[0-9]+",
            Self::Str => "[^/]+",
            Self::Slug => "[-a-zA-Z0-9_]+",
            Self::Uuid => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            Self::Path => ".+",
        }
    }
}

/// A `path()` route as a regular expression.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) regex: String,
    pub(super) parameters: Vec<(String, Converter)>,
}

/// # Errors
///
/// A sentence, where Django raises `ImproperlyConfigured` or `re` refuses the result.
pub(super) fn parse(route: &str) -> Result<Parsed, String> {
    let mut regex = String::from("^");
    let mut parameters: Vec<(String, Converter)> = Vec::new();
    let mut rest = route;
    while let Some((before, inside, after)) = next_parameter(rest) {
        if inside.contains([' ', '\t', '\n', '\r', '\x0b', '\x0c']) {
            return Err(format!("the path {route:?} cannot contain white space in angle brackets"));
        }
        let (converter, name) = inside.split_once(':').unwrap_or(("str", inside));
        if !is_identifier(name) {
            return Err(format!("the path {route:?} uses the parameter name {name:?}, which is no Python identifier"));
        }
        let converter = Converter::from_name(converter).ok_or_else(|| {
            format!("the path {route:?} uses the converter {converter:?}; known are int, path, slug, str and uuid")
        })?;
        if parameters.iter().any(|(known, _)| known == name) {
            return Err(format!("the path {route:?} uses the parameter name {name:?} more than once"));
        }
        regex.push_str(&fancy_regex::escape(before));
        regex.push_str("(?P<");
        regex.push_str(name);
        regex.push('>');
        regex.push_str(converter.regex());
        regex.push(')');
        parameters.push((name.to_owned(), converter));
        rest = after;
    }
    regex.push_str(&fancy_regex::escape(rest));
    regex.push_str(r"\z");
    Ok(Parsed { regex, parameters })
}

/// The first `<(?:(?P<converter>[^>:]+):)?(?P<parameter>[^>]+)>` of `text`: what is before, inside and after it.
fn next_parameter(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let open = from + text[from..].find('<')?;
        let close = open + text[open..].find('>')?;
        if close > open + 1 {
            return Some((&text[..open], &text[open + 1..close], &text[close + 1..]));
        }
        from = open + 1;
    }
}

/// `str.isidentifier()`, for what a regular expression takes as a group's name.
fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
        && characters.all(|character| character == '_' || character.is_alphanumeric())
}
