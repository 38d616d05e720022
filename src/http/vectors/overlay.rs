//! A recorded project's settings as options. A setting that is not known here fails the test.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value as Json;

use crate::{
    access_token::{AccessTokenOptions, Algorithm, OneOrMany, TokenClass},
    http::{
        AuthenticationClass, CorsOptions, HttpOptions, LanguageOptions, Middleware, Renderer, SecurityOptions,
        TicketView,
    },
    secret::Secret,
};

/// The base project of the recordings: `startproject`'s middleware, `JWTAuthentication`, everything else default.
pub(in crate::http) fn base(secret_key: &str) -> (HttpOptions, AccessTokenOptions) {
    let text = |text: &str| text.to_owned();
    let view = TicketView {
        pattern: text(r"^api/auth/auth_for_ws_connection/\Z"),
        name: text("Asgi Validate Token"),
        description: text("get:\n    API view for retrieving ticket to connect to websocket ."),
        allowed_methods: text("GET, HEAD, OPTIONS"),
        authentication: vec![AuthenticationClass::Jwt { challenge: Some(text("Bearer realm=\"api\"")) }],
        renderers: vec![Renderer::Json, Renderer::Browsable],
        parses: ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"].map(text).to_vec(),
        throttles: Vec::new(),
        format_parameter: Some(text("format")),
        compact_json: true,
        unicode_json: true,
    };
    let words = |english: &str, translated: &str| BTreeMap::from([(text(english), text(translated))]);
    let no_credentials = "Authentication credentials were not provided.";
    let http = HttpOptions {
        middleware: vec![
            Middleware::Security,
            Middleware::Session,
            Middleware::Common,
            Middleware::Csrf,
            Middleware::Authentication,
            Middleware::Messages,
            Middleware::XFrameOptions,
        ],
        allowed_hosts: ["testserver", "localhost", "127.0.0.1", ".example.com"].map(text).to_vec(),
        append_slash: true,
        x_frame_options: text("DENY"),
        security: SecurityOptions::default(),
        cors: CorsOptions::default(),
        language: LanguageOptions {
            language_code: text("en-us"),
            cookie_name: text("django_language"),
            languages: ["de", "en", "en-gb", "fr"].map(text).to_vec(),
            texts: BTreeMap::from([
                (text("de"), words(no_credentials, "Anmeldedaten fehlen.")),
                (text("fr"), words(no_credentials, "Informations d'authentification non fournies.")),
            ]),
        },
        views: vec![view],
        ..HttpOptions::default()
    };
    (http, AccessTokenOptions { signing_key: Secret::new(secret_key), ..AccessTokenOptions::default() })
}

/// Applies the settings of one recording. Returns `USER_ID_FIELD`.
pub(super) fn apply(settings: &Json, http: &mut HttpOptions, token: &mut AccessTokenOptions) -> String {
    let mut user_id_field = "id".to_owned();
    for (name, value) in settings.as_object().expect("settings") {
        match name.as_str() {
            "SIMPLE_JWT" => {
                for (name, value) in value.as_object().expect("SIMPLE_JWT") {
                    if name == "USER_ID_FIELD" {
                        user_id_field = string(value);
                    } else {
                        simple_jwt(name, value, token);
                    }
                }
            }
            "REST_FRAMEWORK" => {
                for (name, value) in value.as_object().expect("REST_FRAMEWORK") {
                    rest_framework(name, value, &mut http.views[0]);
                }
            }
            _ if name.starts_with("CORS_") => cors(name, value, &mut http.cors),
            _ if name.starts_with("SECURE_") => secure(name, value, http),
            _ => core(name, value, http),
        }
    }
    let challenge = token.auth_header_types.first().map(|scheme| format!("{scheme} realm=\"api\""));
    for class in &mut http.views[0].authentication {
        if let AuthenticationClass::Jwt { challenge: sent } | AuthenticationClass::JwtStateless { challenge: sent } =
            class
        {
            sent.clone_from(&challenge);
        }
    }
    user_id_field
}

fn core(name: &str, value: &Json, http: &mut HttpOptions) {
    match name {
        "ALLOWED_HOSTS" => http.allowed_hosts = strings(value),
        "APPEND_SLASH" => http.append_slash = value == true,
        "USE_X_FORWARDED_HOST" => http.use_x_forwarded_host = value == true,
        "X_FRAME_OPTIONS" => http.x_frame_options = string(value),
        "LANGUAGE_CODE" => http.language.language_code = string(value),
        "MIDDLEWARE" => http.middleware = strings(value).iter().map(|path| middleware(path)).collect(),
        "EXTRA_APPS" => assert_eq!(strings(value), ["corsheaders"]),
        _ => panic!("unknown setting {name}"),
    }
}

fn secure(name: &str, value: &Json, http: &mut HttpOptions) {
    let security = &mut http.security;
    match name {
        "SECURE_CONTENT_TYPE_NOSNIFF" => security.content_type_nosniff = value == true,
        "SECURE_REFERRER_POLICY" => {
            let joined = |text: &str| text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
            security.referrer_policy = value.as_str().map(joined);
        }
        "SECURE_CROSS_ORIGIN_OPENER_POLICY" => {
            security.cross_origin_opener_policy = value.as_str().map(str::to_owned);
        }
        "SECURE_HSTS_SECONDS" => security.hsts_seconds = value.as_u64().expect("seconds"),
        "SECURE_HSTS_INCLUDE_SUBDOMAINS" => security.hsts_include_subdomains = value == true,
        "SECURE_HSTS_PRELOAD" => security.hsts_preload = value == true,
        "SECURE_SSL_REDIRECT" => security.ssl_redirect = value == true,
        "SECURE_PROXY_SSL_HEADER" => {
            let pair = strings(&value["$tuple"]);
            http.secure_proxy_ssl_header = Some((pair[0].clone(), pair[1].clone()));
        }
        _ => panic!("unknown setting {name}"),
    }
}

fn cors(name: &str, value: &Json, cors: &mut CorsOptions) {
    match name {
        "CORS_ALLOWED_ORIGINS" => cors.allowed_origins = strings(value),
        "CORS_ALLOW_ALL_ORIGINS" => cors.allow_all_origins = value == true,
        "CORS_ALLOW_CREDENTIALS" => cors.allow_credentials = value == true,
        "CORS_ALLOWED_ORIGIN_REGEXES" => cors.allowed_origin_regexes = strings(value),
        "CORS_EXPOSE_HEADERS" => cors.expose_headers = strings(value),
        "CORS_PREFLIGHT_MAX_AGE" => cors.preflight_max_age = value.as_u64().expect("seconds"),
        "CORS_ALLOW_METHODS" => cors.allow_methods = strings(value),
        "CORS_ALLOW_HEADERS" => cors.allow_headers = strings(value),
        "CORS_ALLOW_PRIVATE_NETWORK" => cors.allow_private_network = value == true,
        "CORS_URLS_REGEX" => cors.urls_regex = string(value),
        _ => panic!("unknown setting {name}"),
    }
}

fn rest_framework(name: &str, value: &Json, view: &mut TicketView) {
    match name {
        "DEFAULT_AUTHENTICATION_CLASSES" => {
            view.authentication = strings(value).into_iter().map(authentication).collect();
        }
        "DEFAULT_RENDERER_CLASSES" => {
            assert_eq!(strings(value), ["rest_framework.renderers.JSONRenderer"]);
            view.renderers = vec![Renderer::Json];
        }
        "COMPACT_JSON" => view.compact_json = value == true,
        "URL_FORMAT_OVERRIDE" => view.format_parameter = value.as_str().map(str::to_owned),
        // The view has permission classes of its own.
        "DEFAULT_PERMISSION_CLASSES" => {}
        _ => panic!("unknown setting {name}"),
    }
}

fn authentication(path: String) -> AuthenticationClass {
    match path.rsplit('.').next().unwrap_or_default() {
        "JWTAuthentication" => AuthenticationClass::Jwt { challenge: None },
        "JWTStatelessUserAuthentication" => AuthenticationClass::JwtStateless { challenge: None },
        "SessionAuthentication" => AuthenticationClass::Other { path, challenge: None, touches_session: true },
        "BasicAuthentication" => {
            let challenge = Some("Basic realm=\"api\"".to_owned());
            AuthenticationClass::Other { path, challenge, touches_session: false }
        }
        _ => panic!("unknown class {path}"),
    }
}

fn simple_jwt(name: &str, value: &Json, token: &mut AccessTokenOptions) {
    let optional = || value.as_str().map(str::to_owned);
    match name {
        "ALGORITHM" => token.algorithm = Algorithm::from_name(&string(value)).expect("an algorithm"),
        "SIGNING_KEY" => token.signing_key = Secret::new(string(value)),
        "VERIFYING_KEY" => token.verifying_key = Some(Secret::new(string(value))),
        "AUTH_HEADER_TYPES" => {
            token.auth_header_types = if value.is_string() { vec![string(value)] } else { strings(value) };
        }
        "AUTH_HEADER_NAME" => token.auth_header_name = string(value),
        "USER_ID_CLAIM" => token.user_id_claim = string(value),
        "TOKEN_TYPE_CLAIM" => token.token_type_claim = optional(),
        "JTI_CLAIM" => token.jti_claim = optional(),
        "CHECK_USER_IS_ACTIVE" => token.check_user_is_active = value == true,
        "CHECK_REVOKE_TOKEN" => token.check_revoke_token = value == true,
        "LEEWAY" => token.leeway = Duration::from_secs(value.as_u64().expect("seconds")),
        "AUDIENCE" => token.audience = Some(one_or_many(value)),
        "ISSUER" => token.issuer = Some(one_or_many(value)),
        "AUTH_TOKEN_CLASSES" => token.token_classes = strings(value).iter().map(|path| token_class(path)).collect(),
        _ => panic!("unknown setting {name}"),
    }
}

fn one_or_many(value: &Json) -> OneOrMany {
    if value.is_string() { OneOrMany::One(string(value)) } else { OneOrMany::Many(strings(value)) }
}

fn token_class(path: &str) -> TokenClass {
    let name = path.rsplit('.').next().unwrap_or_default().to_owned();
    let token_type = name.trim_end_matches("Token").to_lowercase();
    TokenClass {
        token_type: (token_type != "untyped").then(|| token_type.clone()),
        token_type_shown: token_type,
        name,
        checks_blacklist: false,
    }
}

fn middleware(path: &str) -> Middleware {
    match path.rsplit('.').next().unwrap_or_default() {
        "CorsMiddleware" => Middleware::Cors,
        "SecurityMiddleware" => Middleware::Security,
        "SessionMiddleware" => Middleware::Session,
        "CommonMiddleware" => Middleware::Common,
        "CsrfViewMiddleware" => Middleware::Csrf,
        "AuthenticationMiddleware" => Middleware::Authentication,
        "MessageMiddleware" => Middleware::Messages,
        "XFrameOptionsMiddleware" => Middleware::XFrameOptions,
        "LocaleMiddleware" => Middleware::Locale,
        "GZipMiddleware" => Middleware::GZip,
        _ => panic!("unknown middleware {path}"),
    }
}

fn string(value: &Json) -> String {
    value.as_str().unwrap_or_else(|| panic!("text instead of {value}")).to_owned()
}

fn strings(value: &Json) -> Vec<String> {
    value.as_array().unwrap_or_else(|| panic!("a list instead of {value}")).iter().map(string).collect()
}
