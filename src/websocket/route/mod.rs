//! Which route a path belongs to: Channels 4.3.2's `URLRouter` over Django 5.2's `path()` and `re_path()`.

mod path_syntax;

use fancy_regex::Regex;
use uuid::Uuid;

use crate::{
    consumer::RoutePattern,
    python::{self, Value},
};

use path_syntax::Converter;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Route {
    matcher: Matcher,
    /// The names of the captures, in the order of [`Route::matches`].
    names: Vec<String>,
}

#[derive(Debug)]
enum Matcher {
    /// A `path()` without converters.
    Exact(String),
    /// A `path()` with converters, one for each capture.
    Converted(Regex, Vec<Converter>),
    /// A `re_path()`: each capture is the text of a named group.
    Searched(Regex),
}

/// What the route's groups captured: Python's values, in the order of [`Route::names`]. A group of a `re_path()` that
/// took no part in the match is `None`, and its name is then not among the keyword arguments.
pub(crate) type Captures = Box<[Option<Value>]>;

impl Route {
    /// Compiles `pattern`.
    ///
    /// # Errors
    ///
    /// A sentence that says what Django would refuse, or what of Python's regular expressions is not understood.
    pub(crate) fn compile(pattern: &RoutePattern) -> Result<Self, String> {
        match pattern {
            RoutePattern::Path(route) => {
                let parsed = path_syntax::parse(route)?;
                if parsed.parameters.is_empty() {
                    return Ok(Self { matcher: Matcher::Exact(route.clone()), names: Vec::new() });
                }
                let regex = Regex::new(&parsed.regex).map_err(|error| format!("the path {route:?}: {error}"))?;
                let (names, converters) = parsed.parameters.into_iter().unzip();
                Ok(Self { matcher: Matcher::Converted(regex, converters), names })
            }
            RoutePattern::Regex(pattern) => {
                // `RegexPattern.match`: an endpoint whose pattern ends with `$` has to match all of the path.
                let translated =
                    python::translate_regex(pattern).map_err(|error| format!("{error}; write the route as a path"))?;
                let translated = if pattern.ends_with('$') { format!(r"\A(?:{translated})\z") } else { translated };
                let regex = Regex::new(&translated).map_err(|error| format!("the regex {pattern:?}: {error}"))?;
                let names = regex.capture_names().flatten().map(str::to_owned).collect();
                Ok(Self { matcher: Matcher::Searched(regex), names })
            }
        }
    }

    /// The names of the captures.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// What `path`, without its first slashes, captures on this route; `None` where it is not this route's.
    pub(super) fn matches(&self, path: &str) -> Result<Option<Captures>, GaveUp> {
        Ok(match &self.matcher {
            Matcher::Exact(route) => (route == path).then(Captures::default),
            Matcher::Converted(regex, converters) => {
                let Some(captures) = search(regex, path)? else { return Ok(None) };
                let converted = converters.iter().zip(&self.names).map(|(converter, name)| {
                    let text = captures.name(name)?.as_str();
                    Some(Some(convert(*converter, text)?))
                });
                converted.collect()
            }
            Matcher::Searched(regex) => {
                let Some(captures) = search(regex, path)? else { return Ok(None) };
                let texts = self.names.iter().map(|name| captures.name(name).map(|text| text.as_str().to_owned()));
                Some(texts.map(|text| text.map(Value::Str)).collect())
            }
        })
    }
}

/// A route's regular expression took too long for a path: whose it is, is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GaveUp;

/// The first of `routes` that `path` belongs to, and what it captured. Matches channels, routing.py,
/// `URLRouter.__call__`: all leading slashes are dropped, then the first match wins.
///
/// # Errors
///
/// [`GaveUp`]: the path is to be refused, since a later route may guard it less than its own.
pub(crate) fn find<'a>(
    routes: impl IntoIterator<Item = &'a Route>,
    path: &str,
) -> Result<Option<(usize, Captures)>, GaveUp> {
    let path = path.trim_start_matches('/');
    for (index, route) in routes.into_iter().enumerate() {
        if let Some(captures) = route.matches(path)? {
            return Ok(Some((index, captures)));
        }
    }
    Ok(None)
}

fn search<'t>(regex: &Regex, path: &'t str) -> Result<Option<fancy_regex::Captures<'t, str>>, GaveUp> {
    regex.captures(path).map_err(|error| {
        // Python would search on, without a bound.
        tracing::warn!(route = regex.as_str(), %error, "a route's regular expression gave up; the path is refused");
        GaveUp
    })
}

fn convert(converter: Converter, text: &str) -> Option<Value> {
    match converter {
        Converter::Int => python::int_from_str(text).ok(),
        Converter::Uuid => Uuid::try_parse(text).ok().map(Value::Uuid),
        Converter::Str | Converter::Slug | Converter::Path => Some(Value::Str(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(route: &str) -> Route {
        Route::compile(&RoutePattern::Path(route.to_owned())).unwrap()
    }

    fn regex(pattern: &str) -> Route {
        Route::compile(&RoutePattern::Regex(pattern.to_owned())).unwrap()
    }

    fn captured(route: &Route, path: &str) -> Option<Vec<Option<Value>>> {
        route.matches(path).unwrap().map(Vec::from)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as in Captures")]
    fn str(text: &str) -> Option<Value> {
        Some(Value::Str(text.to_owned()))
    }

    #[test]
    fn a_path_without_converters_is_compared() {
        let route = path("ws/chat/");
        assert!(captured(&route, "ws/chat/").is_some());
        for other in ["ws/chat", "ws/chat/x", "ws//chat/", "WS/chat/", "ws/chat/\n", ""] {
            assert_eq!(captured(&route, other), None, "{other:?}");
        }
    }

    #[test]
    fn converters_give_python_s_values() {
        let route = path("r/<int:number>/<room>/<slug:slug>/<uuid:id>/<path:rest>");
        assert_eq!(route.names(), ["number", "room", "slug", "id", "rest"]);
        let id = "0f5a3c1e-8d2b-4a6f-9c7e-1b2d3e4f5a6b";
        assert_eq!(
            captured(&route, &format!("r/007/a b/x-_1/{id}/a/b")),
            Some(vec![
                Some(Value::Int(7)),
                str("a b"),
                str("x-_1"),
                Some(Value::Uuid(Uuid::try_parse(id).unwrap())),
                str("a/b"),
            ])
        );
        assert_eq!(captured(&route, &format!("r/007/a b/x-_1/{}/a/b", id.to_uppercase())), None);
        assert_eq!(captured(&route, &format!("r/٣/a/b/{id}/c")), None, "only ASCII digits");
    }

    #[test]
    fn a_number_may_have_4300_digits_and_no_more() {
        let route = path("<int:number>");
        let captures = captured(&route, &"9".repeat(20)).unwrap();
        assert_eq!(captures, [Some(Value::BigInt("99999999999999999999".parse().unwrap()))]);
        assert_eq!(captured(&route, &("0".repeat(4299) + "7")), Some(vec![Some(Value::Int(7))]));
        assert_eq!(captured(&route, &"9".repeat(4301)), None);
    }

    #[test]
    fn what_django_refuses_is_refused() {
        for (route, part) in [
            ("<nope:room>/", "converter"),
            ("<str:1room>/", "identifier"),
            ("<str: room>/", "white space"),
            ("<a>/<a>/", "more than once"),
        ] {
            let error = Route::compile(&RoutePattern::Path(route.to_owned())).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn special_characters_of_a_path_stand_for_themselves() {
        let route = path("a.b(c)+/<room>/");
        assert!(captured(&route, "a.b(c)+/x/").is_some());
        assert!(captured(&route, "axb(c)+/x/").is_none());
    }

    #[test]
    fn a_regex_is_searched_and_must_match_all_where_it_ends_with_a_dollar() {
        assert_eq!(captured(&regex(r"^ws/re/(?P<name>\w+)/$"), "ws/re/abc/"), Some(vec![str("abc")]));
        assert_eq!(captured(&regex(r"^ws/(?P<name>\w+)/$"), "ws/abc/\n"), None, "fullmatch leaves no line end over");
        assert!(captured(&regex(r"ws/(\w+)/$"), "x/ws/abc/").is_none(), "fullmatch");
        assert!(captured(&regex(r"ws/\w+/"), "x/ws/abc/y").is_some(), "search");
        assert!(captured(&regex(r"^ws/\w+/\Z"), "ws/abc/\n").is_none());
        assert!(captured(&regex(r"^(ws/$|other/$)"), "ws/\n").is_some(), "`$` is before a last line end too");
    }

    #[test]
    fn nested_routers_are_matched_one_after_the_other() {
        let route = regex(r"\A(?>(?:ws/))(?>/*)(?>(?i:(?:a(?P<x>\w)?/$|b)|(?s:.+?)(?:b)))");
        for path in ["ws/ay/", "ws///AY/", "ws/b", "ws/\nyb/x"] {
            assert!(captured(&route, path).is_some(), "{path:?}");
        }
        assert_eq!(captured(&route, "ws//az/"), Some(vec![str("z")]));
        for path in ["/ws/a/x", "x/ws/b", "ws", "ws/y"] {
            assert!(captured(&route, path).is_none(), "{path:?}");
        }
    }

    #[test]
    fn a_group_that_took_no_part_is_no_argument() {
        let route = regex(r"^ws/(?:(?P<room>\w+)/)?(?P<tail>x)?$");
        assert_eq!(captured(&route, "ws/"), Some(vec![None, None]));
        assert_eq!(captured(&route, "ws/lobby/"), Some(vec![str("lobby"), None]));
    }

    #[test]
    fn the_first_route_wins_and_all_leading_slashes_are_dropped() {
        let routes = [path("ws/<slug:room>/"), path("ws/chat/"), regex("^other/")];
        let found = |path| find(&routes, path).map(|found| found.map(|(index, _)| index));
        assert_eq!(found("/ws/chat/"), Ok(Some(0)));
        assert_eq!(found("///other/1"), Ok(Some(2)));
        assert_eq!(found("/nope/"), Ok(None));
    }

    #[test]
    fn a_path_on_which_a_regex_takes_too_long_is_nobodys() {
        let routes = [regex(r"^((a|b|ab)(?=[ab]))*\2c$"), regex("")];
        assert_eq!(find(&routes, &"ab".repeat(40)), Err(GaveUp), "the second one would take it");
        assert!(find(&routes, "other").is_ok_and(|found| found.is_some_and(|(index, _)| index == 1)));
    }
}
