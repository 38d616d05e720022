//! What of the project's settings the HTTP side needs.

use std::{collections::BTreeMap, time::Duration};

/// Everything that shapes an HTTP answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpOptions {
    /// `MIDDLEWARE`, in order.
    pub(crate) middleware: Vec<Middleware>,
    /// `ALLOWED_HOSTS`. With `DEBUG` and an empty list, Django's `.localhost`, `127.0.0.1`, `[::1]`.
    pub(crate) allowed_hosts: Vec<String>,
    /// `APPEND_SLASH`. Default: true.
    pub(crate) append_slash: bool,
    /// `USE_X_FORWARDED_HOST`. Default: false.
    pub(crate) use_x_forwarded_host: bool,
    /// `USE_X_FORWARDED_PORT`. Default: false.
    pub(crate) use_x_forwarded_port: bool,
    /// `SECURE_PROXY_SSL_HEADER`: WSGI name and value, such as `HTTP_X_FORWARDED_PROTO`, `https`.
    pub(crate) secure_proxy_ssl_header: Option<(String, String)>,
    pub(crate) security: SecurityOptions,
    /// `X_FRAME_OPTIONS`. Default: `DENY`.
    pub(crate) x_frame_options: String,
    pub(crate) cors: CorsOptions,
    pub(crate) language: LanguageOptions,
    /// The views served; empty: the ticket view is not ours.
    pub(crate) views: Vec<TicketView>,
    /// Bodies of the 400, 404 and 500 pages, where the project has its own; else Django's.
    pub(crate) error_pages: BTreeMap<u16, String>,
}

/// The middleware that is understood; unknown middleware keeps the ticket view from being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Middleware {
    Cors,
    Security,
    Session,
    Common,
    Csrf,
    Authentication,
    Messages,
    XFrameOptions,
    Locale,
    GZip,
    ConditionalGet,
    /// Known to leave the ticket view's answers alone (WhiteNoise, `BrokenLinkEmailsMiddleware`, ...).
    Transparent,
}

/// `SECURE_*`.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of Django's")]
pub(crate) struct SecurityOptions {
    pub(crate) content_type_nosniff: bool,
    /// Joined with `,` already.
    pub(crate) referrer_policy: Option<String>,
    pub(crate) cross_origin_opener_policy: Option<String>,
    pub(crate) hsts_seconds: u64,
    pub(crate) hsts_include_subdomains: bool,
    pub(crate) hsts_preload: bool,
    pub(crate) ssl_redirect: bool,
    pub(crate) ssl_host: Option<String>,
    /// `SECURE_REDIRECT_EXEMPT`: regular expressions searched in the path without its first slash.
    pub(crate) redirect_exempt: Vec<String>,
}

impl Default for SecurityOptions {
    fn default() -> Self {
        Self {
            content_type_nosniff: true,
            referrer_policy: Some("same-origin".to_owned()),
            cross_origin_opener_policy: Some("same-origin".to_owned()),
            hsts_seconds: 0,
            hsts_include_subdomains: false,
            hsts_preload: false,
            ssl_redirect: false,
            ssl_host: None,
            redirect_exempt: Vec::new(),
        }
    }
}

/// `CORS_*` of django-cors-headers 4.9.0.
#[derive(Clone, Debug)]
pub(crate) struct CorsOptions {
    pub(crate) allow_all_origins: bool,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) allowed_origin_regexes: Vec<String>,
    pub(crate) allow_credentials: bool,
    pub(crate) allow_headers: Vec<String>,
    pub(crate) allow_methods: Vec<String>,
    pub(crate) allow_private_network: bool,
    pub(crate) expose_headers: Vec<String>,
    /// Seconds; 0 omits the header.
    pub(crate) preflight_max_age: u64,
    pub(crate) urls_regex: String,
}

impl Default for CorsOptions {
    fn default() -> Self {
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self {
            allow_all_origins: false,
            allowed_origins: Vec::new(),
            allowed_origin_regexes: Vec::new(),
            allow_credentials: false,
            allow_headers: list(&[
                "accept",
                "authorization",
                "content-type",
                "user-agent",
                "x-csrftoken",
                "x-requested-with",
            ]),
            allow_methods: list(&["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"]),
            allow_private_network: false,
            expose_headers: Vec::new(),
            preflight_max_age: 86_400,
            urls_regex: "^.*$".to_owned(),
        }
    }
}

/// Which language answers are in.
#[derive(Clone, Debug, Default)]
pub(crate) struct LanguageOptions {
    /// `LANGUAGE_CODE`.
    pub(crate) language_code: String,
    /// `LANGUAGE_COOKIE_NAME`.
    pub(crate) cookie_name: String,
    /// `LANGUAGES`' codes, in order.
    pub(crate) languages: Vec<String>,
    /// For each language, the translation of each English text that DRF and SimpleJWT may answer with. A text that
    /// is not translated is absent.
    pub(crate) texts: BTreeMap<String, BTreeMap<String, String>>,
}

/// One mounted `AsgiValidateTokenView`.
#[derive(Clone, Debug)]
pub(crate) struct TicketView {
    /// A regular expression on the decoded path without its first slash, anchored at both ends by its maker.
    pub(crate) pattern: String,
    /// `get_view_name()`, in the answer to OPTIONS. Default: `Asgi Validate Token`.
    pub(crate) name: String,
    /// `get_view_description()`.
    pub(crate) description: String,
    /// `Allow`. Default: `GET, HEAD, OPTIONS`.
    pub(crate) allowed_methods: String,
    pub(crate) authentication: Vec<AuthenticationClass>,
    pub(crate) renderers: Vec<Renderer>,
    /// Media types of the parsers, for OPTIONS.
    pub(crate) parses: Vec<String>,
    pub(crate) throttles: Vec<Throttle>,
    /// `URL_FORMAT_OVERRIDE`. Default: `format`.
    pub(crate) format_parameter: Option<String>,
    /// `COMPACT_JSON`. Default: true.
    pub(crate) compact_json: bool,
    /// `UNICODE_JSON`. Default: true.
    pub(crate) unicode_json: bool,
}

/// An entry of `authentication_classes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthenticationClass {
    /// `JWTAuthentication`, with the `www-authenticate` that it sends.
    Jwt { challenge: Option<String> },
    /// `JWTStatelessUserAuthentication`.
    JwtStateless { challenge: Option<String> },
    /// Another class of which only the challenge is known (as the first of the list it decides 401 or 403). It
    /// never authenticates here.
    Other { path: String, challenge: Option<String>, touches_session: bool },
}

/// An entry of `renderer_classes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Renderer {
    /// `JSONRenderer`.
    Json,
    /// `BrowsableAPIRenderer`, answered as JSON.
    Browsable,
}

/// One of DRF's own throttle classes.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    pub(crate) kind: ThrottleScope,
    /// The `scope` in the cache key, such as `user`.
    pub(crate) scope: String,
    /// How many requests in `period`.
    pub(crate) requests: u64,
    pub(crate) period: Duration,
}

/// Which of DRF's classes counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThrottleScope {
    Anon,
    User,
    Scoped,
}
