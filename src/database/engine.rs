//! Which database it is.

use super::DatabaseServer;

/// A database engine, as Django's `connection.vendor` tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    Sqlite,
}

impl Engine {
    /// `name` as an identifier. Matches Django, db/backends/*/operations.py, `DatabaseOperations.quote_name`.
    ///
    /// Django leaves a name that is quoted already as it is, and does not double quotes inside of one.
    pub(crate) fn quote_name(self, name: &str) -> String {
        let quote = match self {
            Self::Postgres | Self::Sqlite => '"',
            Self::MySql => '`',
        };
        if name.starts_with(quote) && name.ends_with(quote) { name.to_owned() } else { format!("{quote}{name}{quote}") }
    }
}

impl From<&DatabaseServer> for Engine {
    fn from(server: &DatabaseServer) -> Self {
        match server {
            DatabaseServer::Postgres { .. } => Self::Postgres,
            DatabaseServer::MySql { .. } => Self::MySql,
            DatabaseServer::Sqlite { .. } => Self::Sqlite,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Engine;

    #[test]
    fn names_are_quoted_once() {
        assert_eq!(Engine::Postgres.quote_name("auth_user"), "\"auth_user\"");
        assert_eq!(Engine::MySql.quote_name("auth_user"), "`auth_user`");
        assert_eq!(Engine::Sqlite.quote_name("\"core\".\"user\""), "\"core\".\"user\"");
    }
}
