//! The project's Python, where it cannot do what it should.

use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt, path::Path};

use super::super::{DjangoTarget, Report, Sources};
use crate::test_support::{Account, Folder};

fn run(folder: &Folder, target: DjangoTarget, python: Option<&Path>) -> String {
    let environment: Vec<(OsString, OsString)> = vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())];
    let sources = Sources {
        django: Some(target),
        project_dir: Some(folder.path().to_owned()),
        python: python.map(Path::to_owned),
        environment,
        ..Sources::default()
    };
    let mut report = Report::read(&sources);
    report.at_home(&format!("{}/", folder.path().display()));
    report.problems.to_string()
}

/// A Python that says `text` on standard output, `error` on standard error, and ends with `status`.
fn fake_python(folder: &Folder, text: &str, error: &str, status: u8) -> std::path::PathBuf {
    let path = folder.path().join("python");
    let script = format!("#!/bin/sh\ncat > /dev/null\nprintf '%s' '{text}'\necho \"{error}\" >&2\nexit {status}\n");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn named(target: &str) -> DjangoTarget {
    DjangoTarget::Named(target.to_owned())
}

#[test]
fn a_python_that_is_missing_or_has_no_django_is_told() {
    let folder = Folder::new(Account::Own);
    let said = run(&folder, named("mysite.settings"), Some(Path::new("/nowhere/python")));
    assert!(said.starts_with("E010: /nowhere/python (by --python) cannot be started"), "{said}");
    let document = r#"{"schema": 1, "target": "m", "items": {},
        "error": {"exception": "ModuleNotFoundError", "message": "No module named '\''django'\''", "file": null, "line": null}}"#;
    let python = fake_python(&folder, document, "", 1);
    let said = run(&folder, named("m"), Some(&python));
    assert!(said.starts_with("E011: "), "{said}");
}

#[test]
fn a_script_that_ends_without_a_document_shows_the_end_of_what_was_printed() {
    let folder = Folder::new(Account::Own);
    let python = fake_python(&folder, "", "no such file", 3);
    let said = run(&folder, named("mysite.settings"), Some(&python));
    assert!(said.starts_with("E013: mysite.settings could not be read by python (exit status: 3)"), "{said}");
    assert!(said.ends_with("It printed:\n    no such file"), "{said}");
}

#[test]
fn what_python_prints_at_its_start_does_not_hide_the_document() {
    let folder = Folder::new(Account::Own);
    let python = fake_python(&folder, "hello from sitecustomize\n{\n \"schema\": 1, \"items\": {}}", "", 0);
    let said = run(&folder, named("mysite.settings"), Some(&python));
    assert!(said.starts_with("E030"), "{said}");
}

#[test]
fn a_target_is_needed_where_manage_py_names_none() {
    let folder = Folder::new(Account::Own);
    let said = run(&folder, DjangoTarget::Default, None);
    assert!(said.starts_with("E015: "), "{said}");
}
