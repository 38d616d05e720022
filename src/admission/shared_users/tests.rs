use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep},
};

use super::{Counted, HasEnough, SharedUsers, SharedUsersOptions};
use crate::{cache::KeyPattern, test_support::redis::Redis, user::UserId};

const ADA: UserId = UserId::Int(7);

/// A process.
struct Process {
    users: Arc<SharedUsers>,
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Process {
    async fn start(options: SharedUsersOptions) -> Self {
        let users = Arc::new(SharedUsers::default());
        users.set(Some(options));
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(Arc::clone(&users).run(ended));
        until(|| users.lock().is_running).await;
        Self { users, end: Some(end), task }
    }

    async fn open(&self, user: &UserId, most: usize) -> Result<Counted, HasEnough> {
        self.users.count(user, most).await
    }

    async fn stop(mut self) {
        drop(self.end.take());
        (&mut self.task).await.unwrap();
    }

    /// As by `kill -9`.
    fn kill(self) {
        self.task.abort();
    }
}

async fn until(what: impl Fn() -> bool) {
    let since = Instant::now();
    while !what() {
        assert!(since.elapsed() < Duration::from_secs(20), "it did not come about");
        sleep(Duration::from_millis(5)).await;
    }
}

fn options(redis: &Redis, prefix: &str, lease: Duration) -> SharedUsersOptions {
    let key = KeyPattern { prefix: prefix.to_owned(), ..KeyPattern::default() };
    SharedUsersOptions { redis: redis.options(), key, timeout: Duration::from_secs(2), lease }
}

const LONG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn sockets_of_all_processes_count_together_and_are_given_back() {
    let redis = Redis::shared();
    let prefix = "shared-users-together";
    let (one, other) =
        (Process::start(options(redis, prefix, LONG)).await, Process::start(options(redis, prefix, LONG)).await);
    let first = one.open(&ADA, 2).await.unwrap();
    let second = other.open(&ADA, 2).await.unwrap();
    assert_eq!(one.open(&ADA, 2).await.unwrap_err(), HasEnough);
    assert_eq!(other.open(&ADA, 2).await.unwrap_err(), HasEnough);
    assert!(other.open(&UserId::Text("ada lovelace".to_owned()), 1).await.is_ok(), "another user");
    drop(first);
    let since = Instant::now();
    let third = loop {
        match other.open(&ADA, 2).await {
            Ok(socket) => break socket,
            Err(HasEnough) => assert!(since.elapsed() < Duration::from_secs(5), "nobody was told"),
        }
    };
    drop((second, third));
    one.stop().await;
    other.stop().await;
    assert_eq!(redis.command(&["KEYS", &format!("{prefix}*")]), "", "nothing is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_crowd_as_many_come_in_as_there_may_be() {
    let redis = Redis::shared();
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(Arc::new(Process::start(options(redis, "shared-users-crowd", LONG)).await));
    }
    let mut crowd = JoinSet::new();
    for number in 0..900 {
        let process = Arc::clone(&processes[number % 3]);
        let user = UserId::Int(i64::try_from(number % 30 / 3).unwrap());
        crowd.spawn(async move { (user.clone(), process.open(&user, 10).await) });
    }
    let mut sockets: HashMap<UserId, Vec<Counted>> = HashMap::new();
    while let Some(opened) = crowd.join_next().await {
        let (user, opened) = opened.unwrap();
        sockets.entry(user).or_default().extend(opened.ok());
    }
    let counts = sockets.values().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(counts, [10; 10]);
    drop(sockets);
    until(|| redis.command(&["KEYS", "shared-users-crowd:1:sluicegate.users.*"]).is_empty()).await;
}

#[tokio::test]
async fn sockets_of_a_killed_process_count_until_its_lease_ends() {
    let redis = Redis::shared();
    let short = Duration::from_millis(600);
    let killed = Process::start(options(redis, "shared-users-kill", short)).await;
    let other = Process::start(options(redis, "shared-users-kill", short)).await;
    let _socket = killed.open(&ADA, 1).await.unwrap();
    // Longer than the lease: it is renewed.
    sleep(short * 2).await;
    assert_eq!(other.open(&ADA, 1).await.unwrap_err(), HasEnough);
    killed.kill();
    sleep(short * 2).await;
    assert!(other.open(&ADA, 1).await.is_ok());
}

#[tokio::test]
async fn what_redis_forgot_is_written_again() {
    let redis = Redis::start(&[]);
    let lease = Duration::from_millis(300);
    let one = Process::start(options(&redis, "", lease)).await;
    let other = Process::start(options(&redis, "", lease)).await;
    let _socket = one.open(&ADA, 1).await.unwrap();
    redis.command(&["FLUSHALL"]);
    until(|| !redis.command(&["KEYS", ":1:sluicegate.users.*"]).is_empty()).await;
    assert_eq!(other.open(&ADA, 1).await.unwrap_err(), HasEnough);
}

#[tokio::test]
async fn without_redis_a_process_counts_alone_and_later_together_again() {
    let mut redis = Redis::start(&[]);
    let lease = Duration::from_millis(300);
    let one = Process::start(options(&redis, "", lease)).await;
    let other = Process::start(options(&redis, "", lease)).await;
    let before = one.open(&ADA, 2).await.unwrap();
    redis.kill();
    let during = other.open(&ADA, 1).await.unwrap();
    assert!(other.users.alone() >= 1 && one.users.alone() == 0);
    redis.restart();
    until(|| redis.command(&["KEYS", ":1:sluicegate.users.*"]).lines().count() == 2).await;
    assert_eq!(one.open(&ADA, 2).await.unwrap_err(), HasEnough);
    drop((before, during));
}

#[tokio::test]
async fn where_it_is_off_nobody_is_refused_here() {
    let users = Arc::new(SharedUsers::default());
    assert!(users.count(&ADA, 0).await.is_ok());
}
