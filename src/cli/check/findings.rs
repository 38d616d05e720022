//! What a check says: as text while it goes, or as JSON at its end.

use serde::Serialize;

use super::code::{Code, Level};
use crate::settings::{Problem, printable};

/// How findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// At once: a check that hangs has said what it came to.
    Text,
    Json,
}

/// Something that is worth to be known or mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Stable, such as `C101`; of settings that cannot be used, `E017`.
    pub(super) code: &'static str,
    pub(super) level: Level,
    /// Its kind in a few words, as `docs/check.md` has it.
    pub(super) title: &'static str,
    /// What it is about, such as `cache`.
    pub(super) subject: String,
    /// What is wrong.
    pub(super) what: String,
    /// Why it matters.
    pub(super) why: &'static str,
    /// The lines that mend it; empty where there are none to give.
    pub(super) mend: String,
}

/// What was tried and works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Passed {
    subject: String,
    what: String,
}

/// Everything that a check said.
pub(super) struct Findings {
    form: Form,
    passed: Vec<Passed>,
    found: Vec<Finding>,
}

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    exit_code: u8,
    passed: &'a [Passed],
    findings: &'a [Finding],
}

/// The version of the document of `docs/check.md`.
const SCHEMA: u32 = 1;

impl Findings {
    pub(super) const fn new(form: Form) -> Self {
        Self { form, passed: Vec::new(), found: Vec::new() }
    }

    /// Something works.
    pub(super) fn ok(&mut self, subject: &str, what: &str) {
        if self.form == Form::Text {
            println!("ok    {subject}: {}", printable(what));
        }
        self.passed.push(Passed { subject: subject.to_owned(), what: what.to_owned() });
    }

    /// A finding that the table's lines mend.
    pub(super) fn add(&mut self, code: Code, subject: &str, what: impl Into<String>) {
        self.add_with(code, subject, what, code.explanation().mend);
    }

    /// A finding with lines of its own that mend it.
    pub(super) fn add_with(&mut self, code: Code, subject: &str, what: impl Into<String>, mend: impl Into<String>) {
        let line = code.explanation();
        self.push(Finding {
            code: line.name,
            level: line.level,
            title: line.title,
            subject: subject.to_owned(),
            what: what.into(),
            why: line.why,
            mend: mend.into(),
        });
    }

    /// Settings that cannot be used.
    pub(super) fn problem(&mut self, problem: &Problem) {
        let place = problem.origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default();
        self.found.push(Finding {
            code: problem.code.name(),
            level: Level::Error,
            title: problem.code.title(),
            subject: "settings".to_owned(),
            what: format!("{place}{}", problem.sentence),
            why: problem.code.text(),
            mend: problem.mend.clone(),
        });
    }

    fn push(&mut self, finding: Finding) {
        if self.form == Form::Text {
            print!("{}", shown(&finding));
        }
        self.found.push(finding);
    }

    /// Whether something is as bad as `level`, or worse.
    pub(super) fn has(&self, level: Level) -> bool {
        self.found.iter().any(|finding| finding.level >= level)
    }

    fn count(&self, level: Level) -> usize {
        self.found.iter().filter(|finding| finding.level == level).count()
    }

    /// Ends the check, whose exit code is `exit_code`.
    pub(super) fn finish(&self, exit_code: u8) {
        match self.form {
            Form::Text => println!(
                "{} passed, {} failed, {} to look at",
                self.passed.len(),
                self.count(Level::Error),
                self.count(Level::Warning)
            ),
            Form::Json => println!("{}", self.document(exit_code)),
        }
    }

    fn document(&self, exit_code: u8) -> String {
        let document = Document {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            exit_code,
            passed: &self.passed,
            findings: &self.found,
        };
        // Texts and numbers alone: they can be written.
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn codes(&self) -> Vec<&'static str> {
        self.found.iter().map(|finding| finding.code).collect()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &[Finding] {
        &self.found
    }
}

fn shown(finding: &Finding) -> String {
    let indented = |text: &str| printable(text.trim_end()).replace('\n', "\n      ");
    let mut text =
        format!("{} {} {}: {}\n", finding.level.mark(), finding.code, finding.subject, indented(&finding.what));
    if !finding.why.is_empty() && finding.level > Level::Note {
        text = format!("{text}      Why: {}\n", finding.why);
    }
    if !finding.mend.is_empty() {
        let mend = printable(finding.mend.trim_end()).replace('\n', "\n          ");
        text = format!("{text}      Mend:\n          {mend}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        Finding {
            code: "C101",
            level: Level::Warning,
            title: "a title",
            subject: "cache".to_owned(),
            what: "first\nsecond\u{1b}".to_owned(),
            why: "it matters",
            mend: "[a]\nb = 1".to_owned(),
        }
    }

    #[test]
    fn a_finding_says_what_why_and_what_mends_it() {
        let text = "WARN  C101 cache: first\n      second\\u{1b}\n      Why: it matters\n      Mend:\n          \
                    [a]\n          b = 1\n";
        assert_eq!(shown(&finding()), text);
    }

    #[test]
    fn the_document_has_what_the_text_has() {
        let mut findings = Findings::new(Form::Json);
        findings.ok("database", "answers");
        findings.push(finding());
        let document: serde_json::Value = serde_json::from_str(&findings.document(1)).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "schema": 1,
                "version": env!("CARGO_PKG_VERSION"),
                "exit_code": 1,
                "passed": [{"subject": "database", "what": "answers"}],
                "findings": [{
                    "code": "C101", "level": "warning", "title": "a title", "subject": "cache", "what": "first\nsecond\u{1b}",
                    "why": "it matters", "mend": "[a]\nb = 1",
                }],
            })
        );
        assert!(findings.has(Level::Warning) && findings.has(Level::Note) && !findings.has(Level::Error));
    }
}
