//! Where a template stands, and what it may read there.

use std::{collections::BTreeSet, fmt::Write as _};

/// Where a template stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Groups,
    Connect,
    Receive,
    Event,
    Disconnect,
}

/// What the templates of all places may read, besides the route's captured names.
const EVERYWHERE: [&str; 5] = ["user", "query", "headers", "channel_name", "now"];

impl Place {
    /// The names that we give, in the order in which they are documented.
    pub(super) fn names(self, has_ask: bool) -> Vec<&'static str> {
        let own: &[&str] = match self {
            Self::Groups | Self::Connect => &[],
            Self::Receive => &["content", "text", "bytes"],
            Self::Event => &["event"],
            Self::Disconnect => &["code"],
        };
        let context: &[&str] = if has_ask { &["context"] } else { &[] };
        own.iter().chain(&EVERYWHERE).chain(context).copied().collect()
    }

    const fn is_called(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Connect => "on_connect",
            Self::Receive => "receive",
            Self::Event => "events",
            Self::Disconnect => "on_disconnect",
        }
    }

    /// What is wrong with a name that nothing here is called; `known` are those that are.
    pub(super) fn unknown(self, name: &str, known: &[&str]) -> String {
        let mut problem = format!("templates of `{}` know no `{name}`", self.is_called());
        let elsewhere = [Self::Receive, Self::Event, Self::Disconnect];
        let others: Vec<_> =
            elsewhere.into_iter().filter(|place| place.names(false).contains(&name)).map(Self::is_called).collect();
        if !others.is_empty() {
            let _ = write!(problem, ", which only `{}` has.", others.join("`, `"));
        } else if name == "context" {
            problem += ", which only a route with `[route.ask]` has.";
        } else if let Some(nearest) = nearest(name, known) {
            let _ = write!(problem, "; did you mean `{nearest}`?");
        } else {
            problem.push('.');
        }
        problem + &format!(" Known are {}", known.join(", "))
    }
}

/// The nearest of `known`, if it is near enough to be meant.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness =
        known.iter().map(|known| (strsim::jaro(known, name), *known)).filter(|(likeness, _)| *likeness > 0.7);
    likeness.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

/// Whether a template that reads these names gives the same for all sockets that an event is for.
pub(super) fn is_shared(reads: &BTreeSet<String>, captures: &[String]) -> bool {
    // A capture hides a name of ours, and is each socket's own.
    reads.iter().all(|name| matches!(name.as_str(), "event" | "now") && !captures.contains(name))
}

/// Whether a template can be filled in as soon as the path is known.
pub(super) fn is_of_path(reads: &BTreeSet<String>, captures: &[String]) -> bool {
    reads.iter().all(|name| captures.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(names: &[&str]) -> BTreeSet<String> {
        names.iter().copied().map(str::to_owned).collect()
    }

    #[test]
    fn an_event_is_shared_unless_something_of_a_socket_is_read() {
        let captures = ["room".to_owned()];
        assert!(is_shared(&reads(&["event", "now"]), &captures) && is_shared(&reads(&[]), &captures));
        for name in ["room", "user", "query", "headers", "channel_name", "context"] {
            assert!(!is_shared(&reads(&["event", name]), &captures), "{name}");
        }
        assert!(!is_shared(&reads(&["event"]), &["event".to_owned()]), "a capture of that name is the socket's");
    }

    #[test]
    fn a_group_of_the_path_alone_is_known_before_the_user() {
        let captures = ["room".to_owned()];
        assert!(is_of_path(&reads(&["room"]), &captures) && is_of_path(&reads(&[]), &captures));
        assert!(!is_of_path(&reads(&["room", "user"]), &captures));
    }

    #[test]
    fn a_name_that_only_another_place_has_is_told_so() {
        let problem = |name| Place::Groups.unknown(name, &["user"]);
        assert_eq!(
            problem("content"),
            "templates of `groups` know no `content`, which only `receive` has. Known are user"
        );
        assert!(problem("context").contains("`[route.ask]`"));
        assert!(problem("usr").contains("did you mean `user`?"));
        assert_eq!(problem("b"), "templates of `groups` know no `b`. Known are user");
    }
}
