//! Users in the project's database.

use async_trait::async_trait;

use super::{
    ActiveFlag, FieldKind, Parameter, User, UserField, UserId, UserOptions, UserQuery, UserStore, UserStoreError,
    batch::{self, Batch},
    conversion::{self, Key},
    fields,
};
use crate::{
    causes::with_causes,
    database::{Bind, DatabaseError, Pool, Problem, Row, Slot, Statement, StatementError, Unreadable},
    python::Value,
    secret::Secret,
};

/// Looks users up with the statements that Django would send. Keeps no row: a user deactivated now is inactive now.
pub(super) struct SqlUserStore {
    pool: Pool,
    by_id: Lookup,
    /// The same for many users at once; `None` where the statement does not allow it.
    by_ids: Option<Batch>,
    by_user_id_field: Lookup,
    by_username: Option<Lookup>,
    blacklist: Option<Statement>,
    /// The same for many ids at once.
    blacklist_many: Option<Batch>,
    /// Of the answers to `by_id`.
    fields: Vec<UserField>,
}

/// One statement, and where its answer's columns are.
struct Lookup {
    statement: Statement,
    kind: FieldKind,
    id_kind: FieldKind,
    is_active: ActiveFlag,
    columns: Columns,
}

#[derive(Clone, Copy)]
struct Columns {
    id: usize,
    username: Option<usize>,
    is_active: Option<usize>,
    password: Option<usize>,
}

/// Why users cannot be looked up at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserOpenError {
    /// A statement is not one that can be run.
    #[error("the statement {0} of the user model cannot be used")]
    Statement(&'static str, #[source] StatementError),
    /// A statement does not select what is needed.
    #[error("the statement {statement} of the user model does not select the column {column}")]
    Column { statement: &'static str, column: &'static str },
    /// The database does not answer, or refuses the statements.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl SqlUserStore {
    pub(super) fn new(options: &UserOptions, pool: Pool) -> Result<Self, UserOpenError> {
        let lookup = |name, query| Lookup::new(&pool, name, query, options.is_active);
        Ok(Self {
            by_id: lookup("by_id", &options.by_id)?,
            by_ids: Batch::of_rows(pool.engine(), &options.by_id),
            by_user_id_field: lookup("by_user_id_field", &options.by_user_id_field)?,
            by_username: options.by_username.as_ref().map(|query| lookup("by_username", query)).transpose()?,
            blacklist: options.blacklist.as_ref().map(|query| statement(&pool, "blacklist", query)).transpose()?,
            blacklist_many: options.blacklist.as_ref().and_then(|query| Batch::of_any(pool.engine(), query)),
            fields: options.fields.clone(),
            pool,
        })
    }

    /// Runs every statement once, so that a wrong password, table or column shows at the start.
    pub(super) async fn try_once(&mut self) -> Result<(), DatabaseError> {
        for lookup in [&self.by_id, &self.by_user_id_field].into_iter().chain(&self.by_username) {
            self.pool.fetch(&lookup.statement, &[lookup.any_key()]).await?;
        }
        if let Some(statement) = &self.blacklist {
            self.pool.fetch(statement, &[Bind::Text("")]).await?;
        }
        // Where the database takes the one, but not the other, each user is asked for alone.
        if let Some(batch) = &self.by_ids
            && let Err(error) = batch.fetch(&self.pool, &[self.by_id.any_key()]).await
            && error.problem() == Problem::Refused
        {
            tracing::warn!(error = with_causes(&error), "many users cannot be looked up by one statement");
            self.by_ids = None;
        }
        Ok(())
    }

    async fn find(&self, lookup: &Lookup, key: &Key<'_>) -> Result<Option<User>, UserStoreError> {
        self.find_with(lookup, key, &[]).await
    }

    async fn find_with(
        &self,
        lookup: &Lookup,
        key: &Key<'_>,
        fields: &[UserField],
    ) -> Result<Option<User>, UserStoreError> {
        let rows = self.pool.fetch(&lookup.statement, &[key.bind()]).await.map_err(unavailable)?;
        match rows.as_slice() {
            [] => Ok(None),
            [row] => {
                let user = lookup.user(&self.pool, row)?;
                let fields = fields::read(fields, row).map_err(|error| unavailable(self.pool.unreadable(error)))?;
                Ok(Some(User { fields, ..user }))
            }
            _ => Err(UserStoreError::MultipleRows),
        }
    }
}

#[async_trait]
impl UserStore for SqlUserStore {
    async fn by_claim(&self, claim: &Value) -> Result<Option<User>, UserStoreError> {
        let lookup = &self.by_user_id_field;
        match conversion::key(self.pool.engine(), lookup.kind, claim)? {
            Some(key) => self.find(lookup, &key).await,
            None => Ok(None),
        }
    }

    async fn by_ticket_value(&self, value: &Value) -> Result<Option<User>, UserStoreError> {
        match conversion::key(self.pool.engine(), self.by_id.kind, value)? {
            Some(key) => self.find_with(&self.by_id, &key, &self.fields).await,
            None => Ok(None),
        }
    }

    async fn by_username(&self, username: &str) -> Result<Option<User>, UserStoreError> {
        let Some(lookup) = &self.by_username else { return Ok(None) };
        self.find(lookup, &conversion::text_key(self.pool.engine(), username.into())?).await
    }

    async fn is_blacklisted(&self, jti: &str) -> Result<bool, UserStoreError> {
        let Some(statement) = &self.blacklist else { return Ok(false) };
        let key = conversion::text_key(self.pool.engine(), jti.into())?;
        let rows = self.pool.fetch(statement, &[key.bind()]).await.map_err(unavailable)?;
        Ok(!rows.is_empty())
    }

    /// Matches `User.objects.filter(id__in=ids)`, with the statement of `by_id`.
    async fn by_ids(&self, ids: &[UserId]) -> Result<Vec<User>, UserStoreError> {
        let values = ids.iter().map(Value::from).collect::<Vec<_>>();
        let (engine, kind) = (self.pool.engine(), self.by_id.kind);
        let keys = values.iter().filter_map(|value| conversion::key(engine, kind, value).transpose());
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let mut users = Vec::with_capacity(keys.len());
        if let Some(batch) = &self.by_ids {
            for keys in keys.chunks(batch::MOST) {
                let binds = keys.iter().map(Key::bind).collect::<Vec<_>>();
                for row in &batch.fetch(&self.pool, &binds).await.map_err(unavailable)? {
                    users.push(self.by_id.user(&self.pool, row)?);
                }
            }
            return Ok(users);
        }
        for key in &keys {
            match self.find(&self.by_id, key).await {
                Ok(user) => users.extend(user),
                Err(UserStoreError::MultipleRows) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(batch::PAUSE).await;
        }
        Ok(users)
    }

    fn finds_many_at_once(&self) -> bool {
        self.by_ids.is_some()
    }

    /// One statement says whether there is any among them, so that the usual answer, none, is a single one.
    async fn blacklisted(&self, jtis: &[Box<str>]) -> Result<Vec<Box<str>>, UserStoreError> {
        let mut listed = Vec::new();
        let Some(batch) = &self.blacklist_many else {
            for jti in jtis {
                if self.is_blacklisted(jti).await? {
                    listed.push(jti.clone());
                }
                tokio::time::sleep(batch::PAUSE).await;
            }
            return Ok(listed);
        };
        let mut open = jtis.chunks(batch::MOST).collect::<Vec<_>>();
        while let Some(part) = open.pop() {
            let keys = part.iter().map(|jti| conversion::text_key(self.pool.engine(), (&**jti).into()));
            let keys = keys.collect::<Result<Vec<_>, _>>()?;
            let binds = keys.iter().map(Key::bind).collect::<Vec<_>>();
            if batch.fetch(&self.pool, &binds).await.map_err(unavailable)?.is_empty() {
                continue;
            }
            match part {
                [jti] => listed.push(jti.clone()),
                _ => open.extend(part.chunks(part.len().div_ceil(10))),
            }
        }
        Ok(listed)
    }

    async fn ping(&self) -> Result<(), UserStoreError> {
        self.pool.ping().await.map_err(unavailable)
    }

    fn pool(&self) -> Option<Pool> {
        Some(self.pool.clone())
    }
}

impl Lookup {
    fn new(pool: &Pool, name: &'static str, query: &UserQuery, is_active: ActiveFlag) -> Result<Self, UserOpenError> {
        let position = |column: &str| query.columns.iter().position(|name| name == column);
        let missing = |column| UserOpenError::Column { statement: name, column };
        let columns = Columns {
            id: position("id").ok_or_else(|| missing("id"))?,
            username: position("username"),
            is_active: position("is_active"),
            password: position("password"),
        };
        if is_active == ActiveFlag::Column && columns.is_active.is_none() {
            return Err(missing("is_active"));
        }
        let statement = statement(pool, name, query)?;
        Ok(Self { statement, kind: query.lookup, id_kind: query.id, is_active, columns })
    }

    /// A key of the right type.
    const fn any_key(&self) -> Bind<'static> {
        match self.kind {
            FieldKind::Integer { .. } => Bind::Int(0),
            FieldKind::Uuid => Bind::Uuid(uuid::Uuid::nil()),
            FieldKind::UuidHex | FieldKind::Text => Bind::Text(""),
        }
    }

    fn user(&self, pool: &Pool, row: &Row) -> Result<User, UserStoreError> {
        let unreadable = |error| unavailable(pool.unreadable(error));
        let text = |column: Option<usize>| column.map_or(Ok(None), |column| row.text(column)).map_err(unreadable);
        let id = match self.id_kind {
            FieldKind::Integer { .. } => row.int(self.columns.id).map(|id| id.map(UserId::Int)),
            FieldKind::Uuid | FieldKind::UuidHex => row.uuid(self.columns.id).map(|id| id.map(UserId::Uuid)),
            FieldKind::Text => row.text(self.columns.id).map(|id| id.map(UserId::Text)),
        };
        let id = id.and_then(|id| id.ok_or(Unreadable(self.columns.id))).map_err(unreadable)?;
        let is_active = match (self.is_active, self.columns.is_active) {
            (ActiveFlag::Always(flag), _) => flag,
            // Null is falsy.
            (ActiveFlag::Column, Some(column)) => row.bool(column).map_err(unreadable)?.unwrap_or(false),
            (ActiveFlag::Column, None) => false,
        };
        Ok(User {
            id,
            username: text(self.columns.username)?,
            is_active,
            password: Secret::new(text(self.columns.password)?.unwrap_or_default()),
            fields: Box::default(),
        })
    }
}

fn statement(pool: &Pool, name: &'static str, query: &UserQuery) -> Result<Statement, UserOpenError> {
    let slots = query.params.iter().map(|parameter| match parameter {
        Parameter::Sentinel => Slot::Bind(0),
        Parameter::Bool(flag) => Slot::Constant(Bind::Bool(*flag)),
        Parameter::Int(number) => Slot::Constant(Bind::Int(*number)),
        Parameter::Text(text) => Slot::Constant(Bind::Text(text)),
        Parameter::Null => Slot::Constant(Bind::Null),
    });
    let slots = slots.collect::<Vec<_>>();
    Statement::with_slots(pool.engine(), &query.sql, &slots).map_err(|error| UserOpenError::Statement(name, error))
}

fn unavailable(error: DatabaseError) -> UserStoreError {
    UserStoreError::Unavailable(Box::new(error))
}
