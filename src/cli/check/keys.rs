//! Whether the keys that sign tokens and questions can be guessed, or are known already.

use super::{code::Code, findings::Findings};
use crate::{
    access_token::{AccessTokenOptions, Algorithm},
    settings::Settings,
};

/// Django's own check (security.W009) asks for keys of this length.
const SHORTEST: usize = 50;
/// And for so many different characters.
const FEWEST: usize = 5;
/// What `startproject` puts before the keys that it makes.
const INSECURE: &str = "django-insecure-";

pub(super) fn check(settings: &Settings, findings: &mut Findings) {
    check_signing_key(&settings.access_token, findings);
    let key = settings.ask.key.as_ref().filter(|key| key.expose() != settings.access_token.signing_key.expose());
    if let Some(key) = key.filter(|_| settings.routes.iter().any(|route| route.kind.asks()))
        && let Some(weakness) = weakness(key.expose())
    {
        findings.add(Code::AskKeyWeak, "[ask] key", format!("the key {weakness}"));
    }
}

/// RFC 7518, 3.2: a key at least as long as the hash, where PyJWT warns, and goes on. Django 5.2,
/// core/checks/security/base.py, `_check_secret_key`.
fn check_signing_key(options: &AccessTokenOptions, findings: &mut Findings) {
    const SUBJECT: &str = "SIMPLE_JWT";
    let needed = match options.algorithm {
        Algorithm::Hs256 => 32,
        Algorithm::Hs384 => 48,
        Algorithm::Hs512 => 64,
        _ => return,
    };
    let key = options.signing_key.expose();
    if key.starts_with(INSECURE) {
        findings.add(Code::KeyPublic, SUBJECT, "the signing key begins with django-insecure-");
    } else if key.len() < needed {
        let algorithm = options.algorithm.name();
        let what =
            format!("the signing key has {} bytes, {algorithm} asks for {needed} and Django for {SHORTEST}", key.len());
        findings.add(Code::KeyShort, SUBJECT, what);
    } else if let Some(weakness) = weakness(key) {
        findings.add(Code::KeyWeak, SUBJECT, format!("the signing key {weakness}"));
    }
}

fn weakness(key: &str) -> Option<String> {
    let length = key.chars().count();
    let different = key.chars().collect::<std::collections::BTreeSet<_>>().len();
    match () {
        () if key.starts_with(INSECURE) => Some("begins with django-insecure-".to_owned()),
        () if length < SHORTEST => Some(format!("has {length} characters, Django asks for {SHORTEST}")),
        () if different < FEWEST => Some(format!("has {different} different characters, Django asks for {FEWEST}")),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::check::findings::Form, secret::Secret};

    fn codes(key: &str, algorithm: Algorithm) -> Vec<&'static str> {
        let signing_key = Secret::new(key.to_owned());
        let mut findings = Findings::new(Form::Json);
        check_signing_key(
            &AccessTokenOptions { algorithm, signing_key, ..AccessTokenOptions::default() },
            &mut findings,
        );
        assert!(findings.all().iter().all(|finding| !finding.what.contains(key)), "a key is told");
        findings.codes()
    }

    #[test]
    fn a_key_is_public_short_weak_or_good() {
        let good = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz";
        assert_eq!(codes(good, Algorithm::Hs512), Vec::<&str>::new());
        assert_eq!(codes(&format!("django-insecure-{good}"), Algorithm::Hs256), ["C101"]);
        assert_eq!(codes(&good[..31], Algorithm::Hs256), ["C102"]);
        assert_eq!(codes(&good[..63], Algorithm::Hs512), ["C102"]);
        assert_eq!(codes(&good[..32], Algorithm::Hs256), ["C103"], "long enough for the hash, not for Django");
        assert_eq!(codes(&"abcd".repeat(20), Algorithm::Hs256), ["C103"]);
        assert_eq!(codes("short", Algorithm::Rs256), Vec::<&str>::new(), "it signs nothing");
    }
}
