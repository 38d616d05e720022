//! `[admin]`.

use super::{
    layer::Layers,
    problem::{Code, Problem},
    server::is_address,
};
use crate::{admin::AdminOptions, secret::Secret};

const MEND: &str = "[admin]\nbind = \"127.0.0.1:9001\"";

/// Fills in the options; `None` where no address is stated.
pub(super) fn read(layers: &mut Layers) -> Option<AdminOptions> {
    let stated = layers.values.first_stated(&["admin.token", "admin.allowed_hosts"]);
    let Some(bind) = layers.values.text("admin.bind").filter(|bind| !bind.is_empty()).map(str::to_owned) else {
        if let Some(path) = stated {
            let problem = Problem::new(Code::BadValue, format!("`{path}` says nothing without `admin.bind`"));
            layers.problems.push(problem.at(layers.values.origin(path)).mend(MEND));
        }
        return None;
    };
    if !is_address(&bind) {
        let problem = Problem::new(Code::BadValue, format!("`admin.bind` takes an address and a port, not {bind:?}"));
        layers.problems.push(problem.at(layers.values.origin("admin.bind")).mend(MEND));
    }
    let token = layers.values.text("admin.token").map(Secret::new);
    if token.as_ref().is_some_and(|token| token.expose().len() < SHORTEST_TOKEN) {
        let sentence = format!("`admin.token` is shorter than {SHORTEST_TOKEN} characters");
        let problem = Problem::new(Code::BadValue, sentence).at(layers.values.origin("admin.token"));
        layers.problems.push(problem.mend("openssl rand -base64 32        # makes a good one"));
    }
    Some(AdminOptions { bind, token, allowed_hosts: layers.values.texts_or("admin.allowed_hosts", &[]) })
}

/// What cannot be guessed over the network.
const SHORTEST_TOKEN: usize = 16;
