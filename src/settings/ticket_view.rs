//! `[ticket]`: whether `AsgiValidateTokenView` is served here, and what each route to it looks like.

use std::time::Duration;

use super::{
    django::{AllowedMethods, AuthenticationEntry, Django, ThrottleEntry, TicketViewEntry},
    issue::Blockers,
    layer::Layers,
    origin::Origin,
};
use crate::{
    access_token::AccessTokenOptions,
    http::{AuthenticationClass, Pattern, Renderer, Throttle, ThrottleScope, TicketView},
};

/// Where `path("api/auth/", include("django_channels_jwt.urls"))` puts it.
const DEFAULT_PATH: &str = "api/auth/auth_for_ws_connection/";

/// The views; what of them is not understood keeps them from being served.
pub(super) fn read(
    layers: &mut Layers,
    django: &Django,
    tokens: &AccessTokenOptions,
    blockers: &mut Blockers,
) -> Vec<TicketView> {
    let origin = Origin::Django("ROOT_URLCONF".to_owned());
    let entries = django.item::<Vec<TicketViewEntry>>("ticket_views").unwrap_or_else(|problem| {
        blockers.add(problem);
        None
    });
    let stated = layers.values.text("ticket.path").filter(|_| layers.values.is_stated("ticket.path"));
    match (entries, stated) {
        (Some(entries), _) if entries.is_empty() => {
            let sentence = "no route of the project ends in django-channels-jwt's AsgiValidateTokenView";
            blockers.push(
                &origin,
                sentence,
                "path(\"api/auth/\", include(\"django_channels_jwt.urls\")),        # in urls.py",
            );
            Vec::new()
        }
        (Some(entries), None) => {
            let ignored = layers.values.texts_or("ticket.ignore_authentication", &[]);
            entries.into_iter().map(|entry| of_django(entry, &ignored, &origin, blockers)).collect()
        }
        (Some(entries), Some(path)) => {
            // The route is ours to choose; what stands behind it is still the project's view.
            let ignored = layers.values.texts_or("ticket.ignore_authentication", &[]);
            let path = path.to_owned();
            let first = entries.into_iter().next();
            let view = first.map(|entry| of_django(entry, &ignored, &origin, blockers));
            view.map(|view| TicketView { pattern: pattern_of(&path), ..view }).into_iter().collect()
        }
        (None, _) if django.present => Vec::new(),
        (None, _) => {
            let path = layers.values.text_or("ticket.path", DEFAULT_PATH);
            vec![stock(&path, tokens)]
        }
    }
}

/// The view as django-channels-jwt and Django REST framework ship it.
/// The view at `path` as the package has it, in a project that sets nothing.
pub(crate) fn stock(path: &str, tokens: &AccessTokenOptions) -> TicketView {
    let scheme = tokens.auth_header_types.first().map_or("Bearer", String::as_str);
    TicketView {
        pattern: pattern_of(path),
        name: "Asgi Validate Token".to_owned(),
        description: "get:\n    API view for retrieving ticket to connect to websocket .".to_owned(),
        allowed_methods: "GET, HEAD, OPTIONS".to_owned(),
        authentication: vec![AuthenticationClass::Jwt { challenge: Some(format!("{scheme} realm=\"api\"")) }],
        renderers: vec![Renderer::Json, Renderer::Browsable],
        parses: ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
            .map(str::to_owned)
            .to_vec(),
        throttles: Vec::new(),
        format_parameter: Some("format".to_owned()),
        compact_json: true,
        unicode_json: true,
    }
}

/// The regular expression that Django makes of a `path()` without parameters.
fn pattern_of(path: &str) -> String {
    format!("^{}\\Z", fancy_regex::escape(path.trim_start_matches('/')))
}

fn of_django(entry: TicketViewEntry, ignored: &[String], origin: &Origin, blockers: &mut Blockers) -> TicketView {
    let TicketViewEntry { pattern, path, view, .. } = entry;
    let at = path.unwrap_or_else(|| pattern.clone());
    let named = format!("{view} at {at}");
    if let Err(error) = Pattern::search(&pattern) {
        blockers.push(origin, format!("{named}: {error}"), "");
    }
    for sentence in entry.unsupported {
        blockers.push(origin, format!("{named}: {sentence}"), "");
    }
    let authentication = entry
        .authentication
        .into_iter()
        .map(|class| authentication(class, ignored, &named, origin, blockers))
        .collect();
    let mut renderers = Vec::new();
    for renderer in entry.renderers {
        match renderer.kind.as_str() {
            "json" => renderers.push(Renderer::Json),
            "browsable" => renderers.push(Renderer::Browsable),
            _ => blockers.push(origin, format!("{named}: the renderer {} is not known", renderer.path), ""),
        }
    }
    let mut throttles = Vec::new();
    for entry in entry.throttles {
        let path = entry.path.clone();
        match throttle(entry) {
            Some(throttle) => throttles.push(throttle),
            None => blockers.push(origin, format!("{named}: the throttle {path} is not known"), ""),
        }
    }
    TicketView {
        pattern,
        name: entry.name,
        description: entry.description,
        allowed_methods: match entry.allowed_methods {
            AllowedMethods::Joined(methods) => methods,
            AllowedMethods::List(methods) => methods.join(", "),
        },
        authentication,
        renderers,
        parses: entry.parses,
        throttles,
        format_parameter: entry.format_parameter,
        compact_json: entry.compact_json,
        unicode_json: entry.unicode_json,
    }
}

/// Sessions and passwords are not read here. Where the project also lets clients in by them, those would be refused,
/// so that has to be stated.
fn authentication(
    class: AuthenticationEntry,
    ignored: &[String],
    view: &str,
    origin: &Origin,
    blockers: &mut Blockers,
) -> AuthenticationClass {
    let AuthenticationEntry { kind, path, challenge } = class;
    match kind.as_str() {
        "jwt" => return AuthenticationClass::Jwt { challenge },
        "jwt_stateless" => return AuthenticationClass::JwtStateless { challenge },
        _ => {}
    }
    if !ignored.contains(&kind) && !ignored.contains(&path) {
        let word = if kind == "other" { &path } else { &kind };
        let mend = format!(
            "[ticket]\nignore_authentication = [\"{word}\"]        # clients fetch tickets with an access token only"
        );
        blockers.push(origin, format!("{view}: {path} lets clients in by other means than an access token"), &mend);
    }
    AuthenticationClass::Other { touches_session: kind == "session", path, challenge }
}

/// `None` for a class that is not known.
fn throttle(entry: ThrottleEntry) -> Option<Throttle> {
    let kind = match entry.kind.as_str() {
        "anon" => ThrottleScope::Anon,
        "user" => ThrottleScope::User,
        "scoped" => ThrottleScope::Scoped,
        _ => return None,
    };
    let period = Duration::try_from_secs_f64(entry.period?).ok()?;
    Some(Throttle { kind, scope: entry.scope?, requests: entry.requests?, period })
}
