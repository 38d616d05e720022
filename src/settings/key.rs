//! Every setting by its name in `sluicegate.toml`: what it takes, what Django calls it, and whether it does anything.

use super::kind::Kind;

/// One setting.
#[derive(Debug)]
pub(super) struct Key {
    /// The name, with its section: `simple_jwt.leeway`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// What Django calls it; empty for our own.
    pub(super) django: &'static str,
    pub(super) state: State,
}

/// What becomes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is read.
    Read,
    /// Only the JSON document may hold it; a person states it in another way.
    DjangoOnly,
    /// Planned. Refused, unless its value is the one that asks for nothing.
    NotYet,
    /// Harmless to ignore, for the reason given.
    Ignored(&'static str),
}

impl Key {
    /// The section, empty for names on top of the file.
    pub(super) fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The name within its section.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

const fn read(path: &'static str, kind: Kind, django: &'static str) -> Key {
    Key { path, kind, django, state: State::Read }
}

const fn django_only(path: &'static str, kind: Kind, django: &'static str) -> Key {
    Key { path, kind, django, state: State::DjangoOnly }
}

const fn not_yet(path: &'static str, kind: Kind) -> Key {
    Key { path, kind, django: "", state: State::NotYet }
}

const fn ignored(path: &'static str, kind: Kind, reason: &'static str) -> Key {
    Key { path, kind, django: "", state: State::Ignored(reason) }
}

const COUNT: Kind = Kind::Integer(1, u32::MAX as i64);
const SSL_MODES: Kind = Kind::Word(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]);
const DATABASE: &str = "DATABASES[\"default\"]";
const CACHE: &str = "CACHES[\"default\"]";
const LAYER: &str = "CHANNEL_LAYERS[\"default\"]";

/// Every setting, in the order in which `sluicegate settings` prints them. `[[route]]` is read by itself.
pub(super) const KEYS: &[Key] = &[
    // Ours, on top of the file.
    read("bind", Kind::Text, ""),
    read("allow_local", Kind::Bool, ""),
    // Django's own.
    read("secret_key", Kind::Secret, "SECRET_KEY"),
    read("debug", Kind::Bool, "DEBUG"),
    read("allowed_hosts", Kind::Texts, "ALLOWED_HOSTS"),
    read("append_slash", Kind::Bool, "APPEND_SLASH"),
    read("use_tz", Kind::Bool, "USE_TZ"),
    read("time_zone", Kind::Text, "TIME_ZONE"),
    read("use_x_forwarded_host", Kind::Bool, "USE_X_FORWARDED_HOST"),
    read("use_x_forwarded_port", Kind::Bool, "USE_X_FORWARDED_PORT"),
    read("secure_proxy_ssl_header", Kind::PairOrNone, "SECURE_PROXY_SSL_HEADER"),
    // DATABASES.
    read("database.url", Kind::Secret, ""),
    read("database.engine", Kind::Text, DATABASE),
    django_only("database.vendor", Kind::Text, DATABASE),
    read("database.host", Kind::TextOrNone, DATABASE),
    read("database.port", Kind::TextOrInteger, DATABASE),
    read("database.unix_socket", Kind::TextOrNone, DATABASE),
    read("database.name", Kind::TextOrNone, DATABASE),
    django_only("database.file", Kind::TextOrNone, DATABASE),
    read("database.user", Kind::TextOrNone, DATABASE),
    read("database.password", Kind::Secret, DATABASE),
    read("database.options", Kind::TextOrNone, DATABASE),
    read("database.charset", Kind::TextOrNone, DATABASE),
    read("database.sslmode", SSL_MODES, DATABASE),
    read("database.sslrootcert", Kind::TextOrNone, DATABASE),
    read("database.sslcert", Kind::TextOrNone, DATABASE),
    read("database.sslkey", Kind::TextOrNone, DATABASE),
    django_only("database.unsupported", Kind::Texts, DATABASE),
    read("database.max_connections", Kind::Integer(1, 10_000), ""),
    read("database.timeout", Kind::Seconds, ""),
    read("database.prepared", Kind::Word(&["auto", "always", "never"]), ""),
    ignored("database.conn_max_age", Kind::Any, "connections are pooled, see max_connections"),
    ignored("database.conn_health_checks", Kind::Bool, "a connection that broke is replaced by itself"),
    // AUTH_USER_MODEL, for a project without Python.
    read("user.table", Kind::Text, "AUTH_USER_MODEL"),
    read("user.id", Kind::Text, ""),
    read("user.id_kind", Kind::Word(&["integer", "bigint", "uuid", "text"]), ""),
    read("user.user_id_field_kind", Kind::Word(&["integer", "bigint", "uuid", "text"]), ""),
    read("user.username", Kind::Text, ""),
    read("user.password", Kind::TextOrNone, ""),
    read("user.is_active", Kind::TextOrNone, ""),
    read("user.blacklist", Kind::Bool, ""),
    // CACHES.
    read("cache.url", Kind::Secret, ""),
    read("cache.backend", Kind::Text, CACHE),
    django_only("cache.kind", Kind::Text, CACHE),
    read("cache.location", Kind::Texts, CACHE),
    django_only("cache.servers", Kind::Any, CACHE),
    read("cache.username", Kind::TextOrNone, CACHE),
    read("cache.password", Kind::Secret, CACHE),
    read("cache.db", Kind::Integer(0, i32::MAX as i64), CACHE),
    read("cache.sentinels", Kind::Any, CACHE),
    read("cache.service_name", Kind::TextOrNone, CACHE),
    read("cache.sentinel_username", Kind::TextOrNone, CACHE),
    read("cache.sentinel_password", Kind::Secret, CACHE),
    read("cache.key_prefix", Kind::Text, CACHE),
    read("cache.version", Kind::TextOrInteger, CACHE),
    read("cache.key", Kind::Text, "CACHES[\"default\"][\"KEY_FUNCTION\"]"),
    django_only("cache.key_function", Kind::TextOrNone, CACHE),
    django_only("cache.key_problem", Kind::TextOrNone, CACHE),
    read("cache.serializer", Kind::TextOrNone, CACHE),
    read("cache.compressor", Kind::TextOrNone, CACHE),
    read("cache.pickle_protocol", Kind::Integer(-1, 5), CACHE),
    django_only("cache.client", Kind::TextOrNone, CACHE),
    read("cache.ignore_exceptions", Kind::Bool, CACHE),
    read("cache.max_entries", Kind::Integer(0, i64::MAX), CACHE),
    read("cache.cull_frequency", Kind::Integer(0, i64::MAX), CACHE),
    django_only("cache.database", Kind::Any, CACHE),
    django_only("cache.unsupported", Kind::Texts, CACHE),
    read("cache.socket_timeout", Kind::Seconds, ""),
    ignored("cache.timeout", Kind::Any, "a ticket lives 600 seconds, whatever the cache's TIMEOUT says"),
    // CHANNEL_LAYERS.
    read("channel_layer.url", Kind::Secret, ""),
    read("channel_layer.backend", Kind::Text, LAYER),
    django_only("channel_layer.kind", Kind::Text, LAYER),
    read("channel_layer.hosts", Kind::Any, LAYER),
    django_only("channel_layer.servers", Kind::Any, LAYER),
    read("channel_layer.prefix", Kind::Text, LAYER),
    read("channel_layer.expiry", Kind::Seconds, LAYER),
    read("channel_layer.group_expiry", Kind::Seconds, LAYER),
    read("channel_layer.capacity", Kind::Integer(0, u32::MAX as i64), LAYER),
    read("channel_layer.channel_capacity", Kind::Any, LAYER),
    read("channel_layer.symmetric_encryption_keys", Kind::Secrets, LAYER),
    read("channel_layer.serializer_format", Kind::Word(&["msgpack", "json"]), LAYER),
    read("channel_layer.random_prefix_length", Kind::Integer(0, 1024), LAYER),
    read("channel_layer.lease", Kind::SecondsOrOff, ""),
    read("channel_layer.queues", Kind::Integer(1, 1024), ""),
    read("channel_layer.member_per_channel", Kind::Bool, ""),
    read("channel_layer.timeout", Kind::Seconds, ""),
    read("channel_layer.commands", Kind::Bool, ""),
    django_only("channel_layer.unsupported", Kind::Texts, LAYER),
    // Questions to Django.
    read("ask.key", Kind::Secret, ""),
    read("ask.max_open", Kind::Integer(1, 1_000_000), ""),
    // SIMPLE_JWT.
    read("simple_jwt.algorithm", Kind::Text, "SIMPLE_JWT[\"ALGORITHM\"]"),
    read("simple_jwt.signing_key", Kind::Secret, "SIMPLE_JWT[\"SIGNING_KEY\"]"),
    read("simple_jwt.verifying_key", Kind::Secret, "SIMPLE_JWT[\"VERIFYING_KEY\"]"),
    read("simple_jwt.jwk_url", Kind::TextOrNone, "SIMPLE_JWT[\"JWK_URL\"]"),
    read("simple_jwt.jwks_stale_for", Kind::Seconds, ""),
    read("simple_jwt.audience", Kind::TextOrTexts, "SIMPLE_JWT[\"AUDIENCE\"]"),
    read("simple_jwt.issuer", Kind::TextOrTexts, "SIMPLE_JWT[\"ISSUER\"]"),
    read("simple_jwt.leeway", Kind::Seconds, "SIMPLE_JWT[\"LEEWAY\"]"),
    read("simple_jwt.auth_header_types", Kind::Texts, "SIMPLE_JWT[\"AUTH_HEADER_TYPES\"]"),
    read("simple_jwt.auth_header_name", Kind::Text, "SIMPLE_JWT[\"AUTH_HEADER_NAME\"]"),
    read("simple_jwt.user_id_field", Kind::Text, "SIMPLE_JWT[\"USER_ID_FIELD\"]"),
    read("simple_jwt.user_id_claim", Kind::Text, "SIMPLE_JWT[\"USER_ID_CLAIM\"]"),
    read("simple_jwt.token_type_claim", Kind::TextOrNone, "SIMPLE_JWT[\"TOKEN_TYPE_CLAIM\"]"),
    read("simple_jwt.jti_claim", Kind::TextOrNone, "SIMPLE_JWT[\"JTI_CLAIM\"]"),
    read("simple_jwt.auth_token_classes", Kind::Any, "SIMPLE_JWT[\"AUTH_TOKEN_CLASSES\"]"),
    read("simple_jwt.check_revoke_token", Kind::Bool, "SIMPLE_JWT[\"CHECK_REVOKE_TOKEN\"]"),
    read("simple_jwt.revoke_token_claim", Kind::Text, "SIMPLE_JWT[\"REVOKE_TOKEN_CLAIM\"]"),
    read("simple_jwt.check_user_is_active", Kind::Bool, "SIMPLE_JWT[\"CHECK_USER_IS_ACTIVE\"]"),
    ignored("simple_jwt.access_token_lifetime", Kind::Seconds, "tokens are checked here, not made"),
    ignored("simple_jwt.refresh_token_lifetime", Kind::Seconds, "tokens are checked here, not made"),
    django_only("simple_jwt.unsupported", Kind::Texts, "SIMPLE_JWT"),
    // The ticket view.
    read("ticket.serve", Kind::BoolOr(&["auto"]), ""),
    read("ticket.path", Kind::Text, "ROOT_URLCONF"),
    read("ticket.ignore_authentication", Kind::Texts, ""),
    not_yet("token.serve", Kind::Bool),
    // Sockets.
    read("websocket.allowed_origins", Kind::TextOrTexts, "ASGI_APPLICATION"),
    read("websocket.check_user_is_active", Kind::Bool, ""),
    read("websocket.expire_with_token", Kind::Bool, ""),
    read("websocket.user_check_interval", Kind::SecondsOrOff, ""),
    read("websocket.refuse", Kind::Word(&["status", "close"]), ""),
    read("websocket.subprotocols", Kind::Texts, ""),
    read("websocket.max_message_size", Kind::Bytes, ""),
    read("websocket.compression", Kind::Bool, ""),
    read("websocket.compression_min_size", Kind::Bytes, ""),
    read("websocket.compression_memory", Kind::Bytes, ""),
    read("websocket.ping_interval", Kind::Seconds, ""),
    read("websocket.ping_timeout", Kind::Seconds, ""),
    read("websocket.close_timeout", Kind::Seconds, ""),
    read("websocket.user_fields", Kind::Texts, ""),
    read("upstream.url", Kind::Texts, ""),
    read("upstream.timeout", Kind::Seconds, ""),
    read("upstream.connect_timeout", Kind::Seconds, ""),
    read("upstream.health_path", Kind::Text, ""),
    read("upstream.health_interval", Kind::Seconds, ""),
    read("upstream.hold", Kind::Seconds, ""),
    read("upstream.hold_buffer", Kind::Bytes, ""),
    read("health.path_prefix", Kind::Text, ""),
    read("server.drain_seconds", Kind::Seconds, ""),
    read("server.handover", Kind::Text, ""),
    read("server.tls_certificate", Kind::Text, ""),
    read("server.tls_key", Kind::Text, ""),
    read("admin.bind", Kind::Text, ""),
    read("admin.token", Kind::Secret, ""),
    read("admin.allowed_hosts", Kind::Texts, ""),
    read("limits.header_bytes", Kind::Bytes, ""),
    read("limits.url_bytes", Kind::Bytes, ""),
    read("limits.handshake_timeout", Kind::Seconds, ""),
    read("limits.send_timeout", Kind::Seconds, ""),
    read("limits.connections", COUNT, ""),
    read("limits.connections_per_user", COUNT, ""),
    read("limits.connections_per_address", COUNT, ""),
    read("limits.share_users", Kind::Bool, ""),
    read("limits.handshakes_per_second", COUNT, ""),
    read("limits.handshakes_burst", COUNT, ""),
    read("limits.tickets_per_second", COUNT, ""),
    read("limits.tickets_burst", COUNT, ""),
    read("limits.at_once", COUNT, ""),
    read("limits.waiting", Kind::Integer(0, 1_000_000), ""),
    read("limits.wait", Kind::Seconds, ""),
    read("limits.trusted_proxies", Kind::Texts, ""),
    // MIDDLEWARE and its settings.
    read("http.middleware", Kind::Texts, "MIDDLEWARE"),
    read("http.transparent_middleware", Kind::Texts, ""),
    read("http.x_frame_options", Kind::Text, "X_FRAME_OPTIONS"),
    read("http.language_code", Kind::Text, "LANGUAGE_CODE"),
    read("security.content_type_nosniff", Kind::Bool, "SECURE_CONTENT_TYPE_NOSNIFF"),
    read("security.referrer_policy", Kind::TextOrTexts, "SECURE_REFERRER_POLICY"),
    read("security.cross_origin_opener_policy", Kind::TextOrNone, "SECURE_CROSS_ORIGIN_OPENER_POLICY"),
    read("security.hsts_seconds", Kind::Integer(0, i64::MAX), "SECURE_HSTS_SECONDS"),
    read("security.hsts_include_subdomains", Kind::Bool, "SECURE_HSTS_INCLUDE_SUBDOMAINS"),
    read("security.hsts_preload", Kind::Bool, "SECURE_HSTS_PRELOAD"),
    read("security.ssl_redirect", Kind::Bool, "SECURE_SSL_REDIRECT"),
    read("security.ssl_host", Kind::TextOrNone, "SECURE_SSL_HOST"),
    read("security.redirect_exempt", Kind::Texts, "SECURE_REDIRECT_EXEMPT"),
    read("cors.allow_all_origins", Kind::Bool, "CORS_ALLOW_ALL_ORIGINS"),
    read("cors.allowed_origins", Kind::Texts, "CORS_ALLOWED_ORIGINS"),
    read("cors.allowed_origin_regexes", Kind::Texts, "CORS_ALLOWED_ORIGIN_REGEXES"),
    read("cors.allow_credentials", Kind::Bool, "CORS_ALLOW_CREDENTIALS"),
    read("cors.allow_headers", Kind::Texts, "CORS_ALLOW_HEADERS"),
    read("cors.allow_methods", Kind::Texts, "CORS_ALLOW_METHODS"),
    read("cors.allow_private_network", Kind::Bool, "CORS_ALLOW_PRIVATE_NETWORK"),
    read("cors.expose_headers", Kind::Texts, "CORS_EXPOSE_HEADERS"),
    read("cors.preflight_max_age", Kind::Integer(0, i64::MAX), "CORS_PREFLIGHT_MAX_AGE"),
    read("cors.urls_regex", Kind::Text, "CORS_URLS_REGEX"),
    django_only("cors.unsupported", Kind::Texts, "CORS_*"),
];

/// The setting of this name.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether there is a section of this name.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| !name.is_empty() && key.section() == name)
}

/// The settings that a person may write in this section, for the nearest to a mistaken one.
pub(super) fn names_in(section: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(move |key| key.section() == section && key.state != State::DjangoOnly).map(Key::name)
}

/// The nearest of `known` to `name`, if it is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_in_the_table_once() {
        let mut paths: Vec<_> = KEYS.iter().map(|key| key.path).collect();
        paths.sort_unstable();
        paths.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1]));
    }

    #[test]
    fn every_setting_that_does_something_is_documented() {
        let page = include_str!("../../docs/settings.md");
        let missing: Vec<_> = KEYS
            .iter()
            .filter(|key| matches!(key.state, State::Read | State::Ignored(_)))
            .filter(|key| !page.contains(&format!("`{}`", key.name())))
            .map(|key| key.path)
            .collect();
        assert!(missing.is_empty(), "not in docs/settings.md: {missing:?}");
    }

    #[test]
    fn a_slip_of_the_pen_finds_the_name_that_was_meant() {
        assert_eq!(nearest("leway", names_in("simple_jwt")), Some("leeway"));
        assert_eq!(nearest("SIGNING_KEY".to_lowercase().as_str(), names_in("simple_jwt")), Some("signing_key"));
        assert_eq!(nearest("zzz", names_in("simple_jwt")), None);
    }
}
