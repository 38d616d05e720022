//! Which Python is the project's.

use std::{
    fs,
    path::{Path, PathBuf, absolute},
};

use super::super::sources::Sources;

/// A Python and how it was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Python {
    pub(super) program: PathBuf,
    /// Whose word it is, for messages.
    pub(super) found_by: &'static str,
}

/// `--python`, then `VIRTUAL_ENV`, then `.venv` or `venv` in the project's folder, then the environment that `program`,
/// this one, was installed into beside Django, then `python3` of the `PATH`.
pub(super) fn find(sources: &Sources, project: &Path, program: Option<&Path>) -> Python {
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
        .or_else(|| in_folder(beside_django(program?)?, "the environment that has sluicegate"))
        .unwrap_or_else(|| Python { program: PathBuf::from("python3"), found_by: "PATH" })
}

/// The folder of the environment in whose `bin` the program is, if Django is there too: pipx and uv give a program an
/// environment of its own, which says nothing about the project's.
fn beside_django(program: &Path) -> Option<&Path> {
    let environment = program.parent()?.parent()?;
    let has_django = |version: fs::DirEntry| version.path().join("site-packages/django").is_dir();
    fs::read_dir(environment.join("lib")).ok()?.flatten().any(has_django).then_some(environment)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{Account, Folder};

    fn put(file: &Path) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }

    #[test]
    fn a_program_that_was_installed_beside_django_takes_that_environments_python() {
        let folder = Folder::new(Account::Own);
        let (environment, project) = (folder.path().join("environment"), folder.path().join("project"));
        let (program, python) = (environment.join("bin/sluicegate"), environment.join("bin/python"));
        put(&python);
        let found = || find(&Sources::default(), &project, Some(&program)).program;
        assert_eq!(found(), Path::new("python3"), "without Django it is the program's own");
        put(&environment.join("lib/python3.13/site-packages/django/__init__.py"));
        assert_eq!(found(), python);
        let own = project.join(".venv/bin/python");
        put(&own);
        assert_eq!(found(), own, "the project's own comes first");
    }
}
