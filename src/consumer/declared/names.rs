//! The names that a template reads.

use std::collections::BTreeSet;

use minijinja::Environment;

/// What `source`, a template that compiles, reads of the names it is given.
///
/// minijinja's own search does not look into what is sliced, and takes a name that `set` or `with` assigns for known
/// even where the value reads it: so it is shown the slices as subscripts, and each of `known` that occurs as a word
/// counts.
pub(super) fn read_by<'a>(source: &str, known: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let (unsliced, words) = taken_apart(source);
    let environment = Environment::new();
    let found = [unsliced.as_str(), source].into_iter().find_map(|text| {
        let template = environment.template_from_str(text).ok()?;
        Some(template.undeclared_variables(false))
    });
    let mut names: BTreeSet<String> = found.into_iter().flatten().collect();
    names.extend(known.filter(|name| words.contains(*name)).map(str::to_owned));
    names
}

/// `source` with `a[b][c]` for each `a[b:c]`, and the words of its tags that are neither quoted nor attributes.
fn taken_apart(source: &str) -> (String, BTreeSet<&str>) {
    let mut text = String::with_capacity(source.len());
    let mut words = BTreeSet::new();
    let mut in_tag = false;
    let mut quote = None;
    // What is open in the tag, and whether anything stands behind its last bracket or colon.
    let mut open: Vec<char> = Vec::new();
    let mut is_empty = true;
    let mut last = ' ';
    let mut rest = source;
    while let Some(character) = rest.chars().next() {
        let mut length = character.len_utf8();
        let is_outermost = quote.is_none() && open.is_empty();
        if !in_tag && rest.starts_with("{#") {
            length = rest.find("#}").map_or(rest.len(), |end| end + 2);
        } else if !in_tag && (rest.starts_with("{{") || rest.starts_with("{%")) {
            (in_tag, length) = (true, 2);
        } else if in_tag && is_outermost && (rest.starts_with("}}") || rest.starts_with("%}")) {
            (in_tag, length) = (false, 2);
        } else if let Some(opened) = quote {
            match character {
                '\\' => length += rest[1..].chars().next().map_or(0, char::len_utf8),
                _ if character == opened => quote = None,
                _ => {}
            }
        } else if in_tag {
            match character {
                '"' | '\'' => quote = Some(character),
                '[' | '(' | '{' => {
                    open.push(character);
                    is_empty = true;
                }
                ']' | ')' | '}' => {
                    // An empty list has nothing to fill in: only behind a colon is something missing.
                    if open.pop() == Some('[') && is_empty && text.ends_with("][") {
                        text.push('0');
                    }
                    is_empty = false;
                }
                ':' if open.last() == Some(&'[') => {
                    text.push_str(if is_empty { "0][" } else { "][" });
                    (rest, is_empty, last) = (&rest[1..], true, ':');
                    continue;
                }
                '_' | 'a'..='z' | 'A'..='Z' | '0'..='9' => {
                    length = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
                    if last != '.' {
                        words.insert(&rest[..length]);
                    }
                    is_empty = false;
                }
                _ => is_empty &= character.is_whitespace(),
            }
            if matches!(character, '"' | '\'') {
                is_empty = false;
            }
            if !character.is_whitespace() {
                last = character;
            }
        }
        text.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    (text, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Vec<String> {
        read_by(source, ["text", "content"].into_iter()).into_iter().collect()
    }

    #[test]
    fn what_is_sliced_is_read() {
        for slice in ["[:3]", "[1:]", "[:]", "[ : 3 ]", "[1:2:3]", "[::2]", "[-1:][0]", "[[1][0]:2]"] {
            assert_eq!(read(&format!("{{{{ text{slice} }}}}")), ["text"], "{slice}");
            assert_eq!(
                read(&format!("{{% if 1 %}}{{{{ nosuch.a{slice}|upper }}}}{{% endif %}}")),
                ["nosuch"],
                "{slice}"
            );
        }
        assert_eq!(read("{{ content.message[:n] }} {{ {'a': text[:3], 'b:c': []} }}"), ["content", "n", "text"]);
        assert_eq!(read("{% for x in content[1:] %}{{ x[:1] }}{% endfor %}"), ["content"]);
    }

    #[test]
    fn a_name_that_is_assigned_from_itself_is_read() {
        assert_eq!(read("{% set text = text|upper %}{{ text }}"), ["text"]);
        assert_eq!(read("{% with content = content.a %}{{ content }}{% endwith %}"), ["content"]);
    }

    #[test]
    fn text_attributes_and_quotes_are_no_names() {
        assert_eq!(read("text {# content[:3] #} {{ 'content[:3]' ~ \"\\\"text\" ~ now.text }} text"), ["now"]);
    }

    #[test]
    fn no_text_is_too_odd() {
        for text in ["{{ a[", "{{ 'a\\", "{{ ]]:[", "{# a", "{{ é[:ü] }}", "{{ a[:'", "{%", "\\"] {
            let _ = read(text);
        }
    }
}
