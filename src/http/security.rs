//! `SecurityMiddleware` and `XFrameOptionsMiddleware` (Django 5.2, middleware/security.py, middleware/clickjacking.py).

use http::{HeaderName, header};

use super::{
    answer::Answer,
    host::{DisallowedHost, get_host},
    options::HttpOptions,
    pattern::{Pattern, PatternError},
    request::{DjangoRequest, iri_to_uri},
};

const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// `SECURE_REDIRECT_EXEMPT`, compiled.
#[derive(Debug)]
pub(super) struct SslRedirect {
    exempt: Vec<Pattern>,
}

impl SslRedirect {
    /// Compiles `SECURE_REDIRECT_EXEMPT`.
    pub(super) fn new(options: &HttpOptions) -> Result<Self, PatternError> {
        let exempt = options.security.redirect_exempt.iter().map(|exempt| Pattern::search(exempt));
        Ok(Self { exempt: exempt.collect::<Result<_, _>>()? })
    }

    /// Matches `SecurityMiddleware.process_request`.
    pub(super) fn process_request(
        &self,
        request: &DjangoRequest,
        options: &HttpOptions,
    ) -> Result<Option<Answer>, DisallowedHost> {
        if !options.security.ssl_redirect || request.secure {
            return Ok(None);
        }
        let path = request.path.trim_start_matches('/');
        if self.exempt.iter().any(|exempt| exempt.matches(path)) {
            return Ok(None);
        }
        let host = match options.security.ssl_host.as_ref().filter(|host| !host.is_empty()) {
            Some(host) => host.clone(),
            None => get_host(request, options)?,
        };
        Ok(Some(Answer::moved(&iri_to_uri(&format!("https://{host}{}", request.full_path(false))))))
    }
}

/// Matches `SecurityMiddleware.process_response`.
pub(super) fn add_security_headers(request: &DjangoRequest, answer: &mut Answer, options: &HttpOptions) {
    let security = &options.security;
    if security.hsts_seconds > 0 && request.secure {
        let mut value = format!("max-age={}", security.hsts_seconds);
        if security.hsts_include_subdomains {
            value.push_str("; includeSubDomains");
        }
        if security.hsts_preload {
            value.push_str("; preload");
        }
        answer.set_default(header::STRICT_TRANSPORT_SECURITY, &value);
    }
    if security.content_type_nosniff {
        answer.set_default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    }
    if let Some(policy) = security.referrer_policy.as_ref().filter(|policy| !policy.is_empty()) {
        answer.set_default(header::REFERRER_POLICY, policy);
    }
    if let Some(policy) = security.cross_origin_opener_policy.as_ref().filter(|policy| !policy.is_empty()) {
        answer.set_default(CROSS_ORIGIN_OPENER_POLICY, policy);
    }
}

/// Matches `XFrameOptionsMiddleware.process_response`.
pub(super) fn add_frame_options(answer: &mut Answer, options: &HttpOptions) {
    answer.set_default(header::X_FRAME_OPTIONS, &options.x_frame_options.to_uppercase());
}
