//! `SLUICEGATE_<FLAG>` and `SLUICEGATE__SECTION__NAME`, and the flags themselves.

use super::{
    key,
    layer::{Layers, Offered},
    origin::Origin,
    problem::{Code, Problem},
    sources::Sources,
};

/// The flags that stand for a setting: flag, setting.
const SETTING_FLAGS: [(&str, &str); 10] = [
    ("--bind", "bind"),
    ("--database-url", "database.url"),
    ("--cache-url", "cache.url"),
    ("--channel-layer-url", "channel_layer.url"),
    ("--upstream", "upstream.url"),
    ("--allow-local", "allow_local"),
    ("--handover", "server.handover"),
    ("--tls-certificate", "server.tls_certificate"),
    ("--tls-key", "server.tls_key"),
    ("--admin-bind", "admin.bind"),
];

/// The flags that say where settings are, which [`Sources`] reads by itself.
const SOURCE_FLAGS: [&str; 5] = ["--django", "--django-json", "--project-dir", "--python", "--config"];

/// The variable of a flag: `SLUICEGATE_DATABASE_URL` for `--database-url`.
fn variable_of(flag: &str) -> String {
    format!("SLUICEGATE_{}", flag.trim_start_matches('-').replace('-', "_").to_ascii_uppercase())
}

/// Offers what the environment says.
pub(super) fn read(sources: &Sources, layers: &mut Layers) {
    let mut variables: Vec<_> = sources.environment.iter().collect();
    variables.sort_unstable();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("SLUICEGATE_")) else {
            continue;
        };
        let origin = Origin::Variable(name.to_owned());
        let Some(value) = value.to_str() else {
            layers.problems.push(Problem::new(Code::BadValue, "the variable is not valid UTF-8").at(&origin));
            continue;
        };
        if let Some(nested) = name.strip_prefix("SLUICEGATE__") {
            let path = nested.to_ascii_lowercase().replace("__", ".");
            layers.offer(&path, Offered::Text(value), origin);
        } else if let Some((_, path)) = SETTING_FLAGS.iter().find(|(flag, _)| variable_of(flag) == name) {
            if !value.is_empty() {
                layers.offer(path, Offered::Text(value), origin);
            }
        } else if !SOURCE_FLAGS.iter().any(|flag| variable_of(flag) == name) {
            note_unknown(name, layers);
        }
    }
}

/// Kubernetes gives each process `SLUICEGATE_PORT` and the like where a service has our name, so an unknown variable
/// of that form cannot be an error; one that is nearly a flag is worth a note.
fn note_unknown(name: &str, layers: &mut Layers) {
    let of_a_service = name.starts_with("SLUICEGATE_PORT") || name.starts_with("SLUICEGATE_SERVICE_");
    let as_flag = name.trim_start_matches("SLUICEGATE_").replace('_', "-").to_ascii_lowercase();
    let flags =
        SETTING_FLAGS.iter().map(|(flag, _)| *flag).chain(SOURCE_FLAGS).map(|flag| flag.trim_start_matches('-'));
    if let Some(near) = key::nearest(&as_flag, flags).filter(|_| !of_a_service).map(variable_of) {
        layers.notes.push(format!("{name} is no variable of sluicegate, and ignored. Did you mean {near}?"));
    }
}

/// Offers what the flags say.
pub(super) fn read_flags(sources: &Sources, layers: &mut Layers) {
    let allow_local = sources.allow_local.then(|| "true".to_owned());
    let given = [
        &sources.bind,
        &sources.database_url,
        &sources.cache_url,
        &sources.channel_layer_url,
        &sources.upstream,
        &allow_local,
        &sources.handover,
        &sources.tls_certificate,
        &sources.tls_key,
        &sources.admin_bind,
    ];
    for ((flag, path), value) in SETTING_FLAGS.iter().zip(given) {
        if let Some(value) = value {
            layers.offer(path, Offered::Text(value), Origin::Flag(flag));
        }
    }
}
