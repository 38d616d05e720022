//! Where a value came from.

use std::fmt;

/// Where a value came from, as shown in problems and by the `settings` command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Built in: Django's, SimpleJWT's or Channels' default, or our own.
    Default,
    /// The project, by the name that its settings give it, such as `SIMPLE_JWT["LEEWAY"]`.
    Django(String),
    /// A line of `sluicegate.toml`.
    File { path: String, line: usize },
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl Origin {
    /// Whether someone said this to sluicegate itself, rather than to Django or to nobody.
    pub(super) fn is_stated(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Variable(_) | Self::Flag(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Django(setting) => write!(f, "Django's {setting}"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}
