# ---------------------------------------------------------------------------------------------------------------------
# core, security, cors, middleware
# ---------------------------------------------------------------------------------------------------------------------


def core(project):
    from django.conf import settings

    names = "secret_key debug append_slash use_tz time_zone use_x_forwarded_host use_x_forwarded_port".split()
    found = {name: getattr(settings, name.upper()) for name in names}
    found["allowed_hosts"] = list(settings.ALLOWED_HOSTS)
    found["secure_proxy_ssl_header"] = settings.SECURE_PROXY_SSL_HEADER and list(settings.SECURE_PROXY_SSL_HEADER)
    return found


def security(project):
    """`SECURE_*` as SecurityMiddleware (django/middleware/security.py) writes them."""
    from django.conf import settings

    names = "content_type_nosniff cross_origin_opener_policy hsts_seconds hsts_include_subdomains hsts_preload".split()
    found = {name: getattr(settings, "SECURE_" + name.upper()) for name in names + ["ssl_redirect", "ssl_host"]}
    policy = settings.SECURE_REFERRER_POLICY
    if policy:
        policy = ",".join([part.strip() for part in policy.split(",")] if isinstance(policy, str) else policy)
    found["referrer_policy"] = policy or None
    found["redirect_exempt"] = [regex_text(pattern) for pattern in settings.SECURE_REDIRECT_EXEMPT]
    found["x_frame_options"] = (getattr(settings, "X_FRAME_OPTIONS", None) or "DENY").upper()
    return found


def regex_text(pattern):
    """A regular expression as text; flags of a compiled one lead it."""
    if not hasattr(pattern, "pattern"):
        return str(pattern)
    letters = [letter for letter, flag in (("i", re.I), ("m", re.M), ("s", re.S), ("x", re.X)) if pattern.flags & flag]
    return ("(?%s)" % "".join(letters) if letters else "") + pattern.pattern


def cors(project):
    """corsheaders.conf's own view of `CORS_*`; null where its middleware is not used."""
    if not any(one["kind"] == "cors" for one in middleware(project)):
        return None
    from corsheaders.conf import conf
    from corsheaders.signals import check_request_enabled

    found = {"unsupported": []}
    for name in "allow_all_origins allow_credentials allow_private_network preflight_max_age".split():
        found[name] = getattr(conf, "CORS_" + name.upper(), False)
    found["preflight_max_age"] = int(found["preflight_max_age"])
    for name in "allowed_origins allow_headers allow_methods expose_headers".split():
        found[name] = [str(word) for word in getattr(conf, "CORS_" + name.upper())]
    found["allowed_origin_regexes"] = [regex_text(pattern) for pattern in conf.CORS_ALLOWED_ORIGIN_REGEXES]
    found["urls_regex"] = regex_text(conf.CORS_URLS_REGEX)
    if check_request_enabled.has_listeners():
        found["unsupported"].append("corsheaders' signal check_request_enabled has receivers, which are Python code")
    return found


MIDDLEWARE = {
    "corsheaders.middleware.CorsMiddleware": "cors",
    "django.middleware.security.SecurityMiddleware": "security",
    "django.contrib.sessions.middleware.SessionMiddleware": "session",
    "django.middleware.common.CommonMiddleware": "common",
    "django.middleware.csrf.CsrfViewMiddleware": "csrf",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "authentication",
    "django.contrib.messages.middleware.MessageMiddleware": "messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware": "x_frame_options",
    "django.middleware.locale.LocaleMiddleware": "locale",
    "django.middleware.gzip.GZipMiddleware": "gzip",
    "django.middleware.http.ConditionalGetMiddleware": "conditional_get",
}
# Known to leave the ticket view's answers alone: they act on other paths, other answers, or only look.
TRANSPARENT = {
    "django.middleware.common.BrokenLinkEmailsMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.sites.middleware.CurrentSiteMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "axes.middleware.AxesMiddleware",
}


def middleware(project):
    from django.conf import settings

    return [{"kind": middleware_kind(path), "path": path} for path in settings.MIDDLEWARE]


def middleware_kind(path):
    from django.conf import settings

    if path == "django.middleware.csp.ContentSecurityPolicyMiddleware":
        policies = (getattr(settings, "SECURE_CSP", None), getattr(settings, "SECURE_CSP_REPORT_ONLY", None))
        return "other" if any(policies) else "transparent"
    found = dotted(path)
    known = path_of(found) if isinstance(found, type) else path
    return MIDDLEWARE.get(known) or ("transparent" if known in TRANSPARENT else "other")


