//! A statement, made ready once.

use std::{fmt::Write, sync::Arc};

use uuid::Uuid;

use super::{Engine, literal, placeholders};

/// A value that a statement is run with. It has no `Debug`: a key of the cache is a ticket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bind<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Of the database's own type; where it has none, 32 hexadecimal digits.
    Uuid(Uuid),
    /// The engine takes it for the type that it is compared with, as it takes a quoted literal; where nothing else is
    /// known, text.
    Text(&'a str),
}

/// What stands in the place of a `%s`.
#[derive(Clone, Copy)]
pub(crate) enum Slot<'a> {
    /// The nth of the values that the statement is run with.
    Bind(usize),
    /// Always the same value.
    Constant(Bind<'a>),
}

/// A statement in the words of one engine.
#[derive(Debug)]
pub(crate) struct Statement {
    engine: Engine,
    /// What stands before, between and after the binds.
    pieces: Vec<String>,
    /// Which bind follows each piece.
    order: Vec<usize>,
    /// With `$1` or `?`.
    prepared: Arc<str>,
}

/// Why a statement cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StatementError {
    #[error("a placeholder %s stands inside quotes")]
    PlaceholderInQuotes,
    #[error("a percent sign is neither %s nor %%")]
    LonePercentSign,
    #[error("the statement has {placeholders} placeholders, but {parameters} parameters")]
    Count { placeholders: usize, parameters: usize },
    #[error("a parameter holds the character NUL, which the database cannot hold")]
    Nul,
}

impl Statement {
    /// `sql` with `%s` for each value that it is run with, in order.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if the text is not one that the Python drivers take.
    pub(crate) fn new(engine: Engine, sql: &str) -> Result<Self, StatementError> {
        let pieces = placeholders::split(engine, sql)?;
        let slots = (0..pieces.len() - 1).map(Slot::Bind).collect::<Vec<_>>();
        Self::with_slots(engine, sql, &slots)
    }

    /// `sql` with `%s` for each of `slots`, in order; constants become part of the text.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if the text is not one that the Python drivers take, or the count differs.
    pub(crate) fn with_slots(engine: Engine, sql: &str, slots: &[Slot<'_>]) -> Result<Self, StatementError> {
        let texts = placeholders::split(engine, sql)?;
        if texts.len() - 1 != slots.len() {
            return Err(StatementError::Count { placeholders: texts.len() - 1, parameters: slots.len() });
        }
        let mut pieces: Vec<String> = vec![];
        let mut order = vec![];
        let mut piece = String::new();
        for (text, slot) in texts.iter().zip(slots) {
            piece.push_str(text);
            match *slot {
                Slot::Bind(index) => {
                    pieces.push(std::mem::take(&mut piece));
                    order.push(index);
                }
                Slot::Constant(Bind::Text(text)) if engine != Engine::MySql && text.contains('\0') => {
                    return Err(StatementError::Nul);
                }
                Slot::Constant(value) => literal::push(&mut piece, engine, value),
            }
        }
        piece.extend(texts.last().map(String::as_str));
        pieces.push(piece);
        let mut prepared = String::new();
        for (number, piece) in pieces.iter().enumerate() {
            match (number, engine) {
                (0, _) => {}
                // Writing to a String does not fail.
                (number, Engine::Postgres) => write!(prepared, "${number}").unwrap_or_default(),
                (_, Engine::MySql | Engine::Sqlite) => prepared.push('?'),
            }
            prepared.push_str(piece);
        }
        Ok(Self { engine, pieces, order, prepared: prepared.into() })
    }

    /// The text to prepare.
    pub(super) fn prepared(&self) -> Arc<str> {
        Arc::clone(&self.prepared)
    }

    /// The values in the order of the placeholders of [`prepared`](Self::prepared).
    pub(super) fn arrange<'a, 'b>(&'b self, binds: &'b [Bind<'a>]) -> impl Iterator<Item = Bind<'a>> + use<'a, 'b> {
        // A value that the caller forgot is null, which matches nothing.
        self.order.iter().map(|&index| binds.get(index).copied().unwrap_or(Bind::Null))
    }

    /// The text with the values written into it.
    pub(crate) fn literal(&self, binds: &[Bind<'_>]) -> String {
        let mut pieces = self.pieces.iter();
        let mut sql = pieces.next().cloned().unwrap_or_default();
        for (piece, value) in pieces.zip(self.arrange(binds)) {
            literal::push(&mut sql, self.engine, value);
            sql.push_str(piece);
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::{Bind, Slot, Statement, StatementError};
    use crate::database::Engine;

    const SQL: &str = "SELECT %s FROM t WHERE a = %s AND b = %s OR c = %s";

    #[test]
    fn constants_become_text_and_binds_placeholders() {
        let slots = [Slot::Constant(Bind::Int(1)), Slot::Bind(0), Slot::Constant(Bind::Text("o'x")), Slot::Bind(0)];
        let statement = Statement::with_slots(Engine::Postgres, SQL, &slots).unwrap();
        assert_eq!(&*statement.prepared(), "SELECT 1 FROM t WHERE a = $1 AND b = 'o''x' OR c = $2");
        assert_eq!(statement.literal(&[Bind::Int(7)]), "SELECT 1 FROM t WHERE a = 7 AND b = 'o''x' OR c = 7");
        let statement = Statement::with_slots(Engine::Sqlite, SQL, &slots).unwrap();
        assert_eq!(&*statement.prepared(), "SELECT 1 FROM t WHERE a = ? AND b = 'o''x' OR c = ?");
    }

    #[test]
    fn every_placeholder_needs_its_parameter() {
        let error = Statement::with_slots(Engine::MySql, SQL, &[Slot::Bind(0)]).unwrap_err();
        assert_eq!(error, StatementError::Count { placeholders: 4, parameters: 1 });
    }

    #[test]
    fn a_constant_with_nul_is_refused_where_it_cannot_be_written() {
        let slots = [Slot::Constant(Bind::Text("a\0b"))];
        assert_eq!(Statement::with_slots(Engine::Postgres, "%s", &slots).unwrap_err(), StatementError::Nul);
        assert!(Statement::with_slots(Engine::MySql, "%s", &slots).is_ok());
    }
}
