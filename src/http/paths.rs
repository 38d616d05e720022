//! Which view a path leads to, and `CommonMiddleware`'s redirect to the path with a slash (Django 5.2,
//! middleware/common.py).

use super::{
    answer::Answer,
    options::TicketView,
    pattern::{Pattern, PatternError},
    request::{DjangoRequest, iri_to_uri},
};

/// The ticket views with their compiled patterns, in the order of the URL configuration.
#[derive(Debug)]
pub(super) struct Views(Vec<(Pattern, TicketView)>);

impl Views {
    /// Compiles each view's pattern.
    pub(super) fn new(views: &[TicketView]) -> Result<Self, PatternError> {
        let views = views.iter().map(|view| Ok((Pattern::search(&view.pattern)?, view.clone())));
        Ok(Self(views.collect::<Result<_, _>>()?))
    }

    /// The first view whose pattern matches `path` (percent-decoded, with its first slash).
    pub(super) fn find(&self, path: &str) -> Option<&TicketView> {
        let path = path.strip_prefix('/')?;
        self.0.iter().find(|(pattern, _)| pattern.matches(path)).map(|(_, view)| view)
    }

    /// Whether a slash makes a path valid that is not. Matches `CommonMiddleware.should_redirect_with_slash`.
    fn wants_slash(&self, path: &str) -> bool {
        !path.ends_with('/') && self.find(path).is_none() && self.find(&format!("{path}/")).is_some()
    }

    /// The redirect that takes the place of a 404, with `APPEND_SLASH`; whatever the method, as without `DEBUG`.
    pub(super) fn redirect_with_slash(&self, request: &DjangoRequest) -> Option<Answer> {
        self.wants_slash(&request.path).then(|| {
            let path = request.full_path(true);
            // Two leading slashes would name another host: django/utils/http.py, `escape_leading_slashes`.
            let path = match path.strip_prefix("//") {
                Some(rest) => format!("/%2F{rest}"),
                None => path,
            };
            Answer::moved(&iri_to_uri(&path))
        })
    }
}
