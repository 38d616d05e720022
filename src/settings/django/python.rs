//! Which Python is the project's.

use std::path::{Path, PathBuf, absolute};

use super::super::sources::Sources;

/// A Python and how it was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Python {
    pub(super) program: PathBuf,
    /// Whose word it is, for messages.
    pub(super) found_by: &'static str,
}

/// `--python`, then `VIRTUAL_ENV`, then `.venv` or `venv` in the project's folder, then `python3` of the `PATH`.
pub(super) fn find(sources: &Sources, project: &Path) -> Python {
    let in_folder = |folder: &Path, found_by| {
        let program = folder.join("bin/python");
        program.exists().then(|| Python { program: whole(&program), found_by })
    };
    if let Some(named) = &sources.python {
        return Python { program: whole(named), found_by: "--python" };
    }
    if let Some(named) = sources.variable("SLUICEGATE_PYTHON") {
        return Python { program: whole(Path::new(named)), found_by: "SLUICEGATE_PYTHON" };
    }
    sources
        .variable("VIRTUAL_ENV")
        .and_then(|folder| in_folder(Path::new(folder), "VIRTUAL_ENV"))
        .or_else(|| in_folder(&project.join(".venv"), "the project's .venv"))
        .or_else(|| in_folder(&project.join("venv"), "the project's venv"))
        .unwrap_or_else(|| Python { program: PathBuf::from("python3"), found_by: "PATH" })
}

/// The script runs in the project's folder, so a path must not depend on ours. Links stay: a virtual environment's
/// `python` is one, and it is by its place that Python finds the packages.
fn whole(program: &Path) -> PathBuf {
    if program.components().count() < 2 {
        program.to_owned()
    } else {
        absolute(program).unwrap_or_else(|_| program.to_owned())
    }
}
