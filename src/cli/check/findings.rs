//! What a check says, as it goes.

use crate::settings::printable;

/// Counts what was found, and prints it at once: a check that hangs has said what it came to.
#[derive(Default)]
pub(super) struct Findings {
    passed: usize,
    failed: usize,
}

impl Findings {
    pub(super) fn ok(&mut self, part: &str, text: &str) {
        self.passed += 1;
        println!("ok    {part}: {}", printable(text));
    }

    /// Something to know, which is no fault.
    pub(super) fn note(part: &str, text: &str) {
        print_indented("note ", part, text);
    }

    pub(super) fn fail(&mut self, part: &str, text: &str) {
        self.failed += 1;
        print_indented("FAIL ", part, text);
    }

    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    pub(super) fn print_total(&self) {
        println!("{} passed, {} failed", self.passed, self.failed);
    }
}

fn print_indented(mark: &str, part: &str, text: &str) {
    println!("{mark} {part}: {}", printable(text.trim_end()).replace('\n', "\n      "));
}
