//! The keys of `JWK_URL`, kept as long as PyJWT keeps them.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};
use tracing::warn;

use super::{
    Algorithm, KeyError,
    jwk_set::{JwkKey, JwkSet},
    jwks_fetch::{JwksSource, JwksUrl},
    keys::VerifyingKey,
};

/// How long a fetched set is used. Matches PyJWT 2.15.1, `jwks_client.py`, `lifespan`.
const LIFESPAN: Duration = Duration::from_mins(5);

/// How long after a fetch an unknown `kid` does not cause another. Matches PyJWT, `cooldown_duration`.
const COOLDOWN: Duration = Duration::from_secs(30);

/// How long after a failed fetch no other is tried. PyJWT tries with every request, each of which then waits.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The same, while an older set serves on.
const RETRY_AFTER_WHILE_STALE: Duration = Duration::from_secs(10);

/// The signing keys behind `JWK_URL`.
pub(super) struct Jwks {
    source: Box<dyn JwksSource>,
    algorithm: Algorithm,
    /// How long a set is used beyond its lifespan if no newer one can be had.
    stale_for: Duration,
    state: RwLock<State>,
    /// Held while fetching: who waits for it finds the answer in `state`.
    fetching: Mutex<()>,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwks").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[derive(Clone, Default)]
struct State {
    /// The last good set, and when it was fetched.
    fetched: Option<(Arc<JwkSet>, Instant)>,
    /// When the last fetch failed, if it was after that.
    failed: Option<Instant>,
}

/// There is no set of keys: none could be fetched, and none from before may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unavailable;

/// What the keys at hand say.
enum Lookup {
    Known(Option<Arc<VerifyingKey>>),
    /// A fetch might tell.
    Unknown,
}

impl Jwks {
    pub(super) fn new(url: &str, algorithm: Algorithm, stale_for: Duration) -> Result<Self, KeyError> {
        Ok(Self::with_source(Box::new(JwksUrl::new(url)?), algorithm, stale_for))
    }

    pub(super) fn with_source(source: Box<dyn JwksSource>, algorithm: Algorithm, stale_for: Duration) -> Self {
        Self { source, algorithm, stale_for, state: RwLock::default(), fetching: Mutex::new(()) }
    }

    /// The key named `kid`; `None` if there is none, or none that fits the algorithm.
    ///
    /// Matches PyJWT, `jwks_client.py`, `PyJWKClient.get_signing_key`: an unknown name causes a fetch, but not within
    /// 30 s of the last. Unlike there, a set that cannot be renewed serves on for `stale_for`.
    pub(super) async fn key(&self, kid: &str) -> Result<Option<Arc<VerifyingKey>>, Unavailable> {
        if let Lookup::Known(key) = self.state().look_up(kid) {
            return Ok(key);
        }
        let fetching = self.fetching.lock().await;
        // Someone else may have fetched in the meantime.
        let state = self.state();
        if let Lookup::Known(key) = state.look_up(kid) {
            return Ok(key);
        }
        if state.may_fetch() {
            self.fetch().await;
        }
        drop(fetching);
        let (set, fetched) = self.state().fetched.ok_or(Unavailable)?;
        if fetched.elapsed() > LIFESPAN + self.stale_for {
            return Err(Unavailable);
        }
        Ok(set.find(kid).and_then(JwkKey::verifies))
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch(&self) {
        let document = self.source.fetch().await.map_err(|error| Box::new(error) as Box<dyn std::error::Error>);
        let set = document.and_then(|document| Ok(JwkSet::parse(&document, self.algorithm)?));
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match set {
            Ok(set) => *state = State { fetched: Some((Arc::new(set), Instant::now())), failed: None },
            Err(error) => {
                warn!(
                    error = crate::causes::with_causes(error.as_ref()),
                    serves_on = state.fetched.is_some(),
                    "JWK_URL gave no keys"
                );
                state.failed = Some(Instant::now());
            }
        }
    }
}

impl State {
    fn look_up(&self, kid: &str) -> Lookup {
        let Some((set, fetched)) = &self.fetched else { return Lookup::Unknown };
        if fetched.elapsed() > LIFESPAN {
            return Lookup::Unknown;
        }
        match set.find(kid) {
            Some(key) => Lookup::Known(key.verifies()),
            None if set.is_empty() || fetched.elapsed() < COOLDOWN => Lookup::Known(None),
            None => Lookup::Unknown,
        }
    }

    fn may_fetch(&self) -> bool {
        let pause = if self.fetched.is_some() { RETRY_AFTER_WHILE_STALE } else { RETRY_AFTER };
        self.failed.is_none_or(|failed| failed.elapsed() >= pause)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::Mutex as StdMutex,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use async_trait::async_trait;
    use bytes::Bytes;
    use tokio::time::advance;

    use super::{super::jwks_fetch::FetchError, *};

    const DAY: Duration = Duration::from_hours(24);

    /// Gives the answers in turn, the last again and again; each takes a second.
    #[derive(Default)]
    struct Script {
        answers: StdMutex<VecDeque<Option<String>>>,
        fetches: AtomicUsize,
    }

    impl Script {
        fn then(&self, kids: Option<&[&str]>) {
            let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
            let document = kids.map(|kids| {
                let keys: Vec<_> = kids
                    .iter()
                    .map(|kid| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"{kid}"}}"#))
                    .collect();
                format!("{{\"keys\":[{}]}}", keys.join(","))
            });
            let mut answers = self.answers.lock().unwrap();
            answers.clear();
            answers.push_back(document);
        }

        fn fetches(&self) -> usize {
            self.fetches.swap(0, Ordering::Relaxed)
        }
    }

    #[async_trait]
    impl JwksSource for Arc<Script> {
        async fn fetch(&self) -> Result<Bytes, FetchError> {
            self.fetches.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let answer = self.answers.lock().unwrap().front().cloned().flatten();
            answer.map(Bytes::from).ok_or(FetchError::Timeout)
        }
    }

    fn jwks(kids: Option<&[&str]>) -> (Arc<Script>, Arc<Jwks>) {
        let script = Arc::new(Script::default());
        script.then(kids);
        let jwks = Jwks::with_source(Box::new(Arc::clone(&script)), Algorithm::EdDsa, DAY);
        (script, Arc::new(jwks))
    }

    async fn has(jwks: &Jwks, kid: &str) -> Result<bool, Unavailable> {
        jwks.key(kid).await.map(|key| key.is_some())
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_is_used_for_300_seconds() {
        let (script, jwks) = jwks(Some(&["a"]));
        assert_eq!(has(&jwks, "a").await, Ok(true));
        advance(LIFESPAN).await;
        assert_eq!(has(&jwks, "a").await, Ok(true));
        assert_eq!(script.fetches(), 1);
        advance(Duration::from_secs(1)).await;
        script.then(Some(&["b"]));
        assert_eq!(has(&jwks, "a").await, Ok(false));
        assert_eq!(script.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_kid_fetches_once_in_30_seconds() {
        let (script, jwks) = jwks(Some(&["a"]));
        assert_eq!(has(&jwks, "a").await, Ok(true));
        script.then(Some(&["b"]));
        advance(Duration::from_secs(29)).await;
        assert_eq!(has(&jwks, "b").await, Ok(false));
        assert_eq!(script.fetches(), 1);
        advance(Duration::from_secs(1)).await;
        assert_eq!(has(&jwks, "b").await, Ok(true));
        assert_eq!(has(&jwks, "a").await, Ok(false));
        assert_eq!(script.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_at_the_same_time_share_a_fetch() {
        let (script, jwks) = jwks(Some(&["a"]));
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let jwks = Arc::clone(&jwks);
                tokio::spawn(async move { has(&jwks, "a").await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(true));
        }
        assert_eq!(script.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_set_serves_on_for_the_stated_time() {
        let (script, jwks) = jwks(Some(&["a"]));
        assert_eq!(has(&jwks, "a").await, Ok(true));
        script.then(None);
        advance(LIFESPAN + Duration::from_secs(1)).await;
        assert_eq!(has(&jwks, "a").await, Ok(true));
        assert_eq!(has(&jwks, "b").await, Ok(false));
        assert_eq!(script.fetches(), 2, "one good, one failed, none within the pause");
        advance(RETRY_AFTER_WHILE_STALE).await;
        assert_eq!(has(&jwks, "a").await, Ok(true));
        assert_eq!(script.fetches(), 1);
        advance(DAY).await;
        assert_eq!(has(&jwks, "a").await, Err(Unavailable));
        script.then(Some(&["a"]));
        advance(RETRY_AFTER_WHILE_STALE).await;
        assert_eq!(has(&jwks, "a").await, Ok(true));
    }

    #[tokio::test(start_paused = true)]
    async fn without_any_set_the_keys_are_unavailable_and_fetched_again_soon() {
        let (script, jwks) = jwks(None);
        assert_eq!(has(&jwks, "a").await, Err(Unavailable));
        assert_eq!(has(&jwks, "a").await, Err(Unavailable));
        assert_eq!(script.fetches(), 1);
        advance(RETRY_AFTER).await;
        script.then(Some(&["a"]));
        assert_eq!(has(&jwks, "a").await, Ok(true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_fetch_for_an_unknown_kid_keeps_the_set() {
        let (script, jwks) = jwks(Some(&["a"]));
        assert_eq!(has(&jwks, "a").await, Ok(true));
        script.then(None);
        advance(COOLDOWN).await;
        assert_eq!(has(&jwks, "b").await, Ok(false));
        assert_eq!(has(&jwks, "a").await, Ok(true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_without_signing_keys_is_not_fetched_again() {
        let (script, jwks) = jwks(Some(&[""]));
        assert_eq!(has(&jwks, "a").await, Ok(false));
        advance(COOLDOWN).await;
        assert_eq!(has(&jwks, "a").await, Ok(false));
        assert_eq!(script.fetches(), 1);
    }
}
