//! What to say when Django's side cannot be read, and how to mend it.

use std::path::Path;

use super::{
    super::{
        origin::Origin,
        problem::{Code, Problem},
    },
    document::ItemError,
    python::Python,
    run::RunError,
};

const WAITS: &str = "Something waits while it is imported: a database or another server that does not answer?";

/// An item that failed in Django itself.
pub(super) fn item_failed(item: &str, error: &ItemError) -> Problem {
    let origin = Origin::Django(format!("{} settings", item.replace('_', " ")));
    Problem::new(Code::DjangoItemFailed, sentence(error)).at(&origin)
}

/// A project that cannot be imported.
pub(super) fn not_importable(error: &ItemError, target: Option<&str>) -> Problem {
    if is_django_missing(&error.exception, &error.message) {
        return django_missing(None);
    }
    let target = target.unwrap_or("the project");
    if error.exception == "TimeoutError" && error.message.starts_with("the project was not read") {
        return Problem::new(Code::ScriptFailed, sentence(error)).mend(WAITS);
    }
    let problem = Problem::new(Code::TargetNotImportable, format!("{target} cannot be imported: {}", sentence(error)));
    if error.exception == "ModuleNotFoundError" {
        return problem.mend(
            "Is --project-dir the folder of manage.py, and --python the project's own Python?\n\
             The name is what uvicorn takes: mysite.asgi:application.",
        );
    }
    problem
}

fn sentence(error: &ItemError) -> String {
    let place = match (&error.file, error.line) {
        (Some(file), Some(line)) => format!(" ({file}:{line})"),
        (Some(file), None) => format!(" ({file})"),
        (None, _) => String::new(),
    };
    format!("{}: {}{place}", error.exception, error.message)
}

/// No settings module to be found.
pub(super) fn target_unknown(project: &Path) -> Problem {
    let sentence = format!(
        "--django has no value, DJANGO_SETTINGS_MODULE is not set, and {} does not exist",
        project.join("manage.py").display()
    );
    Problem::new(Code::TargetUnknown, sentence).mend("--django mysite.asgi:application")
}

/// A run without a document.
pub(super) fn run_failed(error: &RunError, python: &Python, target: Option<&str>) -> Problem {
    let program = python.program.display();
    match error {
        RunError::NotStarted(cause) => {
            Problem::new(Code::PythonMissing, format!("{program} (by {}) cannot be started: {cause}", python.found_by))
                .mend("--python /path/to/venv/bin/python")
        }
        RunError::TimedOut { limit, printed } => {
            Problem::new(Code::ScriptFailed, format!("the project was not read within {} seconds", limit.as_secs()))
                .mend(with_output(WAITS, printed))
        }
        RunError::Failed { printed, .. } if printed.lines().any(|line| is_django_missing("", line)) => {
            django_missing(Some(python))
        }
        RunError::Failed { status, printed } => {
            let target = target.unwrap_or("the project");
            Problem::new(Code::ScriptFailed, format!("{target} could not be read by {program} ({status})"))
                .mend(with_output("It printed:", printed))
        }
    }
}

fn with_output(sentence: &str, printed: &str) -> String {
    if printed.is_empty() { sentence.to_owned() } else { format!("{sentence}\n{printed}") }
}

fn is_django_missing(exception: &str, message: &str) -> bool {
    let about = "No module named 'django'";
    message.contains(about) && (exception.is_empty() || exception == "ModuleNotFoundError")
}

fn django_missing(python: Option<&Python>) -> Problem {
    let sentence = match python {
        Some(python) => format!("{} (by {}) has no Django", python.program.display(), python.found_by),
        None => "the Python that was found has no Django".to_owned(),
    };
    Problem::new(Code::DjangoMissing, sentence).mend("--python /path/to/the/project's/venv/bin/python")
}
