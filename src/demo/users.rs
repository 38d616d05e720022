//! The demo's users, in an embedded SQLite database with Django's tables.

use std::{path::Path, sync::Arc};

use uuid::Uuid;

use crate::{
    database::embedded,
    secret::Secret,
    user::{self, UserStore, UserTable},
};

/// Name, whether active, and what the page says of each.
pub(super) const USERS: [(&str, bool, &str); 4] = [
    ("alice", true, "an ordinary user"),
    ("bob", true, "somebody to chat with"),
    ("carol", true, "one more"),
    ("mallory", false, "is_active = False: gets no ticket"),
];

/// Where the page's users are looked up.
pub(super) struct DemoUsers {
    pub(super) store: Arc<dyn UserStore>,
}

/// A key of this run's own: the demo's tokens open nothing else, and nothing after it.
pub(super) fn signing_key() -> Secret {
    Secret::new(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
}

/// Creates the tables and the users, or takes those of an earlier run in `data_dir`.
pub(super) async fn create(data_dir: Option<&Path>) -> Result<DemoUsers, Box<dyn std::error::Error + Send + Sync>> {
    if let Some(folder) = data_dir {
        std::fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    }
    let pool = embedded::create(data_dir.map(|folder| folder.join("demo.sqlite3")).as_deref()).await?;
    let options = UserTable::stock(pool.engine()).options(pool.engine());
    let store = user::with_pool(&options, pool.clone())?;
    for (name, is_active, _) in USERS {
        if store.by_username(name).await?.is_none() {
            // An unusable password, as `User.set_unusable_password()` leaves it: nobody logs in with one here.
            let password = format!("!{}", Uuid::new_v4().simple());
            embedded::insert_user(&pool, name, &password, is_active).await?;
        }
    }
    Ok(DemoUsers { store })
}
