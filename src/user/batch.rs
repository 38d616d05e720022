//! One statement for many users: that of one, with `IN (...)` in place of `=`.
//!
//! So whatever Django put into it holds for the many as for the one: a manager that hides rows, a parent table, a quoted
//! schema. Only where the comparison stands as Django writes it is the text changed; any other statement is run for each
//! user alone.

use std::time::Duration;

use super::{Parameter, UserQuery};
use crate::database::{Bind, DatabaseError, Engine, Pool, Row, Slot, Statement};

/// The most keys in one statement: below what each engine takes.
pub(super) const MOST: usize = 1000;
/// So many keys are in a statement, the last one repeated to fill it: a database keeps few prepared statements.
const SIZES: [usize; 4] = [1, 10, 100, MOST];
/// Between two statements, where each user is asked for alone: some 200 a second.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// A statement in several sizes.
#[derive(Debug)]
pub(super) struct Batch(Vec<(usize, Statement)>);

impl Batch {
    /// `query`, which finds one row, for all rows that any of the keys finds. `None`: its text does not allow it.
    pub(super) fn of_rows(engine: Engine, query: &UserQuery) -> Option<Self> {
        // `QuerySet.get` asks for 21 rows at most.
        let sql = query.sql.strip_suffix(" LIMIT 21")?;
        if sql.contains(" LIMIT ") { None } else { Self::new(engine, sql, &query.params) }
    }

    /// `query`, which asks whether there is such a row, for several keys: whether there is one for any of them.
    pub(super) fn of_any(engine: Engine, query: &UserQuery) -> Option<Self> {
        Self::new(engine, &query.sql, &query.params)
    }

    fn new(engine: Engine, sql: &str, params: &[Parameter]) -> Option<Self> {
        // Over a window, one row's values depend on the others.
        let has_window = sql.to_ascii_uppercase().contains(" OVER (");
        let sentinels = params.iter().filter(|parameter| **parameter == Parameter::Sentinel).count();
        if has_window || sentinels != 1 {
            return None;
        }
        let position = params.iter().position(|parameter| *parameter == Parameter::Sentinel)?;
        let offset = placeholders(sql).nth(position)?;
        let before = sql[..offset].strip_suffix(" = ")?;
        let after = &sql[offset + "%s".len()..];
        let is_column = before.ends_with(['"', '`']);
        if !is_column || !(after.is_empty() || after.starts_with([' ', ')'])) {
            return None;
        }
        let of_size = |size: usize| {
            let places = vec!["%s"; size].join(", ");
            let sql = format!("{before} IN ({places}){after}");
            let slots = params.iter().enumerate().flat_map(|(index, parameter)| {
                let places = if index == position { size } else { 1 };
                (0..places).map(move |place| match parameter {
                    Parameter::Sentinel => Slot::Bind(place),
                    Parameter::Bool(flag) => Slot::Constant(Bind::Bool(*flag)),
                    Parameter::Int(number) => Slot::Constant(Bind::Int(*number)),
                    Parameter::Text(text) => Slot::Constant(Bind::Text(text)),
                    Parameter::Null => Slot::Constant(Bind::Null),
                })
            });
            let slots = slots.collect::<Vec<_>>();
            Statement::with_slots(engine, &sql, &slots).ok().map(|statement| (size, statement))
        };
        SIZES.into_iter().map(of_size).collect::<Option<Vec<_>>>().map(Self)
    }

    /// The rows for `keys`, of which there are no more than [`MOST`].
    pub(super) async fn fetch(&self, pool: &Pool, keys: &[Bind<'_>]) -> Result<Vec<Row>, DatabaseError> {
        let fitting = self.0.iter().find(|(size, _)| *size >= keys.len()).or(self.0.last());
        let (Some((size, statement)), Some(last)) = (fitting, keys.last()) else { return Ok(Vec::new()) };
        let mut keys = keys.to_vec();
        keys.resize(*size, *last);
        pool.fetch(statement, &keys).await
    }
}

/// Where the placeholders stand.
fn placeholders(sql: &str) -> impl Iterator<Item = usize> {
    let mut bytes = sql.bytes().enumerate();
    std::iter::from_fn(move || {
        while let Some((index, byte)) = bytes.next() {
            if byte == b'%'
                && let Some((_, b's')) = bytes.next()
            {
                return Some(index);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::FieldKind;

    fn query(sql: &str, params: Vec<Parameter>) -> UserQuery {
        UserQuery { sql: sql.to_owned(), params, columns: vec![], lookup: FieldKind::Text, id: FieldKind::Text }
    }

    /// The statement for three keys, as text.
    fn widened(sql: &str, params: Vec<Parameter>) -> Option<String> {
        let batch = Batch::of_rows(Engine::Sqlite, &query(sql, params))?;
        let (size, statement) = &batch.0[1];
        let keys: Vec<_> = (0..*size).map(|key| Bind::Int(i64::try_from(key).unwrap().min(2))).collect();
        Some(statement.literal(&keys).replace(", 2".repeat(7).as_str(), ""))
    }

    #[test]
    fn a_comparison_becomes_a_list_and_the_rest_stays() {
        let params = || vec![Parameter::Text("100%".into()), Parameter::Sentinel, Parameter::Bool(false)];
        assert_eq!(
            widened("SELECT \"a%%s\" FROM t WHERE (x = %s AND \"t\".\"id\" = %s AND NOT y = %s) LIMIT 21", params())
                .unwrap(),
            "SELECT \"a%s\" FROM t WHERE (x = '100%' AND \"t\".\"id\" IN (0, 1, 2) AND NOT y = 0)"
        );
    }

    #[test]
    fn any_other_comparison_is_left_alone() {
        let of = |sql: &str| widened(sql, vec![Parameter::Sentinel]);
        assert!(of("SELECT 1 FROM t WHERE \"id\" = %s LIMIT 21").is_some());
        for sql in [
            "SELECT 1 FROM t WHERE \"id\" = %s",
            "SELECT 1 FROM t WHERE \"id\" = %s::uuid LIMIT 21",
            "SELECT 1 FROM t WHERE \"id\" = UPPER(%s) LIMIT 21",
            "SELECT 1 FROM t WHERE \"id\" LIKE %s LIMIT 21",
            "SELECT 1 FROM t WHERE UPPER(\"id\") = %s LIMIT 21",
            "SELECT 1 FROM (SELECT 1 FROM t LIMIT 5) WHERE \"id\" = %s LIMIT 21",
            "SELECT ROW_NUMBER() OVER (ORDER BY x) FROM t WHERE \"id\" = %s LIMIT 21",
        ] {
            assert_eq!(of(sql), None, "{sql}");
        }
        let twice = widened("SELECT \"x\" = %s FROM t WHERE \"id\" = %s LIMIT 21", vec![Parameter::Sentinel; 2]);
        assert_eq!(twice, None);
    }
}
