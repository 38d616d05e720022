//! `%s`, as Django hands statements to the Python drivers.

use super::{Engine, StatementError};

/// The text between the placeholders of `sql`, so one more than there are placeholders, with `%%` as `%`.
///
/// psycopg, mysqlclient and Django's sqlite3 wrapper (db/backends/sqlite3/base.py, `convert_query`) replace `%s` and
/// `%%` wherever they stand, inside quotes too. A `%s` inside quotes cannot be a parameter of a prepared statement; Django
/// writes none, so it is refused.
///
/// # Errors
///
/// [`StatementError`] for a `%s` inside quotes, and for a `%` before anything but `s` and `%`, where psycopg raises too.
pub(super) fn split(engine: Engine, sql: &str) -> Result<Vec<String>, StatementError> {
    let mut pieces = vec![];
    let mut piece = String::new();
    let mut quote = None;
    let mut characters = sql.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('%', _) => match (characters.next(), quote) {
                (Some('%'), _) => piece.push('%'),
                (Some('s'), None) => pieces.push(std::mem::take(&mut piece)),
                (Some('s'), Some(_)) => return Err(StatementError::PlaceholderInQuotes),
                _ => return Err(StatementError::LonePercentSign),
            },
            ('\'' | '"' | '`', None) => {
                quote = Some(character);
                piece.push(character);
            }
            // A doubled quote ends and begins again, which comes to the same.
            (_, Some(open)) if character == open => {
                quote = None;
                piece.push(character);
            }
            ('\\', Some('\'' | '"')) if engine == Engine::MySql => {
                piece.push(character);
                piece.extend(characters.next());
            }
            _ => piece.push(character),
        }
    }
    pieces.push(piece);
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::split;
    use crate::database::{Engine, StatementError};

    #[test]
    fn placeholders_are_found_and_percent_signs_undoubled() {
        let pieces = split(Engine::Postgres, "SELECT 5 %% 3, '%%' WHERE a = %s AND b LIKE %s").unwrap();
        assert_eq!(pieces, ["SELECT 5 % 3, '%' WHERE a = ", " AND b LIKE ", ""]);
    }

    #[test]
    fn a_statement_without_placeholders_is_one_piece() {
        assert_eq!(split(Engine::Sqlite, "SELECT 1").unwrap(), ["SELECT 1"]);
    }

    #[test]
    fn quotes_inside_quotes_do_not_end_them() {
        let pieces = split(Engine::Postgres, "\"a'b\" 'it''s' = %s").unwrap();
        assert_eq!(pieces, ["\"a'b\" 'it''s' = ", ""]);
        let pieces = split(Engine::MySql, r"'it\'s' = %s").unwrap();
        assert_eq!(pieces, [r"'it\'s' = ", ""]);
    }

    #[test]
    fn a_placeholder_inside_quotes_is_refused() {
        for sql in ["'%s'", "\"%s\"", "`%s`", "'it''s %s'"] {
            assert_eq!(split(Engine::MySql, sql), Err(StatementError::PlaceholderInQuotes), "{sql}");
        }
    }

    #[test]
    fn a_lone_percent_sign_is_refused() {
        for sql in ["5 % 3", "%d", "%(name)s", "%"] {
            assert_eq!(split(Engine::Postgres, sql), Err(StatementError::LonePercentSign), "{sql}");
        }
    }
}
