//! What the command line and the environment gave.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::cancellation::Cancellation;
use crate::consumer::RouteOptions;

/// Where settings come from. The command line fills in what its flags said and nothing else: the environment's
/// `SLUICEGATE_<FLAG>` is read here, so that each value knows its origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// `--django [TARGET]`.
    pub(crate) django: Option<DjangoTarget>,
    /// `--django-json FILE`.
    pub(crate) django_json: Option<PathBuf>,
    /// `--project-dir DIR`. Default: the current folder.
    pub(crate) project_dir: Option<PathBuf>,
    /// `--python PATH`. Default: `VIRTUAL_ENV`, then `.venv` or `venv` in the project folder, then the environment that has
    /// sluicegate beside Django, then `python3`.
    pub(crate) python: Option<PathBuf>,
    /// `--config FILE`. Default: `sluicegate.toml` in the project folder, where it exists.
    pub(crate) config: Option<PathBuf>,
    /// `--bind ADDR:PORT`.
    pub(crate) bind: Option<String>,
    /// `--database-url URL`.
    pub(crate) database_url: Option<String>,
    /// `--cache-url URL`.
    pub(crate) cache_url: Option<String>,
    /// `--channel-layer-url URL`.
    pub(crate) channel_layer_url: Option<String>,
    /// `--upstream URL`, several joined with commas.
    pub(crate) upstream: Option<String>,
    /// `--allow-local`: tickets in this process's own memory, although `DEBUG` is off.
    pub(crate) allow_local: bool,
    /// `--handover PATH`
    pub(crate) handover: Option<String>,
    /// `--tls-certificate FILE`
    pub(crate) tls_certificate: Option<String>,
    /// `--tls-key FILE`
    pub(crate) tls_key: Option<String>,
    /// `--admin-bind ADDR:PORT`
    pub(crate) admin_bind: Option<String>,
    /// Routes to consumers written in Rust, which come before those of the settings.
    pub(crate) routes: Vec<RouteOptions>,
    /// The process's environment: `std::env::vars_os()`. The project's Python gets this and nothing else.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Ends the project's Python.
    pub(crate) cancellation: Cancellation,
}

/// The value of `--django`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DjangoTarget {
    /// No value: `DJANGO_SETTINGS_MODULE`, else `manage.py`'s default.
    Default,
    /// `mysite.settings` or `mysite.asgi:application`.
    Named(String),
}

impl Sources {
    /// A variable of the environment, where it is text and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let (_, value) = self.environment.iter().find(|(known, _)| known == name)?;
        value.to_str().filter(|text| !text.is_empty())
    }

    /// The project's folder: the flag, else `SLUICEGATE_PROJECT_DIR`, else the current folder.
    pub(super) fn project_folder(&self) -> PathBuf {
        let named = self.project_dir.as_deref().or_else(|| self.variable("SLUICEGATE_PROJECT_DIR").map(Path::new));
        named.map_or_else(|| PathBuf::from("."), Path::to_owned)
    }

    /// The file of settings, and whether it was named (and therefore has to exist).
    pub(super) fn config_file(&self) -> (PathBuf, bool) {
        match self.config.as_deref().or_else(|| self.variable("SLUICEGATE_CONFIG").map(Path::new)) {
            Some(named) => (named.to_owned(), true),
            None => match self.project_folder() {
                here if here.as_os_str() == "." => (PathBuf::from("sluicegate.toml"), false),
                folder => (folder.join("sluicegate.toml"), false),
            },
        }
    }
}
