//! The language of an answer (Django 5.2, middleware/locale.py, utils/translation/trans\_real.py).

use std::collections::BTreeMap;

use http::header;

use super::{answer::Answer, options::LanguageOptions, request::DjangoRequest};

/// Longer codes and headers are cut, as in Django.
const LANGUAGE_CODE_MAX_LENGTH: usize = 500;

/// The texts of the language that is active.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a>(Option<&'a BTreeMap<String, String>>);

impl<'a> Words<'a> {
    /// The texts of `language`, or of the language that it is a variant of.
    pub(super) fn of(language: &str, options: &'a LanguageOptions) -> Self {
        let mut code = language;
        loop {
            if let Some((_, texts)) = options.texts.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)) {
                return Self(Some(texts));
            }
            match code.rfind('-') {
                Some(dash) => code = &code[..dash],
                None => return Self(None),
            }
        }
    }

    /// `gettext(english)`.
    pub(super) fn translate<'b>(self, english: &'b str) -> &'b str
    where
        'a: 'b,
    {
        self.0.and_then(|texts| texts.get(english)).map_or(english, String::as_str)
    }
}

/// The language that is active without `LocaleMiddleware`: `LANGUAGE_CODE`.
pub(super) fn default_language(options: &LanguageOptions) -> String {
    options.language_code.to_lowercase()
}

/// Matches `get_language_from_request`: the cookie, then `Accept-Language`, then `LANGUAGE_CODE`.
///
/// Without `USE_I18N` there are no languages to choose from, and `LANGUAGE_CODE` is the answer.
pub(super) fn language_of_request(request: &DjangoRequest, options: &LanguageOptions) -> String {
    if let Some(code) = cookie(request, &options.cookie_name) {
        if options.languages.iter().any(|known| known.to_lowercase() == code) {
            return code;
        }
        if let Some(code) = supported_variant(&code, &options.languages) {
            return code.to_lowercase();
        }
    }
    let accepted = request.header(&header::ACCEPT_LANGUAGE).unwrap_or_default();
    for code in parse_accept_language(&accepted) {
        if code == "*" {
            break;
        }
        if let Some(code) = supported_variant(&code, &options.languages) {
            return code;
        }
    }
    supported_variant(&options.language_code, &options.languages)
        .map_or_else(|| default_language(options), |code| code.to_lowercase())
}

/// Matches `LocaleMiddleware.process_response`, for URLs without a language prefix.
pub(super) fn add_language_headers(answer: &mut Answer, language: &str) {
    answer.vary_on("Accept-Language");
    answer.set_default(header::CONTENT_LANGUAGE, language);
}

/// Matches `get_supported_language_variant`: `code` itself, what stands in for it, what it is a variant of, or the
/// first variant of that.
fn supported_variant(code: &str, languages: &[String]) -> Option<String> {
    let code = if code.chars().count() <= LANGUAGE_CODE_MAX_LENGTH {
        code
    } else {
        let end = code.char_indices().nth(LANGUAGE_CODE_MAX_LENGTH).map_or(code.len(), |(at, _)| at);
        &code[..code[..end].rfind('-').filter(|&dash| dash > 0)?]
    };
    if code.is_empty() {
        return None;
    }
    let mut candidates = vec![code];
    candidates.extend(match code {
        "zh-cn" | "zh-my" | "zh-sg" => Some("zh-hans"),
        "zh-hk" | "zh-mo" | "zh-tw" => Some("zh-hant"),
        _ => None,
    });
    let mut generic = code;
    while let Some(dash) = generic.rfind('-') {
        generic = &generic[..dash];
        candidates.push(generic);
    }
    let generic = candidates.last().copied().unwrap_or(code);
    let supported: Vec<String> = languages.iter().map(|language| language.to_lowercase()).collect();
    if let Some(found) = candidates.iter().find(|candidate| supported.contains(&candidate.to_lowercase())) {
        return Some((*found).to_owned());
    }
    supported.into_iter().find(|language| language.strip_prefix(generic).is_some_and(|rest| rest.starts_with('-')))
}

/// Matches `parse_accept_lang_header`: the codes in lower case, the most wanted first; none if any part is malformed.
fn parse_accept_language(header: &str) -> Vec<String> {
    let lowered = header.to_lowercase();
    let mut header = lowered.as_str();
    if header.chars().count() > LANGUAGE_CODE_MAX_LENGTH {
        let end = header.char_indices().nth(LANGUAGE_CODE_MAX_LENGTH).map_or(header.len(), |(at, _)| at);
        match header[..end].rfind(',').filter(|&comma| comma > 0) {
            Some(comma) => header = &header[..comma],
            None => return Vec::new(),
        }
    }
    let parts: Vec<&str> = header.split(',').collect();
    let mut wanted = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let (first, last) = (index == 0, index + 1 == parts.len());
        // White space is taken around commas, and nowhere else.
        let part = if first { part } else { part.trim_start() };
        let part = if last { part } else { part.trim_end() };
        if part.is_empty() && last {
            break;
        }
        match parse_language(part) {
            Some(language) => wanted.push(language),
            None => return Vec::new(),
        }
    }
    wanted.sort_by_key(|&(_, quality)| std::cmp::Reverse(quality));
    wanted.into_iter().map(|(code, _)| code.to_owned()).collect()
}

/// One part, such as `fr-ca;q=0.8`, and its quality in thousandths.
fn parse_language(part: &str) -> Option<(&str, u32)> {
    let (code, quality) = match part.split_once(';') {
        Some((code, quality)) => (code.trim_end(), parse_quality(quality.trim_start().strip_prefix("q=")?)?),
        None => (part, 1000),
    };
    let mut subtags = code.split('-');
    let primary = subtags.next()?;
    let valid = code == "*"
        || ((1..=8).contains(&primary.len())
            && primary.bytes().all(|b| b.is_ascii_lowercase())
            && subtags.all(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric())));
    valid.then_some((code, quality))
}

/// `0`, `0.`, `0.123`, `1`, `1.`, `1.000`, in thousandths.
fn parse_quality(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// The last cookie of that name, without quotes around it. Matches django/http/cookie.py, `parse_cookie`.
fn cookie(request: &DjangoRequest, name: &str) -> Option<String> {
    let header = request.header(&header::COOKIE)?;
    let mut pairs = header.split(';').filter_map(|chunk| chunk.split_once('='));
    pairs.rfind(|(key, _)| key.trim() == name).map(|(_, value)| {
        let value = value.trim();
        value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value).to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_ordered_by_quality() {
        assert_eq!(parse_accept_language("fr-CA,fr;q=0.8 , en ; q=0.9,*;q=0"), ["fr-ca", "en", "fr", "*"]);
        assert_eq!(parse_accept_language("de,"), ["de"]);
        assert!(parse_accept_language("").is_empty());
    }

    #[test]
    fn one_malformed_part_spoils_the_header() {
        for header in [" de", "de ", "de,,fr", "de;q=2", "de;q=0.1234", "de;level=1", "abcdefghij", "d_e", "de;q=1.1"] {
            assert!(parse_accept_language(header).is_empty(), "{header:?}");
        }
    }

    #[test]
    fn a_variant_falls_back_to_its_language_and_a_language_to_a_variant() {
        let languages = ["en", "fr", "pt-BR", "zh-hans"].map(str::to_owned);
        let variant = |code: &str| supported_variant(code, &languages);
        assert_eq!(variant("fr-ca").as_deref(), Some("fr"));
        assert_eq!(variant("pt").as_deref(), Some("pt-br"));
        assert_eq!(variant("pt-pt").as_deref(), Some("pt-br"));
        assert_eq!(variant("zh-cn").as_deref(), Some("zh-hans"));
        assert_eq!(variant("xx"), None);
        assert_eq!(variant(""), None);
        assert_eq!(variant(&format!("fr-{}", "a".repeat(600))).as_deref(), Some("fr"));
    }

    #[test]
    fn a_text_without_a_translation_stays_english() {
        let german = BTreeMap::from([("Not found.".to_owned(), "Nicht gefunden.".to_owned())]);
        let options =
            LanguageOptions { texts: BTreeMap::from([("de".to_owned(), german)]), ..LanguageOptions::default() };
        assert_eq!(Words::of("de-at", &options).translate("Not found."), "Nicht gefunden.");
        assert_eq!(Words::of("de", &options).translate("User is inactive"), "User is inactive");
        assert_eq!(Words::of("fr", &options).translate("Not found."), "Not found.");
    }
}
