//! One query for many who ask for the same user at the same time, as where somebody's sockets all come back at once.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{MutexGuard, OnceCell},
    time::timeout,
};

use super::{User, UserId, UserStore, UserStoreError};
use crate::{
    database::Pool,
    metrics::{Count, Metrics},
    python::Value,
};

/// How long a query waits for the one before it. So a database that hangs costs nobody more than this beyond its time limit.
const PATIENCE: Duration = Duration::from_millis(100);

/// A [`UserStore`] in which those who ask for one user share a query that has not begun.
///
/// While a query runs, all who come wait for the next one. None of them is answered from before it asked: a user who is
/// deactivated is inactive for whoever asks after that, as in Django.
pub(crate) struct JoinedUsers {
    store: Arc<dyn UserStore>,
    metrics: Arc<Metrics>,
    by_claim: Lookups,
    by_ticket_value: Lookups,
}

impl JoinedUsers {
    pub(crate) fn new(store: Arc<dyn UserStore>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics, by_claim: Lookups::default(), by_ticket_value: Lookups::default() }
    }
}

#[async_trait]
impl UserStore for JoinedUsers {
    async fn by_claim(&self, claim: &Value) -> Result<Option<User>, UserStoreError> {
        self.by_claim.ask(claim, self.store.by_claim(claim), &self.metrics.lookups.of_tickets).await
    }

    async fn by_ticket_value(&self, value: &Value) -> Result<Option<User>, UserStoreError> {
        self.by_ticket_value.ask(value, self.store.by_ticket_value(value), &self.metrics.lookups.of_handshakes).await
    }

    async fn by_username(&self, username: &str) -> Result<Option<User>, UserStoreError> {
        self.store.by_username(username).await
    }

    async fn is_blacklisted(&self, jti: &str) -> Result<bool, UserStoreError> {
        self.store.is_blacklisted(jti).await
    }

    async fn by_ids(&self, ids: &[UserId]) -> Result<Vec<User>, UserStoreError> {
        self.store.by_ids(ids).await
    }

    fn finds_many_at_once(&self) -> bool {
        self.store.finds_many_at_once()
    }

    async fn blacklisted(&self, jtis: &[Box<str>]) -> Result<Vec<Box<str>>, UserStoreError> {
        self.store.blacklisted(jtis).await
    }

    async fn ping(&self) -> Result<(), UserStoreError> {
        self.store.ping().await
    }

    fn pool(&self) -> Option<Pool> {
        self.store.pool()
    }
}

/// The lookups by one field that are under way.
#[derive(Default)]
struct Lookups(Mutex<HashMap<UserId, Lane>>);

/// Those of one user.
#[derive(Default)]
struct Lane {
    /// Held by the query that runs.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The query that has not begun, which all who come now share.
    next: Option<Arc<Lookup>>,
    askers: usize,
}

/// One query, whose answer is for everybody in it.
type Lookup = OnceCell<Result<Option<User>, Failed>>;

impl Lookups {
    /// The answer of `query`, or of the one of somebody else who asks for the same. Counted in `joined` if the latter.
    async fn ask(
        &self,
        value: &Value,
        query: impl Future<Output = Result<Option<User>, UserStoreError>>,
        joined: &Count,
    ) -> Result<Option<User>, UserStoreError> {
        // Values that are no usual key are seldom, and each a query of its own.
        let Some(id) = usual_key(value) else { return query.await };
        let asker = self.join(id);
        let mut is_own = false;
        let answer = asker.lookup.get_or_init(|| async {
            let _turn = asker.turn().await;
            asker.begin();
            is_own = true;
            query.await.map_err(Failed::from)
        });
        let answer = answer.await.clone();
        if !is_own {
            joined.one();
        }
        answer.map_err(UserStoreError::from)
    }

    fn join(&self, id: UserId) -> Asker<'_> {
        self.with_lanes(|lanes| {
            let lane = lanes.entry(id.clone()).or_default();
            lane.askers += 1;
            let lookup = Arc::clone(lane.next.get_or_insert_default());
            Asker { lookups: self, id, lookup, turn: Arc::clone(&lane.turn) }
        })
    }

    fn with_lanes<T>(&self, change: impl FnOnce(&mut HashMap<UserId, Lane>) -> T) -> T {
        // Nothing panics while it is held.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One who asks. Whoever leads a query may leave: then the next one in it leads.
struct Asker<'a> {
    lookups: &'a Lookups,
    id: UserId,
    lookup: Arc<Lookup>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Asker<'_> {
    /// Waits until the query before has ended, but not for long.
    async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(_) => timeout(PATIENCE, self.turn.lock()).await.ok(),
        }
    }

    /// From now on nobody else joins.
    fn begin(&self) {
        self.lookups.with_lanes(|lanes| {
            if let Some(lane) = lanes.get_mut(&self.id) {
                lane.next.take_if(|next| Arc::ptr_eq(next, &self.lookup));
            }
        });
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        self.lookups.with_lanes(|lanes| {
            if let Some(lane) = lanes.get_mut(&self.id) {
                lane.askers -= 1;
                if lane.askers == 0 {
                    lanes.remove(&self.id);
                }
            }
        });
    }
}

/// A value that is the same for two who ask only if it is of one type.
fn usual_key(value: &Value) -> Option<UserId> {
    match value {
        Value::Int(number) => Some(UserId::Int(*number)),
        Value::Uuid(uuid) => Some(UserId::Uuid(*uuid)),
        Value::Str(text) => Some(UserId::Text(text.clone())),
        _ => None,
    }
}

/// A [`UserStoreError`] for many.
#[derive(Clone)]
enum Failed {
    Unconvertible,
    Unavailable(SharedCause),
    MultipleRows,
}

impl From<UserStoreError> for Failed {
    fn from(error: UserStoreError) -> Self {
        match error {
            UserStoreError::Unconvertible => Self::Unconvertible,
            UserStoreError::Unavailable(cause) => Self::Unavailable(SharedCause(cause.into())),
            UserStoreError::MultipleRows => Self::MultipleRows,
        }
    }
}

impl From<Failed> for UserStoreError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Unconvertible => Self::Unconvertible,
            Failed::Unavailable(cause) => Self::Unavailable(Box::new(cause)),
            Failed::MultipleRows => Self::MultipleRows,
        }
    }
}

/// Reads like the error in it.
#[derive(Clone, Debug)]
struct SharedCause(Arc<dyn Error + Send + Sync>);

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SharedCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use tokio::{task::JoinHandle, time::Instant};

    use super::*;
    use crate::{causes::with_causes, secret::Secret};

    /// A query takes so long. It sees what is there when it begins.
    const QUERY: Duration = Duration::from_millis(20);

    #[derive(Default)]
    struct SlowUsers {
        queries: AtomicUsize,
        is_deactivated: AtomicBool,
        is_down: AtomicBool,
        /// The database does not answer in time.
        hangs: AtomicBool,
    }

    #[async_trait]
    impl UserStore for SlowUsers {
        async fn by_claim(&self, claim: &Value) -> Result<Option<User>, UserStoreError> {
            self.by_ticket_value(claim).await
        }

        async fn by_ticket_value(&self, value: &Value) -> Result<Option<User>, UserStoreError> {
            self.queries.fetch_add(1, Ordering::SeqCst);
            let is_active = !self.is_deactivated.load(Ordering::SeqCst);
            let is_down = self.is_down.load(Ordering::SeqCst);
            let takes = if self.hangs.load(Ordering::SeqCst) { 50 * QUERY } else { QUERY };
            tokio::time::sleep(takes).await;
            if is_down {
                let cause = std::io::Error::other("the server closed the connection");
                return Err(UserStoreError::Unavailable(Box::new(cause)));
            }
            let Value::Int(id) = *value else { return Ok(None) };
            let (password, fields) = (Secret::new(""), Box::default());
            Ok(Some(User { id: UserId::Int(id), username: None, is_active, password, fields }))
        }

        async fn by_username(&self, _: &str) -> Result<Option<User>, UserStoreError> {
            Ok(None)
        }

        async fn is_blacklisted(&self, _: &str) -> Result<bool, UserStoreError> {
            Ok(false)
        }

        async fn ping(&self) -> Result<(), UserStoreError> {
            Ok(())
        }
    }

    type Asking = JoinHandle<Result<Option<User>, UserStoreError>>;

    #[derive(Clone)]
    struct Site {
        slow: Arc<SlowUsers>,
        users: Arc<JoinedUsers>,
        metrics: Arc<Metrics>,
    }

    impl Site {
        fn new() -> Self {
            let (slow, metrics) = (Arc::<SlowUsers>::default(), Arc::<Metrics>::default());
            let store: Arc<dyn UserStore> = Arc::<SlowUsers>::clone(&slow);
            Self { users: Arc::new(JoinedUsers::new(store, Arc::clone(&metrics))), slow, metrics }
        }

        /// One more handshake of this user, which has asked when this returns.
        async fn ask(&self, id: i64) -> Asking {
            let users = Arc::clone(&self.users);
            let asking = tokio::spawn(async move { users.by_ticket_value(&Value::Int(id)).await });
            tokio::task::yield_now().await;
            asking
        }

        fn queries(&self) -> usize {
            self.slow.queries.load(Ordering::SeqCst)
        }

        fn joined(&self) -> u64 {
            self.metrics.lookups.of_handshakes.get()
        }

        fn is_at_rest(&self) -> bool {
            [&self.users.by_claim, &self.users.by_ticket_value]
                .iter()
                .all(|lookups| lookups.0.lock().unwrap().is_empty())
        }
    }

    async fn is_active(asking: Asking) -> bool {
        asking.await.unwrap().unwrap().unwrap().is_active
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_one_user_is_two_queries() {
        let site = Site::new();
        let mut crowd = Vec::new();
        for _ in 0..1000 {
            crowd.push(site.ask(7).await);
        }
        let start = Instant::now();
        for asking in crowd {
            assert!(is_active(asking).await);
        }
        assert_eq!((site.queries(), site.joined(), start.elapsed()), (2, 998, 2 * QUERY));
        assert!(site.is_at_rest(), "no entry stays behind");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_answered_from_before_he_asked() {
        let site = Site::new();
        let before = site.ask(7).await;
        site.slow.is_deactivated.store(true, Ordering::SeqCst);
        let after = site.ask(7).await;
        assert!(is_active(before).await);
        assert!(!is_active(after).await);
        assert_eq!((site.queries(), site.joined()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn users_and_fields_do_not_wait_for_each_other() {
        let site = Site::new();
        let start = Instant::now();
        let crowd = [site.ask(1).await, site.ask(2).await, site.ask(3).await];
        assert!(site.users.by_claim(&Value::Int(1)).await.unwrap().is_some());
        for asking in crowd {
            assert!(is_active(asking).await);
        }
        assert_eq!((site.queries(), start.elapsed()), (4, QUERY));
        assert_eq!(site.metrics.lookups.of_tickets.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_not_taken_for_one_of_another_type() {
        let site = Site::new();
        let one = site.ask(1).await;
        let start = Instant::now();
        for value in [Value::Str("1".to_owned()), Value::Bool(true), Value::Float(1.0)] {
            assert!(site.users.by_ticket_value(&value).await.unwrap().is_none());
        }
        assert!(is_active(one).await);
        assert_eq!((site.queries(), site.joined(), start.elapsed()), (4, 0, 3 * QUERY));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leads_may_leave() {
        let site = Site::new();
        let (leading, second, third) = (site.ask(7).await, site.ask(7).await, site.ask(7).await);
        leading.abort();
        tokio::time::sleep(QUERY / 2).await;
        // It has begun for the third, too.
        assert_eq!(site.queries(), 2);
        second.abort();
        assert!(is_active(third).await);
        assert_eq!(site.queries(), 3);
        assert!(site.is_at_rest());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_for_one_query_share_its_error_and_the_next_one_asks_anew() {
        let site = Site::new();
        site.slow.is_down.store(true, Ordering::SeqCst);
        let crowd = [site.ask(7).await, site.ask(7).await, site.ask(7).await];
        for asking in crowd {
            let error = asking.await.unwrap().unwrap_err();
            let told = "the database did not answer the user query: the server closed the connection";
            assert_eq!(with_causes(&error), told);
        }
        assert_eq!((site.queries(), site.joined()), (2, 1));
        site.slow.is_down.store(false, Ordering::SeqCst);
        assert!(is_active(site.ask(7).await).await);
        assert_eq!(site.queries(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_hangs_delays_the_next_one_by_a_moment() {
        let site = Site::new();
        site.slow.hangs.store(true, Ordering::SeqCst);
        let hanging = site.ask(7).await;
        site.slow.hangs.store(false, Ordering::SeqCst);
        let start = Instant::now();
        let (second, third) = (site.ask(7).await, site.ask(7).await);
        assert!(is_active(second).await && is_active(third).await);
        assert_eq!((site.queries(), start.elapsed().as_millis()), (2, (PATIENCE + QUERY).as_millis()));
        assert!(is_active(hanging).await);
        assert!(site.is_at_rest());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn under_contention_everybody_is_answered() {
        let site = Site::new();
        let crowd = (0..3000_u32).map(|number| {
            let users = Arc::clone(&site.users);
            let patience = if number.is_multiple_of(7) { QUERY / 4 } else { Duration::from_mins(1) };
            let id = i64::from(number % 3);
            tokio::spawn(async move {
                let answer = timeout(patience, users.by_ticket_value(&Value::Int(id))).await;
                answer.is_err() || answer.is_ok_and(|user| user.unwrap().unwrap().id == UserId::Int(id))
            })
        });
        for asking in crowd.collect::<Vec<_>>() {
            assert!(asking.await.unwrap());
        }
        assert!(site.is_at_rest());
        assert!(site.queries() < 500, "{}", site.queries());
    }
}
