//! `sluicegate settings`: what it would run with, as TOML, and where each value came from.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Settings, TicketViewState, key::State, mask::masked, report::Report};

/// The whole report. What cannot be written in `sluicegate.toml` stands in comments.
pub(crate) fn render(report: &Report) -> String {
    let mut text =
        "# What sluicegate would run with, and where each value comes from. Secrets are masked.\n".to_owned();
    let mut section = "";
    for (key, value, origin) in &report.effective {
        if key.section() != section {
            section = key.section();
            let _ = write!(text, "\n[{section}]");
            text.push('\n');
        } else if text.lines().count() == 1 {
            text.push('\n');
        }
        let hidden = if key.state == State::DjangoOnly || value.is_null() && !has_none(key.path) { "# " } else { "" };
        let _ = writeln!(
            text,
            "{hidden}{} = {}  # {}",
            key.name(),
            toml_value(&masked(key, value)),
            one_line(&origin.to_string())
        );
    }
    for route in &report.routes {
        let _ = write!(text, "\n{}", table(&json!({ "route": [route] })));
    }
    text.push('\n');
    text.push_str(&remarks(report));
    text
}

/// The ticket view, notes and problems, as comments.
fn remarks(report: &Report) -> String {
    let mut text = String::new();
    let mut remark = |sentence: &str| {
        for (index, line) in sentence.lines().enumerate() {
            let _ = writeln!(text, "{} {}", if index == 0 { "#" } else { "#    " }, one_line(line));
        }
    };
    match &report.ticket_view {
        TicketViewState::Served => remark("The ticket view is served here."),
        TicketViewState::TurnedOff => remark("The ticket view is left to Django, as [ticket] serve = false says."),
        TicketViewState::LeftToDjango(reasons) => {
            remark("The ticket view is not served here.");
            for reason in reasons {
                remark(reason);
            }
        }
    }
    let mut sockets = report.sockets().peekable();
    if sockets.peek().is_some() {
        remark("Sockets, in the order in which routes are tried:");
    }
    for route in sockets {
        remark(&format!("    {}: {route}", route.written()));
    }
    report.replaced().iter().for_each(|replaced| remark(&format!("{}\n{}", replaced.sentence, replaced.mend)));
    if let Some(passed_on) = report.settings.as_ref().and_then(Settings::passed_on) {
        remark(&passed_on);
    }
    report.notes.iter().for_each(|note| remark(&format!("Note: {note}")));
    report.problems.iter().for_each(|problem| remark(&format!("Problem: {problem}")));
    text
}

/// Whether `false` is how this setting says "none" (and `null` would be lost).
fn has_none(path: &str) -> bool {
    use super::kind::Kind::{PairOrNone, SecondsOrOff, TextOrNone, TextOrTexts};
    super::key::find(path).is_some_and(|key| matches!(key.kind, TextOrNone | TextOrTexts | PairOrNone | SecondsOrOff))
}

/// A value as it is written after `=`.
fn toml_value(value: &Value) -> String {
    match value {
        Value::Null => "false".to_owned(),
        Value::Array(list) => format!("[{}]", list.iter().map(toml_value).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let name = toml::Value::from(name.replace('\n', " "));
                format!("{name} = {}", toml_value(value))
            };
            format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        // In one line: text with a line break would be written in several.
        Value::String(text) => toml::Value::from(text.replace('\n', " ")).to_string(),
    }
}

/// Text as a comment's line can hold it: a line break would end it, and TOML refuses other control characters.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

/// A table with its sub-tables.
fn table(value: &Value) -> String {
    toml::to_string(value).unwrap_or_else(|error| format!("# {error}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_on_one_line() {
        let value = json!({"a b": ["x", 1, null, "line\nbreak \"quoted\""], "c": {"d": true}});
        let text = format!("v = {}", toml_value(&value));
        let read: toml::Value = toml::from_str(&text).unwrap();
        assert_eq!(read["v"]["a b"][3].as_str(), Some("line break \"quoted\""), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}
