//! The counters behind DRF's throttle classes (Django REST framework 3.18, `rest_framework/throttling.py`,
//! `SimpleRateThrottle`).
//!
//! DRF keeps a pickled list of times in the cache, reads it, and writes it back, so that of several requests at once some
//! are not counted. Ours is another entry, under a name of its own beside DRF's, counted in one step: a view that is
//! served in part by Django and in part here has a rate for each.

mod in_process;
mod redis;

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;

use super::{CacheBackend, CacheOptions};
use crate::redis::{Redis, RedisError};

pub(crate) use in_process::InProcessThrottleStore;
use redis::RedisThrottleStore;

/// Where the requests of each caller are counted.
#[async_trait]
pub(crate) trait ThrottleStore: Send + Sync {
    /// Counts a request under `key`, such as `throttle_user_1`, unless `requests` of them were allowed in the `period`
    /// before `now`. Matches `SimpleRateThrottle.allow_request` and `wait`.
    ///
    /// # Errors
    ///
    /// [`ThrottleError`] if the counter did not answer: the caller decides which way.
    async fn allow(
        &self,
        key: &str,
        requests: u64,
        period: Duration,
        now: SystemTime,
    ) -> Result<Decision, ThrottleError>;
}

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) allowed: bool,
    /// What `wait()` says of a refused request, in seconds; `None` where it says nothing (the rate was lowered meanwhile).
    pub(crate) wait_seconds: Option<f64>,
}

/// The counter did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the throttle's counter did not answer")]
pub(crate) struct ThrottleError(#[from] RedisError);

/// The counters for `CACHES["default"]`: in its Redis; for other caches in this process's memory, where several processes
/// allow as many times the rate.
///
/// # Errors
///
/// A file of the TLS options that cannot be read.
pub(crate) fn open(options: &CacheOptions) -> io::Result<Arc<dyn ThrottleStore>> {
    match &options.backend {
        CacheBackend::DjangoRedis { redis, .. } | CacheBackend::DjangoRedisPackage { redis, .. } => {
            let redis = Redis::new(redis, options.timeout)?;
            Ok(Arc::new(RedisThrottleStore::new(redis, options.key.clone())))
        }
        CacheBackend::Database { .. } | CacheBackend::InProcess => Ok(Arc::new(InProcessThrottleStore::default())),
    }
}

impl Decision {
    const ALLOWED: Self = Self { allowed: true, wait_seconds: None };

    /// `wait()`, with `held` requests in the history, of which `oldest` is the first.
    #[expect(clippy::cast_precision_loss, reason = "Python counts in floats here as well")]
    fn refused(requests: u64, held: u64, period: Duration, oldest: Option<u64>, now: u64) -> Self {
        let period = period.as_secs_f64();
        let remaining = oldest.map_or(period, |oldest| period - (now as f64 - oldest as f64) / 1e6);
        let available = requests as f64 - held as f64 + 1.0;
        Self { allowed: false, wait_seconds: (available > 0.0).then(|| remaining / available) }
    }
}

/// Microseconds since 1970, as exact as Python's `time.time()`.
fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use uuid::Uuid;

    use super::{Decision, ThrottleStore, open};
    use crate::{
        cache::{CacheBackend, CacheOptions, KeyPattern},
        test_support::redis::Redis,
    };

    const MINUTE: Duration = Duration::from_mins(1);

    fn store(backend: CacheBackend) -> Arc<dyn ThrottleStore> {
        open(&CacheOptions { backend, key: KeyPattern::default(), timeout: Duration::from_secs(5) }).unwrap()
    }

    fn stores() -> [Arc<dyn ThrottleStore>; 2] {
        let redis = CacheBackend::DjangoRedis { redis: Redis::shared().options(), pickle_protocol: 5 };
        [store(CacheBackend::InProcess), store(redis)]
    }

    fn key() -> String {
        format!("throttle_user_{}", Uuid::new_v4())
    }

    fn at(seconds: f64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_434_576) + Duration::from_secs_f64(seconds)
    }

    fn refused(wait_seconds: f64) -> Decision {
        Decision { allowed: false, wait_seconds: Some(wait_seconds) }
    }

    #[tokio::test]
    async fn so_many_requests_are_allowed_in_each_period_that_ends_now() {
        for store in stores() {
            let key = key();
            let allow = async |seconds| store.allow(&key, 2, MINUTE, at(seconds)).await.unwrap();
            assert_eq!(allow(0.0).await, Decision::ALLOWED);
            assert_eq!(allow(10.0).await, Decision::ALLOWED);
            assert_eq!(allow(20.5).await, refused(39.5));
            // Refused requests are not counted.
            assert_eq!(allow(59.0).await, refused(1.0));
            // `history[-1] <= now - duration`.
            assert_eq!(allow(60.0).await, Decision::ALLOWED);
            assert_eq!(allow(60.0).await, refused(10.0));
            assert_eq!(allow(1000.0).await, Decision::ALLOWED);
        }
    }

    #[tokio::test]
    async fn callers_are_counted_each_for_itself() {
        for store in stores() {
            for key in [key(), key()] {
                assert_eq!(store.allow(&key, 1, MINUTE, at(0.0)).await.unwrap(), Decision::ALLOWED);
                assert_eq!(store.allow(&key, 1, MINUTE, at(0.0)).await.unwrap(), refused(60.0));
            }
        }
    }

    #[tokio::test]
    async fn a_rate_of_zero_allows_nothing_and_says_the_period() {
        for store in stores() {
            assert_eq!(store.allow(&key(), 0, MINUTE, at(0.0)).await.unwrap(), refused(60.0));
        }
    }

    #[tokio::test]
    async fn a_rate_that_was_lowered_meanwhile_gives_no_time_to_wait() {
        for store in stores() {
            let key = key();
            for second in 0..3 {
                store.allow(&key, 3, MINUTE, at(second.into())).await.unwrap();
            }
            let nothing = Decision { allowed: false, wait_seconds: None };
            assert_eq!(store.allow(&key, 1, MINUTE, at(3.0)).await.unwrap(), nothing);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_at_once_as_many_are_allowed_as_the_rate_says() {
        for store in stores() {
            let key: Arc<str> = key().into();
            let requests = (0..200).map(|_| {
                let (store, key) = (Arc::clone(&store), Arc::clone(&key));
                tokio::spawn(async move { store.allow(&key, 50, MINUTE, at(0.0)).await.unwrap().allowed })
            });
            let mut allowed = 0;
            for request in requests.collect::<Vec<_>>() {
                allowed += usize::from(request.await.unwrap());
            }
            assert_eq!(allowed, 50);
        }
    }

    #[tokio::test]
    async fn drfs_own_entry_is_left_alone_and_ours_expires_with_the_period() {
        let redis = Redis::shared();
        let [_, store] = stores();
        let key = key();
        redis.command(&["SET", &format!(":1:{key}"), "a pickled list"]);
        assert_eq!(store.allow(&key, 1, MINUTE, at(0.0)).await.unwrap(), Decision::ALLOWED);
        assert_eq!(redis.command(&["GET", &format!(":1:{key}")]), "a pickled list");
        assert_eq!(redis.command(&["TTL", &format!(":1:sluicegate_{key}")]), "60");
    }
}
