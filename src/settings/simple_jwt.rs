//! `[simple_jwt]`: how access tokens are checked.

use serde_json::Value;

use super::{
    django::Django,
    issue::Blockers,
    layer::Layers,
    problem::{Code, Problem},
    values::Values,
};
use crate::{
    access_token::{AccessTokenOptions, Algorithm, OneOrMany, TokenClass, Verifier},
    secret::Secret,
};

/// Fills in the options; what cannot be understood keeps the ticket view from being served.
pub(super) fn read(layers: &mut Layers, django: &Django, blockers: &mut Blockers) -> AccessTokenOptions {
    if let Some(failure) = django.failure("simple_jwt") {
        blockers.add(failure);
    }
    for sentence in layers.values.texts("simple_jwt.unsupported").unwrap_or_default() {
        blockers.push(layers.values.origin("simple_jwt.unsupported"), sentence, "");
    }
    let algorithm = algorithm(layers, blockers);
    let token_classes = token_classes(layers, blockers);
    let default = AccessTokenOptions::default();
    let values = &layers.values;
    let text_or = |path, default: &str| values.text_or(path, default);
    let options = AccessTokenOptions {
        algorithm,
        signing_key: Secret::new(
            values.text("simple_jwt.signing_key").or(values.text("secret_key")).unwrap_or_default(),
        ),
        verifying_key: values.text("simple_jwt.verifying_key").filter(|key| !key.trim().is_empty()).map(Secret::new),
        jwk_url: values.text("simple_jwt.jwk_url").filter(|url| !url.is_empty()).map(str::to_owned),
        audience: one_or_many(values, "simple_jwt.audience"),
        issuer: one_or_many(values, "simple_jwt.issuer"),
        leeway: values.seconds("simple_jwt.leeway", default.leeway),
        auth_header_types: values.texts_or("simple_jwt.auth_header_types", &default.auth_header_types),
        auth_header_name: text_or("simple_jwt.auth_header_name", &default.auth_header_name),
        user_id_claim: text_or("simple_jwt.user_id_claim", &default.user_id_claim),
        token_classes,
        token_type_claim: values.text_or_none("simple_jwt.token_type_claim", default.token_type_claim.as_deref()),
        jti_claim: values.text_or_none("simple_jwt.jti_claim", default.jti_claim.as_deref()),
        check_revoke_token: values.boolean("simple_jwt.check_revoke_token", default.check_revoke_token),
        revoke_token_claim: text_or("simple_jwt.revoke_token_claim", &default.revoke_token_claim),
        check_user_is_active: values.boolean("simple_jwt.check_user_is_active", default.check_user_is_active),
        jwks_stale_for: values.seconds("simple_jwt.jwks_stale_for", default.jwks_stale_for),
    };
    check_key(&options, layers, blockers);
    options
}

fn algorithm(layers: &mut Layers, blockers: &mut Blockers) -> Algorithm {
    let name = layers.values.text_or("simple_jwt.algorithm", "HS256");
    Algorithm::from_name(&name).unwrap_or_else(|| {
        let problem = Problem::new(Code::BadValue, format!("the algorithm {name:?} is not one of SimpleJWT's"))
            .at(layers.values.origin("simple_jwt.algorithm"))
            .mend("[simple_jwt]\nalgorithm = \"HS256\"");
        blockers.add_or_report(problem, layers);
        Algorithm::Hs256
    })
}

fn one_or_many(values: &Values, path: &str) -> Option<OneOrMany> {
    match values.given(path)?.0 {
        Value::String(text) => Some(OneOrMany::One(text.clone())),
        Value::Array(_) => values.texts(path).map(OneOrMany::Many),
        _ => None,
    }
}

/// Classes by name (SimpleJWT's own, in TOML) or as the document describes them.
fn token_classes(layers: &mut Layers, blockers: &mut Blockers) -> Vec<TokenClass> {
    const PATH: &str = "simple_jwt.auth_token_classes";
    let Some((value, origin)) = layers.values.given(PATH) else {
        return AccessTokenOptions::default().token_classes;
    };
    let listed = match value {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let blacklist = layers.values.boolean("user.blacklist", false);
    let mut classes = Vec::new();
    let mut problems = Vec::new();
    for class in &listed {
        match token_class(class, blacklist) {
            Some(class) => classes.push(class),
            None => problems
                .push(Problem::new(Code::BadValue, format!("{class} is no token class of SimpleJWT")).at(origin)),
        }
    }
    for problem in problems {
        blockers.add_or_report(problem, layers);
    }
    classes
}

fn token_class(class: &Value, blacklist: bool) -> Option<TokenClass> {
    if let Value::String(name) = class {
        let name = name.rsplit('.').next().unwrap_or_default();
        let (token_type, shown) = match name {
            "AccessToken" => (Some("access"), "access"),
            "RefreshToken" => (Some("refresh"), "refresh"),
            "SlidingToken" => (Some("sliding"), "sliding"),
            "UntypedToken" => (None, "untyped"),
            _ => return None,
        };
        // The mixin looks the token up only where the blacklist app is installed; access tokens have no mixin.
        let has_mixin = matches!(name, "RefreshToken" | "SlidingToken");
        return Some(TokenClass {
            name: name.to_owned(),
            token_type: token_type.map(str::to_owned),
            token_type_shown: shown.to_owned(),
            checks_blacklist: has_mixin && blacklist,
        });
    }
    Some(TokenClass {
        name: class.get("name")?.as_str()?.to_owned(),
        token_type: class.get("token_type")?.as_str().map(str::to_owned),
        token_type_shown: class.get("token_type_shown")?.as_str()?.to_owned(),
        checks_blacklist: class.get("checks_blacklist")?.as_bool()?,
    })
}

/// A key with which no token could be checked.
fn check_key(options: &AccessTokenOptions, layers: &mut Layers, blockers: &mut Blockers) {
    if options.algorithm.is_symmetric() && options.signing_key.expose().is_empty() {
        let problem = Problem::new(Code::SigningKey, "no key is known to check access tokens with");
        blockers.add(problem.mend("secret_key = \"...\"        # Django's SECRET_KEY, or [simple_jwt] signing_key"));
    } else if let Err(error) = Verifier::new(options.clone()) {
        let path = if options.algorithm.is_symmetric() {
            "simple_jwt.signing_key"
        } else if options.jwk_url.is_some() {
            "simple_jwt.jwk_url"
        } else {
            "simple_jwt.verifying_key"
        };
        let problem = Problem::new(Code::SigningKey, error.to_string()).at(layers.values.origin(path));
        blockers.add_or_report(problem, layers);
    }
}
