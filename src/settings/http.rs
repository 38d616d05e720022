//! The HTTP side: middleware and what it reads.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    django::{Django, ErrorPages, Languages, MiddlewareEntry},
    issue::Blockers,
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
    values::Values,
};
use crate::http::{CorsOptions, HttpOptions, LanguageOptions, Middleware, Pattern, PatternError, SecurityOptions};

/// `MIDDLEWARE` of `startproject`, which holds where there is no project to ask.
const STARTPROJECT: [&str; 7] =
    ["security", "session", "common", "csrf", "authentication", "messages", "x_frame_options"];

/// Dotted paths of the middleware that is understood, and the document's word for each.
const KNOWN: [(&str, &str, Middleware); 12] = [
    ("corsheaders.middleware.CorsMiddleware", "cors", Middleware::Cors),
    ("django.middleware.security.SecurityMiddleware", "security", Middleware::Security),
    ("django.contrib.sessions.middleware.SessionMiddleware", "session", Middleware::Session),
    ("django.middleware.common.CommonMiddleware", "common", Middleware::Common),
    ("django.middleware.csrf.CsrfViewMiddleware", "csrf", Middleware::Csrf),
    ("django.contrib.auth.middleware.AuthenticationMiddleware", "authentication", Middleware::Authentication),
    ("django.contrib.messages.middleware.MessageMiddleware", "messages", Middleware::Messages),
    ("django.middleware.clickjacking.XFrameOptionsMiddleware", "x_frame_options", Middleware::XFrameOptions),
    ("django.middleware.locale.LocaleMiddleware", "locale", Middleware::Locale),
    ("django.middleware.gzip.GZipMiddleware", "gzip", Middleware::GZip),
    ("django.middleware.http.ConditionalGetMiddleware", "conditional_get", Middleware::ConditionalGet),
    ("whitenoise.middleware.WhiteNoiseMiddleware", "transparent", Middleware::Transparent),
];

/// Fills in everything but the views.
pub(super) fn read(layers: &mut Layers, django: &Django, blockers: &mut Blockers) -> HttpOptions {
    for item in ["core", "security", "cors", "middleware"] {
        if let Some(failure) = django.failure(item) {
            blockers.add(failure);
        }
    }
    for sentence in layers.values.texts("cors.unsupported").unwrap_or_default() {
        blockers.push(layers.values.origin("cors.unsupported"), sentence, "");
    }
    let middleware = middleware(layers, django, blockers);
    let language = language(layers, django, blockers);
    let error_pages = error_pages(django, blockers);
    check_hosts(layers, django, blockers);
    let security = security(layers, blockers);
    let cors = cors(layers, blockers);
    let values = &layers.values;
    HttpOptions {
        middleware,
        allowed_hosts: allowed_hosts(values),
        append_slash: values.boolean("append_slash", true),
        use_x_forwarded_host: values.boolean("use_x_forwarded_host", false),
        use_x_forwarded_port: values.boolean("use_x_forwarded_port", false),
        secure_proxy_ssl_header: pair(values, "secure_proxy_ssl_header"),
        security,
        x_frame_options: values.text_or("http.x_frame_options", "DENY"),
        cors,
        language,
        views: Vec::new(),
        error_pages,
    }
}

/// `ALLOWED_HOSTS`, and what Django's `HttpRequest.get_host` puts in its place with `DEBUG`.
fn allowed_hosts(values: &Values) -> Vec<String> {
    let hosts = values.texts_or("allowed_hosts", &[]);
    if hosts.is_empty() && values.boolean("debug", false) {
        return [".localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec();
    }
    hosts
}

fn check_hosts(layers: &mut Layers, django: &Django, blockers: &mut Blockers) {
    let values = &layers.values;
    if values.boolean("debug", false) || !values.texts("allowed_hosts").unwrap_or_default().is_empty() {
        return;
    }
    let sentence = "ALLOWED_HOSTS is empty, so every request for a ticket would be answered with 400";
    if django.present || values.given("allowed_hosts").is_some() {
        layers.notes.push(sentence.to_owned());
    } else {
        blockers.push(&Origin::Default, sentence, "allowed_hosts = [\"example.com\"]");
    }
}

fn middleware(layers: &mut Layers, django: &Django, blockers: &mut Blockers) -> Vec<Middleware> {
    let origin = layers.values.origin("http.middleware").clone();
    let entries: Vec<(String, String)> = if let Some(paths) = layers.values.texts("http.middleware") {
        paths.into_iter().map(|path| (String::new(), path)).collect()
    } else {
        match django.item::<Vec<MiddlewareEntry>>("middleware") {
            Ok(Some(entries)) => entries.into_iter().map(|entry| (entry.kind, entry.path)).collect(),
            Ok(None) => {
                let cors = django_has_cors(&layers.values).then_some("cors");
                cors.into_iter().chain(STARTPROJECT).map(|kind| (kind.to_owned(), String::new())).collect()
            }
            Err(problem) => {
                blockers.add(problem);
                Vec::new()
            }
        }
    };
    let transparent = layers.values.texts_or("http.transparent_middleware", &[]);
    let mut known = Vec::new();
    for (kind, path) in entries {
        let named = KNOWN
            .iter()
            .find(|(dotted, word, _)| *word == kind || (kind.is_empty() && (*dotted == path || *word == path)));
        match named {
            _ if transparent.contains(&path) => known.push(Middleware::Transparent),
            Some((_, _, middleware)) => known.push(*middleware),
            None => {
                let origin =
                    if origin == Origin::Default { Origin::Django("MIDDLEWARE".to_owned()) } else { origin.clone() };
                let sentence = format!("what the middleware {path} does is not known");
                let mend = format!(
                    "[http]\ntransparent_middleware = [\"{path}\"]        # if it leaves the view's answers alone"
                );
                blockers.push(&origin, sentence, &mend);
            }
        }
    }
    known
}

/// Without a project, the cross-origin middleware stands first where any of its settings is stated.
fn django_has_cors(values: &Values) -> bool {
    super::key::KEYS.iter().any(|key| key.section() == "cors" && values.is_stated(key.path))
}

fn pair(values: &Values, path: &str) -> Option<(String, String)> {
    match values.texts(path)?.as_slice() {
        [name, value] => Some((name.clone(), value.clone())),
        _ => None,
    }
}

/// The patterns of `path` that can be used. One that cannot is told, so that the view is not served without it.
fn patterns(
    layers: &mut Layers,
    path: &'static str,
    default: &[String],
    compile: impl Fn(&str) -> Result<Pattern, PatternError>,
    blockers: &mut Blockers,
) -> Vec<String> {
    let mut patterns = layers.values.texts_or(path, default);
    let origin = layers.values.origin(path).clone();
    patterns.retain(|pattern| match compile(pattern) {
        Ok(_) => true,
        Err(error) => {
            blockers.add_or_report(Problem::new(Code::BadValue, error.to_string()).at(&origin), layers);
            false
        }
    });
    patterns
}

fn security(layers: &mut Layers, blockers: &mut Blockers) -> SecurityOptions {
    let default = SecurityOptions::default();
    let redirect_exempt =
        patterns(layers, "security.redirect_exempt", &default.redirect_exempt, Pattern::search, blockers);
    let values = &layers.values;
    let referrer_policy = match values.given("security.referrer_policy") {
        Some((Value::Null, _)) => None,
        Some(_) => values.texts("security.referrer_policy").map(|all| all.join(",")),
        None => values.text_or_none("security.referrer_policy", default.referrer_policy.as_deref()),
    };
    SecurityOptions {
        content_type_nosniff: values.boolean("security.content_type_nosniff", default.content_type_nosniff),
        referrer_policy: referrer_policy.filter(|policy| !policy.is_empty()),
        cross_origin_opener_policy: values
            .text_or_none("security.cross_origin_opener_policy", default.cross_origin_opener_policy.as_deref())
            .filter(|policy| !policy.is_empty()),
        hsts_seconds: values.count_or("security.hsts_seconds", default.hsts_seconds),
        hsts_include_subdomains: values.boolean("security.hsts_include_subdomains", default.hsts_include_subdomains),
        hsts_preload: values.boolean("security.hsts_preload", default.hsts_preload),
        ssl_redirect: values.boolean("security.ssl_redirect", default.ssl_redirect),
        ssl_host: values.text_or_none("security.ssl_host", None).filter(|host| !host.is_empty()),
        redirect_exempt,
    }
}

fn cors(layers: &mut Layers, blockers: &mut Blockers) -> CorsOptions {
    let default = CorsOptions::default();
    let regexes = &default.allowed_origin_regexes;
    let allowed_origin_regexes = patterns(layers, "cors.allowed_origin_regexes", regexes, Pattern::at_start, blockers);
    let urls_regex = layers.values.text_or("cors.urls_regex", &default.urls_regex);
    let urls_regex = match Pattern::at_start(&urls_regex) {
        Ok(_) => urls_regex,
        Err(error) => {
            let problem = Problem::new(Code::BadValue, error.to_string()).at(layers.values.origin("cors.urls_regex"));
            blockers.add_or_report(problem, layers);
            default.urls_regex.clone()
        }
    };
    let values = &layers.values;
    CorsOptions {
        allow_all_origins: values.boolean("cors.allow_all_origins", default.allow_all_origins),
        allowed_origins: values.texts_or("cors.allowed_origins", &default.allowed_origins),
        allowed_origin_regexes,
        allow_credentials: values.boolean("cors.allow_credentials", default.allow_credentials),
        allow_headers: values.texts_or("cors.allow_headers", &default.allow_headers),
        allow_methods: values.texts_or("cors.allow_methods", &default.allow_methods),
        allow_private_network: values.boolean("cors.allow_private_network", default.allow_private_network),
        expose_headers: values.texts_or("cors.expose_headers", &default.expose_headers),
        preflight_max_age: values.count_or("cors.preflight_max_age", default.preflight_max_age),
        urls_regex,
    }
}

fn language(layers: &mut Layers, django: &Django, blockers: &mut Blockers) -> LanguageOptions {
    let languages = django.item::<Languages>("languages").unwrap_or_else(|problem| {
        blockers.add(problem);
        None
    });
    let values = &layers.values;
    let stated = values.text("http.language_code").map(str::to_owned);
    let Some(languages) = languages else {
        let language_code = values.text_or("http.language_code", "en-us");
        if !language_code.starts_with("en") {
            let sentence =
                format!("the translations into {language_code} are Django's, and are read from it with --django");
            blockers.push(values.origin("http.language_code"), sentence, "");
        }
        return LanguageOptions {
            language_code,
            cookie_name: "django_language".to_owned(),
            languages: vec!["en".to_owned()],
            texts: BTreeMap::new(),
        };
    };
    LanguageOptions {
        language_code: stated.unwrap_or(languages.language_code),
        cookie_name: languages.cookie_name,
        // USE_I18N = False: LANGUAGE_CODE is every answer's language, and no text is ever translated.
        languages: if languages.use_i18n { languages.codes } else { Vec::new() },
        texts: if languages.use_i18n { languages.texts } else { BTreeMap::new() },
    }
}

fn error_pages(django: &Django, blockers: &mut Blockers) -> BTreeMap<u16, String> {
    let pages = django.item::<ErrorPages>("error_pages").unwrap_or_else(|problem: Problem| {
        blockers.add(problem);
        None
    });
    let mut own = BTreeMap::new();
    for (name, value) in pages.unwrap_or_default().pages {
        match (name.parse::<u16>(), value) {
            (Ok(status), Value::String(page)) => {
                own.insert(status, page);
            }
            (Err(_), Value::Array(sentences)) if name == "unsupported" => {
                for sentence in sentences.iter().filter_map(Value::as_str) {
                    blockers.push(&Origin::Django("error pages".to_owned()), sentence, "");
                }
            }
            _ => {}
        }
    }
    own
}
