//! A database of our own, with Django's tables: for the demonstration and for tests.

use std::{path::Path, time::Duration};

use super::{Access, Bind, DatabaseError, DatabaseOptions, DatabaseServer, Pool, Prepared, Statement};

/// A SQLite database with the tables of `django.contrib.auth` and SimpleJWT's blacklist.
///
/// Without a `file` it is in memory, and gone with the last copy of the pool. A file that exists is brought up to date.
///
/// # Errors
///
/// [`DatabaseError`] if the file cannot be made or written.
pub(crate) async fn create(file: Option<&Path>) -> Result<Pool, DatabaseError> {
    let options = DatabaseOptions {
        server: DatabaseServer::Sqlite { file: file.map(Path::to_owned) },
        max_connections: 4,
        timeout: Duration::from_secs(3),
        prepared: Prepared::Auto,
    };
    let pool = Pool::new(&options, Access::Write)?;
    pool.migrate().await?;
    Ok(pool)
}

/// Adds a row to `auth_user`, as `User.objects.create()` would, and says its `id`.
///
/// # Errors
///
/// [`DatabaseError`] if the name is taken or the database cannot be written.
pub(crate) async fn insert_user(
    pool: &Pool,
    username: &str,
    password: &str,
    is_active: bool,
) -> Result<i64, DatabaseError> {
    let sql = "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, \
               is_active, date_joined) VALUES (%s, 0, %s, '', '', '', 0, %s, strftime('%%Y-%%m-%%d %%H:%%M:%%f', \
               'now')) RETURNING id";
    let statement = Statement::new(pool.engine(), sql).map_err(|error| pool.unusable(error))?;
    let rows = pool.fetch(&statement, &[Bind::Text(password), Bind::Text(username), Bind::Bool(is_active)]).await?;
    let id = rows.first().and_then(|row| row.int(0).transpose()).unwrap_or(Err(super::Unreadable(0)));
    id.map_err(|error| pool.unreadable(error))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::test_support::{Account, Folder};

    async fn names(pool: &Pool) -> Vec<String> {
        let sql = "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE %%' AND name NOT LIKE '\\_sqlx%%' ESCAPE '\\' \
                   AND name NOT LIKE 'sqlite%%'";
        let rows = pool.fetch(&Statement::new(pool.engine(), sql).unwrap(), &[]).await.unwrap();
        rows.iter().map(|row| row.text(0).unwrap().unwrap()).collect()
    }

    #[tokio::test]
    async fn the_tables_are_the_recorded_ones() {
        let pool = create(None).await.unwrap();
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/db-schema.json")).unwrap();
        let sql =
            Statement::new(pool.engine(), "SELECT sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL");
        let sql = sql.unwrap();
        for (table, ddl) in vector["ddl"]["sqlite default"].as_object().unwrap() {
            let rows = pool.fetch(&sql, &[Bind::Text(table)]).await.unwrap();
            let made = rows.iter().map(|row| row.text(0).unwrap().unwrap()).collect::<Vec<_>>();
            assert_eq!(serde_json::json!(made), *ddl, "{table}");
        }
        assert_eq!(names(&pool).await.len(), 22);
    }

    #[tokio::test]
    async fn a_file_is_made_once_and_kept() {
        let folder = Folder::new(Account::Own);
        let file = PathBuf::from(folder.file("demo.sqlite3"));
        let pool = create(Some(&file)).await.unwrap();
        assert_eq!(insert_user(&pool, "alice", "!", true).await.unwrap(), 1);
        drop(pool);
        let pool = create(Some(&file)).await.unwrap();
        assert!(insert_user(&pool, "alice", "!", true).await.is_err());
        assert_eq!(insert_user(&pool, "bob", "!", false).await.unwrap(), 2);
    }
}
