//! `docs/errors.md` is made of the tables in the code.

use std::fmt::Write as _;

use super::super::problem::Code;
use crate::Reason;

const PAGE: &str = include_str!("../../../docs/errors.md");

fn made() -> String {
    let mut page = "\
# Errors by code

Codes are never renamed or reused.

## Settings

All problems are told at once, each with the file and line, the variable or the Django setting where it stands, and the
lines that mend it. `sluicegate check` tries all of it without serving.

"
    .to_owned();
    for line in &Code::TABLE {
        let _ = writeln!(page, "**{}: {}.** {}\n", line.name, line.title, line.text);
    }
    page.push_str(
        "\
## Refused handshakes

A refusal is answered with JSON, `{\"detail\": <sentence>, \"code\": <code>}`, or, with `[websocket] refuse = \"close\"`, by a
close code after the handshake. [Reasons](reasons.md) has status and close code of each, and what to do.

| code | detail |
| --- | --- |
",
    );
    for reason in Reason::ALL {
        let _ = writeln!(page, "| `{}` | {} |", reason.code(), reason.detail());
    }
    page.push_str(
        "
## Requests that are not passed on

With `[upstream]`, a request that Django cannot answer has the same JSON.

| code | status | |
| --- | --- | --- |
| `bad_request` | 400 | It can be read in two ways (two `Host` headers, another host in its target, a coding that is not `chunked`, `CONNECT`), or its body broke off. The detail says which. |
| `request_timeout` | 408 | Nothing more of its body came for 60 s. |
| `upstream_failed` | 502 | The answer broke off before its head, or is no HTTP. |
| `unavailable_upstream` | 503 | No server accepts a connection. |
| `upstream_timeout` | 504 | The head of the answer did not come within `[upstream] timeout`. |
",
    );
    page
}

#[test]
fn the_page_of_errors_has_every_code() {
    if PAGE != made() {
        // `cargo test the_page_of_errors` a second time, with this file in place of the old one.
        let file = std::env::temp_dir().join("errors.md");
        std::fs::write(&file, made()).unwrap();
        panic!("docs/errors.md is not what the tables say: take {}", file.display());
    }
}
