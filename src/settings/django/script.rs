//! The Python script that reads a project.

/// For the project's own Python (3.8 and later), in one piece. Its parts share one namespace, and stand in the order in
/// which they are run.
pub(crate) const SCRIPT: &str = concat!(
    include_str!("script/start.py"),
    include_str!("script/running.py"),
    include_str!("script/errors.py"),
    include_str!("script/project.py"),
    include_str!("script/plain_values.py"),
    include_str!("script/security.py"),
    include_str!("script/simple_jwt.py"),
    include_str!("script/steadiness.py"),
    include_str!("script/user.py"),
    include_str!("script/database.py"),
    include_str!("script/cache.py"),
    include_str!("script/channel_layer.py"),
    include_str!("script/languages.py"),
    include_str!("script/ticket_views.py"),
    include_str!("script/error_pages.py"),
    include_str!("script/asgi.py"),
    include_str!("script/items.py"),
);
