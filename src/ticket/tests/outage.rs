use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{
    super::{TICKET_LIFETIME, Ticket, TicketStore},
    LIMIT, django, round_trip, store, unavailable,
};
use crate::{
    python::Value,
    redis::{RedisAddress, RedisTopology},
    test_support::{
        free_port,
        redis::{Redis, options, tcp},
    },
};

/// Tries until the store works again, and says how long that took.
async fn recovers(store: &dyn TicketStore) -> Duration {
    let started = Instant::now();
    while let Err(error) = round_trip(store).await {
        assert!(started.elapsed() < Duration::from_secs(10), "no recovery: {error:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    started.elapsed()
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_unavailable_at_once_and_named() {
    let port = free_port();
    let store = store(django(options(RedisTopology::Single(tcp(port, None)))));
    let started = Instant::now();
    let text = unavailable(store.redeem(Ticket::new()).await);
    assert!(started.elapsed() < LIMIT);
    assert!(
        text.starts_with(&format!("the cache did not answer: Redis at 127.0.0.1:{port}: cannot connect")),
        "{text}"
    );
    let socket = RedisAddress::Unix("/nowhere/redis.sock".into());
    let text = unavailable(super::store(django(options(RedisTopology::Single(socket)))).ping().await);
    assert!(text.contains("/nowhere/redis.sock"), "{text}");
}

#[tokio::test]
async fn a_killed_redis_is_found_again_after_its_restart() {
    let mut redis = Redis::start(&[]);
    let store = store(django(redis.options()));
    round_trip(&*store).await.unwrap();
    redis.kill();
    unavailable(store.redeem(Ticket::new()).await);
    redis.restart();
    assert!(recovers(&*store).await < Duration::from_secs(2));
}

#[tokio::test]
async fn a_restart_between_two_tickets_costs_none() {
    let mut redis = Redis::start(&[]);
    let store = store(django(redis.options()));
    round_trip(&*store).await.unwrap();
    redis.kill();
    redis.restart();
    // The end of the old connection is seen when it comes, not when it is next used.
    tokio::time::sleep(Duration::from_millis(50)).await;
    round_trip(&*store).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_redis_closed_for_idleness_costs_no_ticket() {
    let redis = Redis::start(&[]);
    let store = store(django(redis.options()));
    round_trip(&*store).await.unwrap();
    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    round_trip(&*store).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_stands_still_is_unavailable_within_the_limit_and_found_again() {
    let redis = Redis::start(&[]);
    let store = store(django(redis.options()));
    round_trip(&*store).await.unwrap();
    redis.pause();
    for _ in 0..2 {
        // First on the old connection, then in trying to make a new one.
        let started = Instant::now();
        let text = unavailable(store.redeem(Ticket::new()).await);
        assert!(started.elapsed() < LIMIT + Duration::from_millis(300), "{:?}", started.elapsed());
        assert!(text.contains("no answer within 1000 ms"), "{text}");
    }
    redis.resume();
    assert!(recovers(&*store).await < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_wait_for_a_silent_redis_do_not_pile_up_connections() {
    let redis = Redis::start(&[]);
    let store = store(django(redis.options()));
    redis.pause();
    let started = Instant::now();
    while started.elapsed() < 2 * LIMIT {
        let tries = (0..100).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.redeem(Ticket::new()).await })
        });
        for result in tries.collect::<Vec<_>>() {
            unavailable(result.await.unwrap());
        }
    }
    redis.resume();
    assert!(recovers(&*store).await < Duration::from_secs(3));
    // redis-cli's own, ours, and those of attempts that Redis has not closed yet.
    let clients = redis.command(&["CLIENT", "LIST"]).lines().count();
    assert!(clients <= 4, "{clients} connections");
}

#[tokio::test]
async fn a_redis_that_answers_late_still_keeps_one_entry_for_one_ticket() {
    let redis = Redis::start(&[]);
    let store = store(django(redis.options()));
    let ticket = Ticket::new();
    store.issue(ticket, &Value::Int(1), TICKET_LIFETIME).await.unwrap();
    redis.command(&["CLIENT", "PAUSE", "1500", "ALL"]);
    unavailable(store.redeem(ticket).await);
    recovers(&*store).await;
    // Redis may have executed the command whose answer nobody waited for: the ticket is gone or good, once.
    let first = store.redeem(ticket).await.unwrap();
    assert!(matches!(first, None | Some(Value::Int(1))), "{first:?}");
    assert_eq!(store.redeem(ticket).await.unwrap(), None);
}

#[tokio::test]
async fn a_primary_that_became_a_replica_is_left() {
    let (redis, other) = (Redis::start(&[]), Redis::start(&[]));
    let store = store(django(redis.options()));
    round_trip(&*store).await.unwrap();
    redis.command(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let text = unavailable(store.issue(Ticket::new(), &Value::Int(1), TICKET_LIFETIME).await);
    assert!(text.contains("READONLY"), "{text}");
    redis.command(&["REPLICAOF", "NO", "ONE"]);
    recovers(&*store).await;
}

/// Passes bytes on to `port`, and both ways ends with the first `GETDEL`, whose answer it keeps to itself.
async fn proxy_that_drops_answers(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(async move {
                let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
                loop {
                    tokio::select! {
                        Ok(length @ 1..) = client.read(&mut from_client) => {
                            server.write_all(&from_client[..length]).await.unwrap();
                            if from_client[..length].windows(6).any(|word| word == b"GETDEL") {
                                // Until Redis has executed it.
                                let _ = server.read(&mut from_server).await;
                                return;
                            }
                        }
                        Ok(length @ 1..) = server.read(&mut from_server) => {
                            client.write_all(&from_server[..length]).await.unwrap();
                        }
                        else => return,
                    }
                }
            });
        }
    });
    own
}

#[tokio::test]
async fn getdel_is_sent_once_even_where_its_answer_is_lost() {
    let redis = Redis::start(&[]);
    let port = proxy_that_drops_answers(redis.port()).await;
    let store = store(django(options(RedisTopology::Single(tcp(port, None)))));
    let ticket = Ticket::new();
    store.issue(ticket, &Value::Int(1), TICKET_LIFETIME).await.unwrap();
    let text = unavailable(store.redeem(ticket).await);
    assert!(text.contains("the connection was lost before the answer"), "{text}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let statistics = redis.command(&["INFO", "commandstats"]);
    assert!(statistics.contains("cmdstat_getdel:calls=1,"), "{statistics}");
}
