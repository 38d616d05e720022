//! How many messages a channel holds. Matches channels 4.3, layers.py, `compile_capacities` and `get_capacity`, and
//! CPython 3.11, fnmatch.py.

use fancy_regex::Regex;

use crate::python::translate_regex;

/// A pattern of `channel_capacity`, matched against a whole channel name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelPattern {
    /// `"http.*"`: `*`, `?`, `[seq]` and `[!seq]`, as in `fnmatch`.
    Glob(String),
    /// `re.compile("^http")`: Python's syntax, matched from the start of the name.
    Regex(String),
}

/// `capacity` and `channel_capacity`.
#[derive(Debug)]
pub(super) struct Capacities {
    default: usize,
    patterns: Vec<(Compiled, usize)>,
}

#[derive(Debug)]
enum Compiled {
    Glob(Vec<char>),
    Regex(Box<Regex>),
}

impl Capacities {
    /// # Errors
    ///
    /// A sentence that names the pattern which cannot be used.
    pub(super) fn new(default: usize, patterns: &[(ChannelPattern, usize)]) -> Result<Self, String> {
        let compile = |(pattern, capacity): &(ChannelPattern, usize)| {
            let compiled = match pattern {
                ChannelPattern::Glob(glob) => Compiled::Glob(glob.chars().collect()),
                ChannelPattern::Regex(regex) => {
                    let unusable = |why: String| format!("the pattern {regex:?} of channel_capacity: {why}");
                    let translated = translate_regex(regex).map_err(unusable)?;
                    let regex = Regex::new(&format!(r"\A(?:{translated})")).map_err(|why| unusable(why.to_string()))?;
                    Compiled::Regex(Box::new(regex))
                }
            };
            Ok((compiled, *capacity))
        };
        Ok(Self { default, patterns: patterns.iter().map(compile).collect::<Result<_, String>>()? })
    }

    /// `get_capacity(channel)`: of the first pattern that matches.
    pub(super) fn of(&self, channel: &str) -> usize {
        let matches = |compiled: &Compiled| match compiled {
            Compiled::Glob(glob) => is_match(glob, &channel.chars().collect::<Vec<_>>()),
            Compiled::Regex(regex) => regex.is_match(channel).unwrap_or(false),
        };
        self.patterns.iter().find(|(pattern, _)| matches(pattern)).map_or(self.default, |(_, capacity)| *capacity)
    }
}

/// `fnmatch.translate(glob)`, matched against all of `name`.
fn is_match(glob: &[char], name: &[char]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    // Where the last `*` stands, and how far into the name it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match glob.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
                continue;
            }
            None if in_name == name.len() => return true,
            None => None,
            Some(&wanted) => name.get(in_name).and_then(|&c| match (wanted, class(&glob[at..])) {
                ('?', _) => Some(1),
                ('[', Some((length, members))) => contains(members, c).then_some(length),
                _ => (wanted == c).then_some(1),
            }),
        };
        match (step, star) {
            (Some(length), _) => {
                at += length;
                in_name += 1;
            }
            (None, Some((star_at, reached))) if reached < name.len() => {
                star = Some((star_at, reached + 1));
                (at, in_name) = (star_at + 1, reached + 1);
            }
            (None, _) => return false,
        }
    }
}

/// The length of the `[...]` at the start of `glob` and what stands in it; `None` if it is not closed, and so a plain
/// character.
fn class(glob: &[char]) -> Option<(usize, &[char])> {
    let negated = usize::from(glob.get(1) == Some(&'!'));
    // A `]` in the first place stands for itself.
    let first = 1 + negated;
    let skipped = first + usize::from(glob.get(first) == Some(&']'));
    let end = skipped + glob.get(skipped..)?.iter().position(|&c| c == ']')?;
    Some((end + 1, &glob[1..end]))
}

fn contains(members: &[char], c: char) -> bool {
    let (negated, members) = match members {
        ['!', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let (mut rest, mut found) = (members, false);
    loop {
        rest = match rest {
            [first, '-', last, rest @ ..] => {
                found |= (*first..=*last).contains(&c);
                rest
            }
            [one, rest @ ..] => {
                found |= *one == c;
                rest
            }
            [] => return found != negated,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &str, name: &str) -> bool {
        is_match(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
    }

    #[test]
    fn globs_match_as_fnmatch_does() {
        for (pattern, matched, other) in [
            ("http.*", &["http.", "http.request"][..], &["http", "xhttp.request"][..]),
            ("a**b", &["ab", "axxb"], &["a", "abc"]),
            ("a.b?", &["a.bc"], &["a.b", "axbc", "a.bcd"]),
            ("*", &["", "x"], &[]),
            ("*.*!*", &["specific.a!b"], &["specific"]),
            ("a[b", &["a[b"], &["ab"]),
            ("a[!b]c", &["axc", "a!c"], &["abc", "ac"]),
            ("a[]b]", &["a]", "ab"], &["a", "a]b"]),
            ("a[b-d]", &["ab", "ac", "ad"], &["ae", "a-"]),
            ("a[d-b]x", &[], &["abx", "acx", "adx", "a-x"]),
            ("x[!d-b]y", &["xby", "x-y"], &["xy"]),
            ("a[!]b", &["a[!]b"], &["ab"]),
            ("a[a-]", &["aa", "a-"], &["ab"]),
            ("a[b-d-f]", &["ac", "a-", "af"], &["ae"]),
            ("[^a]", &["^", "a"], &["b"]),
            ("a[\\]b]", &["a\\b]"], &["a]b"]),
            ("*a*b*c", &["aXbXbXc", "abc"], &["abcx", "acb"]),
        ] {
            assert!(matched.iter().all(|name| glob(pattern, name)), "{pattern}");
            assert!(!other.iter().any(|name| glob(pattern, name)), "{pattern}");
        }
    }

    #[test]
    fn the_first_pattern_that_matches_counts() {
        let patterns = [
            (ChannelPattern::Glob("http.*".to_owned()), 2),
            (ChannelPattern::Regex(r"^specific\.[0-9a-f]+!".to_owned()), 3),
            (ChannelPattern::Glob("*".to_owned()), 4),
        ];
        let capacities = Capacities::new(100, &patterns).unwrap();
        assert_eq!(["http.request", "specific.0a!b", "x"].map(|name| capacities.of(name)), [2, 3, 4]);
        assert_eq!(Capacities::new(100, &[]).unwrap().of("x"), 100);
        let why = Capacities::new(1, &[(ChannelPattern::Regex("(".to_owned()), 1)]).unwrap_err();
        assert!(why.starts_with("the pattern \"(\" of channel_capacity: "), "{why}");
    }
}
