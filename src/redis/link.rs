//! One connection to one server, logged in.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, ProtocolVersion, RedisConnectionInfo, Value,
    aio::MultiplexedConnection,
};
use tokio::task::AbortHandle;

use super::{
    error::{Cause, RedisError},
    stream::Endpoint,
};
use crate::secret::Secret;

/// Commands that wait for the connection's task at once; more wait in line.
const QUEUE: usize = 256;

/// Who logs in, and to which database.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: i64,
}

impl Login {
    fn connection_info(&self, protocol: ProtocolVersion) -> RedisConnectionInfo {
        let mut info =
            RedisConnectionInfo::default().set_db(self.database).set_protocol(protocol).set_skip_set_lib_name();
        if let Some(username) = &self.username {
            info = info.set_username(username);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password.expose());
        }
        info
    }

    /// In the protocol that every Redis speaks.
    pub(super) fn resp2(&self) -> RedisConnectionInfo {
        self.connection_info(ProtocolVersion::RESP2)
    }
}

/// What takes a value out where Redis does not take `GETDEL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InsteadOfGetDel {
    /// `MULTI`, `GET`, `DEL`, `EXEC`: Redis before 6.2.
    Transaction,
    /// `GET` and `DEL`, as Django sends them: this user may send nothing else. One caller wins here as well, since `DEL`
    /// tells only one of them that it deleted something.
    Pair,
}

/// A connection that many tasks share: their commands go out as they come, and the answers come back in that order.
///
/// The redis crate's `MultiplexedConnection` sends a command once or not at all; repeating after a lost connection is
/// its `ConnectionManager`'s and its cluster client's work, and neither is used. A command whose caller has gone before
/// it went out is not sent.
pub(super) struct Link {
    pub(super) address: Arc<str>,
    pub(super) endpoint: Endpoint,
    pub(super) login: Login,
    connection: MultiplexedConnection,
    closed: Arc<AtomicBool>,
    pub(super) instead_of_getdel: OnceLock<InsteadOfGetDel>,
    driver: AbortHandle,
}

impl Link {
    /// Connects and logs in: `HELLO 3` as redis-py 8 does, and without it where Redis (before 6) does not know it.
    pub(super) async fn open(endpoint: &Endpoint, login: &Login) -> Result<Self, RedisError> {
        let address: Arc<str> = endpoint.name().into();
        let error = |cause| RedisError { address: Arc::clone(&address), cause };
        for protocol in [ProtocolVersion::RESP3, ProtocolVersion::RESP2] {
            let stream = endpoint.open().await.map_err(|error| Cause::Connect(Arc::new(error))).map_err(error)?;
            let info = login.connection_info(protocol);
            // The time limit is the caller's, over connecting and answering together.
            let config = AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(QUEUE);
            match MultiplexedConnection::new_with_config(&info, stream, config).await {
                Ok((connection, driver)) => {
                    let closed = Arc::new(AtomicBool::new(false));
                    let at_end = Arc::clone(&closed);
                    let driver = tokio::spawn(async move {
                        driver.await;
                        at_end.store(true, Ordering::Release);
                    });
                    let (driver, instead_of_getdel) = (driver.abort_handle(), OnceLock::new());
                    let (endpoint, login) = (endpoint.clone(), login.clone());
                    return Ok(Self { address, endpoint, login, connection, closed, instead_of_getdel, driver });
                }
                Err(refused) if is_unknown_command(&refused) => {}
                Err(refused) => return Err(error(setup_failure(&refused))),
            }
        }
        Err(error(Cause::Refused { command: "HELLO", code: "ERR".to_owned() }))
    }

    /// Whether the connection has ended. Seen when it happens, not at the next command: an idle connection that the
    /// server closed costs no handshake.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Sends `command` and waits for its answer.
    pub(super) async fn send<T: FromRedisValue>(&self, command: &Cmd, name: &'static str) -> Result<T, Cause> {
        self.answer(command).await.and_then(T::from_redis_value_or_error).map_err(|error| Cause::of(&error, name))
    }

    /// Sends the commands of `pipeline` in one write and waits for their answers.
    pub(super) async fn send_all<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
        name: &'static str,
    ) -> Result<T, Cause> {
        let mut connection = self.connection.clone();
        pipeline.query_async(&mut connection).await.map_err(|error| Cause::of(&error, name))
    }

    async fn answer(&self, command: &Cmd) -> redis::RedisResult<Value> {
        self.connection.clone().send_packed_command(command).await
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An answer's error among its values.
trait ValueOrError: Sized {
    fn from_redis_value_or_error(value: Value) -> redis::RedisResult<Self>;
}

impl<T: FromRedisValue> ValueOrError for T {
    fn from_redis_value_or_error(value: Value) -> redis::RedisResult<Self> {
        Ok(T::from_redis_value(value.extract_error()?)?)
    }
}

/// `HELLO` is not known: Redis before 6, or one where it was renamed away.
fn is_unknown_command(error: &redis::RedisError) -> bool {
    let unknown = error.detail().is_some_and(|detail| detail.starts_with("unknown command"));
    error.kind() == ErrorKind::RESP3NotSupported || (error.code() == Some("ERR") && unknown)
}

fn setup_failure(error: &redis::RedisError) -> Cause {
    match error.code() {
        Some(code @ ("WRONGPASS" | "NOAUTH" | "NOPERM")) => Cause::LoginRefused(code.to_owned()),
        // HELLO with AUTH, of which the texts differ between releases.
        _ if error.kind() == ErrorKind::AuthenticationFailed => Cause::LoginRefused("AUTH".to_owned()),
        Some(code) => Cause::Refused { command: "HELLO", code: code.to_owned() },
        None if error.is_io_error() => Cause::Lost,
        None => Cause::Unexpected { command: "HELLO" },
    }
}
