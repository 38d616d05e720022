//! Values written into the text of a statement.
//!
//! That is how Django's statements reach PostgreSQL and MySQL anyway: psycopg's client-side cursor and mysqlclient write
//! every parameter as a literal.

use std::fmt::Write;

use super::{Bind, Engine};

/// Appends `value` to `sql`, such that nothing in it can end the literal.
///
/// Text for PostgreSQL and SQLite must have no NUL: the caller has refused it.
pub(super) fn push(sql: &mut String, engine: Engine, value: Bind<'_>) {
    // Writing to a String does not fail.
    let _ = match value {
        Bind::Null => write!(sql, "NULL"),
        Bind::Bool(flag) if engine == Engine::Postgres => write!(sql, "{flag}"),
        Bind::Bool(flag) => write!(sql, "{}", u8::from(flag)),
        // The space keeps `- -1` from becoming the comment `--1`, as in psycopg.
        Bind::Int(number) if number < 0 => write!(sql, " {number}"),
        Bind::Int(number) => write!(sql, "{number}"),
        Bind::Uuid(uuid) => match engine {
            Engine::Postgres => write!(sql, "'{uuid}'::uuid"),
            Engine::MySql => write!(sql, "'{uuid}'"),
            Engine::Sqlite => write!(sql, "'{}'", uuid.simple()),
        },
        Bind::Text(text) => {
            push_text(sql, engine, text);
            Ok(())
        }
    };
}

fn push_text(sql: &mut String, engine: Engine, text: &str) {
    match engine {
        // As libpq's PQescapeLiteral: right whatever standard_conforming_strings is.
        Engine::Postgres if text.contains('\\') => {
            sql.push_str(" E'");
            sql.push_str(&text.replace('\\', r"\\").replace('\'', "''"));
            sql.push('\'');
        }
        Engine::Postgres | Engine::Sqlite => {
            sql.push('\'');
            sql.push_str(&text.replace('\'', "''"));
            sql.push('\'');
        }
        // How quotes are escaped depends on the server's sql_mode; hexadecimal digits need no escaping.
        Engine::MySql if text.is_empty() => sql.push_str("''"),
        Engine::MySql => {
            sql.push_str("_utf8mb4 X'");
            for byte in text.bytes() {
                let _ = write!(sql, "{byte:02X}");
            }
            sql.push('\'');
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::push;
    use crate::database::{Bind, Engine};

    fn literal(engine: Engine, value: Bind<'_>) -> String {
        let mut sql = String::new();
        push(&mut sql, engine, value);
        sql
    }

    #[test]
    fn text_cannot_end_its_literal() {
        assert_eq!(literal(Engine::Postgres, Bind::Text("Dave.O'Neil")), "'Dave.O''Neil'");
        assert_eq!(literal(Engine::Postgres, Bind::Text(r"\' OR 1=1 --")), r" E'\\'' OR 1=1 --'");
        assert_eq!(literal(Engine::Sqlite, Bind::Text(r"a\'b")), r"'a\''b'");
        assert_eq!(literal(Engine::MySql, Bind::Text(r"\' é")), "_utf8mb4 X'5C2720C3A9'");
        assert_eq!(literal(Engine::MySql, Bind::Text("")), "''");
    }

    #[test]
    fn other_values_are_written_as_each_engine_has_them() {
        let uuid = Uuid::from_u128(0x1234_5678_90ab_4def_8000_0000_0000_0001);
        assert_eq!(literal(Engine::Postgres, Bind::Uuid(uuid)), "'12345678-90ab-4def-8000-000000000001'::uuid");
        assert_eq!(literal(Engine::MySql, Bind::Uuid(uuid)), "'12345678-90ab-4def-8000-000000000001'");
        assert_eq!(literal(Engine::Sqlite, Bind::Uuid(uuid)), "'1234567890ab4def8000000000000001'");
        assert_eq!(literal(Engine::Postgres, Bind::Bool(true)), "true");
        assert_eq!(literal(Engine::MySql, Bind::Bool(true)), "1");
        assert_eq!(literal(Engine::Postgres, Bind::Int(-5)), " -5");
        assert_eq!(literal(Engine::Sqlite, Bind::Null), "NULL");
    }
}
