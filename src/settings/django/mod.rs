//! Django's side: the project's own Python is run once, or what it printed elsewhere is read, and laid under what
//! `sluicegate.toml` says.

mod document;
mod python;
mod run;
mod say;
mod script;
mod tickets;

use std::{collections::BTreeMap, env, fs, path::Path};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) use self::document::{
    AllFields, AllowedMethods, Asgi, AsgiRoute, AuthenticationEntry, ErrorPages, Field, Languages, MiddlewareEntry,
    Origins, Statement, ThrottleEntry, TicketViewEntry, UserItem,
};
use self::document::{Document, Item};
pub(crate) use self::{script::SCRIPT, tickets::exchange_tickets};
use super::{
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
    sources::{DjangoTarget, Sources},
};

/// What the project said, item by item.
#[derive(Debug, Default)]
pub(super) struct Django {
    /// Whether there is a project at all.
    pub(super) present: bool,
    items: BTreeMap<String, Item>,
}

impl Django {
    /// Reads the document that [`document_text`] found, and offers what is plain to `layers`.
    pub(super) fn of(document: Result<Option<Vec<u8>>, Problem>, layers: &mut Layers) -> Self {
        let document = match document {
            Ok(None) => return Self::default(),
            Ok(Some(text)) => document::parse(&text),
            Err(problem) => Err(problem),
        };
        match document {
            Ok(Document { items, error: None, .. }) => {
                let django = Self { present: true, items };
                django.lay(layers);
                django
            }
            Ok(Document { error: Some(error), target, .. }) => {
                layers.problems.push(say::not_importable(&error, target.as_deref()));
                Self { present: true, items: BTreeMap::new() }
            }
            Err(problem) => {
                layers.problems.push(problem);
                Self { present: true, items: BTreeMap::new() }
            }
        }
    }

    /// The item, where the project has it; its own error where it failed.
    pub(super) fn item<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(item) = self.items.get(name) else {
            return Ok(None);
        };
        if let Some(error) = &item.error {
            return Err(say::item_failed(name, error));
        }
        serde_json::from_value(item.value.clone()).map_err(|error| {
            let sentence = format!("the item `{name}` is not as this version expects it: {error}");
            Problem::new(Code::NotTheDocument, sentence).mend(NEW_DOCUMENT)
        })
    }

    /// The error with which the item failed.
    pub(super) fn failure(&self, name: &str) -> Option<Problem> {
        self.items.get(name)?.error.as_ref().map(|error| say::item_failed(name, error))
    }

    /// Lays the items that are plain names and values under the other layers.
    fn lay(&self, layers: &mut Layers) {
        for (name, item) in &self.items {
            Self::lay_item(name, &item.value, layers);
        }
    }

    /// Lays one item of plain names and values; others are read by whoever needs them.
    pub(super) fn lay_item(item: &str, value: &Value, layers: &mut Layers) {
        let section = match item {
            "core" => "",
            "simple_jwt" => "simple_jwt.",
            "database" => "database.",
            "cache" => "cache.",
            "channel_layer" => "channel_layer.",
            "security" => "security.",
            "cors" => "cors.",
            _ => return,
        };
        for (name, value) in value.as_object().into_iter().flatten() {
            match (item, name.as_str(), value) {
                ("database", "tls", Value::Object(tls)) => {
                    for (from, to) in [
                        ("mode", "database.sslmode"),
                        ("root_certificate", "database.sslrootcert"),
                        ("client_certificate", "database.sslcert"),
                        ("client_key", "database.sslkey"),
                    ] {
                        layers.offer_django(to, tls.get(from).cloned().unwrap_or_default());
                    }
                }
                ("cache", "table", table) => layers.offer_django("cache.location", table.clone()),
                ("cache", "key_pattern", pattern) => layers.offer_django("cache.key", pattern.clone()),
                ("security", "x_frame_options", value) => layers.offer_django("http.x_frame_options", value.clone()),
                _ => layers.offer_django(&format!("{section}{name}"), value.clone()),
            }
        }
    }
}

const NEW_DOCUMENT: &str =
    "Make it anew: sluicegate settings --script | python - mysite.asgi:application > django.json";

/// The document's text, where there is a project: its Python is run or the file is read, as `sources` say.
pub(super) fn document_text(sources: &Sources) -> Result<Option<Vec<u8>>, Problem> {
    let json = sources.django_json.as_deref().map(|path| (path, Origin::Flag("--django-json"))).or_else(|| {
        let path = sources.variable("SLUICEGATE_DJANGO_JSON")?;
        Some((Path::new(path), Origin::Variable("SLUICEGATE_DJANGO_JSON".to_owned())))
    });
    match (target_of(sources), json) {
        (Some(_), Some((_, origin))) => {
            let sentence = "--django runs the project's Python, --django-json reads what it printed elsewhere";
            Err(Problem::new(Code::ConflictingSources, sentence).at(&origin).mend("Give one of them."))
        }
        (None, Some((path, origin))) => fs::read(path).map(Some).map_err(|error| {
            let sentence = format!("{} cannot be read: {error}", path.display());
            Problem::new(Code::UnreadableFile, sentence).at(&origin)
        }),
        (Some(target), None) => run_project(sources, &target, None).map(Some),
        (None, None) => Ok(None),
    }
}

/// `--django`.
fn target_of(sources: &Sources) -> Option<DjangoTarget> {
    let named = || sources.variable("SLUICEGATE_DJANGO").map(|named| DjangoTarget::Named(named.to_owned()));
    sources.django.clone().or_else(named)
}

/// `option`: what the script is asked for in the place of the settings.
fn run_project(sources: &Sources, target: &DjangoTarget, option: Option<&str>) -> Result<Vec<u8>, Problem> {
    let project = sources.project_folder();
    if !project.is_dir() {
        let sentence = format!("there is no folder {}", project.display());
        return Err(Problem::new(Code::UnreadableFile, sentence).mend("--project-dir takes the folder of manage.py."));
    }
    let target = match target {
        DjangoTarget::Named(name) => Some(name.as_str()),
        DjangoTarget::Default if sources.variable("DJANGO_SETTINGS_MODULE").is_some() => None,
        DjangoTarget::Default if project.join("manage.py").is_file() => None,
        DjangoTarget::Default => return Err(say::target_unknown(&project)),
    };
    let python = python::find(sources, &project, env::current_exe().ok().as_deref());
    let run = run::Run {
        python: &python.program,
        project: &project,
        target,
        environment: &sources.environment,
        option,
        limit: run::TIME_LIMIT,
        cancellation: &sources.cancellation,
    };
    run.output(SCRIPT).map_err(|error| say::run_failed(&error, &python, target))
}
