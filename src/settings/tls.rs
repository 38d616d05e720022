//! `[server] tls_certificate` and `tls_key`.

use std::path::PathBuf;

use super::{
    layer::Layers,
    problem::{Code, Problem},
};
use crate::tls::{Identity, IdentityError, TlsOptions};

const CERTIFICATE: &str = "server.tls_certificate";
const KEY: &str = "server.tls_key";
const MEND: &str =
    "[server]\ntls_certificate = \"/etc/ssl/site/fullchain.pem\"\ntls_key = \"/etc/ssl/site/privkey.pem\"";

/// Both files or none. They are read, so that a bad one is told with all other problems.
pub(super) fn read(layers: &mut Layers) -> Option<TlsOptions> {
    let path = |name| layers.values.text(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let problem = match (path(CERTIFICATE), path(KEY)) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => {
            let options = TlsOptions { certificate, key };
            match Identity::read(&options) {
                Ok(_) => return Some(options),
                Err(error) => {
                    let problem = Problem::new(Code::Certificate, error.to_string()).mend(error.mend());
                    problem.at(layers.values.origin(named(&error, &options)))
                }
            }
        }
        (Some(_), None) => lonely(layers, CERTIFICATE, KEY),
        (None, Some(_)) => lonely(layers, KEY, CERTIFICATE),
    };
    layers.problems.push(problem);
    None
}

fn lonely(layers: &Layers, given: &str, missing: &str) -> Problem {
    let problem = Problem::new(Code::BadValue, format!("`{given}` needs `{missing}` beside it"));
    problem.at(layers.values.origin(given)).mend(MEND)
}

/// The setting that names the file at fault.
fn named(error: &IdentityError, options: &TlsOptions) -> &'static str {
    match error {
        IdentityError::Unreadable { file, .. } if *file == options.key => KEY,
        IdentityError::Unreadable { .. }
        | IdentityError::NoCertificate { .. }
        | IdentityError::BadCertificate { .. } => CERTIFICATE,
        IdentityError::NoKey { .. }
        | IdentityError::LockedKey { .. }
        | IdentityError::BadKey { .. }
        | IdentityError::OtherKey { .. } => KEY,
    }
}
