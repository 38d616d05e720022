use std::time::{Duration, Instant};

use super::{super::contract, django, round_trip, store, unavailable};
use crate::{
    redis::{RedisOptions, RedisTopology},
    secret::Secret,
    test_support::{
        free_port,
        redis::{Redis, Sentinel, by_sentinel, tcp},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_by_sentinel_even_where_some_sentinels_are_down() {
    let redis = Redis::start(&[]);
    let (sentinel, killed) = (Sentinel::start(&redis, ""), Sentinel::start(&redis, ""));
    killed.kill();
    let nobody = tcp(free_port(), None);
    contract::holds_for(store(django(by_sentinel(vec![nobody, killed.address(), sentinel.address()])))).await;
}

#[tokio::test]
async fn a_replica_takes_over_and_is_found_without_a_restart() {
    let primary = Redis::start(&[]);
    let replica = Redis::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
    let sentinel = Sentinel::start(&primary, "");
    sentinel.wait_for_replica();
    let store = store(django(by_sentinel(vec![sentinel.address()])));
    round_trip(&*store).await.unwrap();
    primary.kill();
    unavailable(round_trip(&*store).await);
    let started = Instant::now();
    while round_trip(&*store).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "no fail-over");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(replica.command(&["ROLE"]).lines().next(), Some("master"));
}

#[tokio::test]
async fn a_sentinel_that_still_names_the_old_primary_leads_nowhere() {
    let other = Redis::start(&[]);
    let demoted = Redis::start(&["--replicaof", &format!("127.0.0.1 {}", other.port())]);
    // It is told of the replica as if that were the primary, and has no time to find out.
    let sentinel = Sentinel::start(&demoted, "sentinel down-after-milliseconds mymaster 60000");
    let text = unavailable(round_trip(&*store(django(by_sentinel(vec![sentinel.address()])))).await);
    assert!(text.contains("it is a replica"), "{text}");
}

#[tokio::test]
async fn sentinels_and_primary_have_passwords_of_their_own() {
    let redis = Redis::start(&["--requirepass", "s3cret"]);
    let sentinel = Sentinel::start(&redis, "sentinel auth-pass mymaster s3cret\nrequirepass s4ntinel");
    let login = |password: &str, of_sentinel: &str| {
        let RedisOptions { topology: RedisTopology::Sentinel { sentinels, service, .. }, .. } =
            by_sentinel(vec![sentinel.address()])
        else {
            unreachable!()
        };
        let topology = RedisTopology::Sentinel {
            sentinels,
            service,
            sentinel_username: None,
            sentinel_password: Some(Secret::new(of_sentinel)),
            primary_tls: None,
        };
        RedisOptions { topology, username: None, password: Some(Secret::new(password)), database: 2 }
    };
    round_trip(&*store(django(login("s3cret", "s4ntinel")))).await.unwrap();
    for wrong in [login("wr0ng", "s4ntinel"), login("s3cret", "wr0ng")] {
        let text = unavailable(round_trip(&*store(django(wrong))).await);
        assert!(text.contains("the login was refused") && !text.contains("wr0ng"), "{text}");
    }
}

#[tokio::test]
async fn a_service_that_no_sentinel_knows_is_named() {
    let redis = Redis::start(&[]);
    let sentinel = Sentinel::start(&redis, "");
    let mut options = by_sentinel(vec![sentinel.address()]);
    if let RedisTopology::Sentinel { service, .. } = &mut options.topology {
        "another".clone_into(service);
    }
    let text = unavailable(round_trip(&*store(django(options))).await);
    assert!(text.contains("it does not know another"), "{text}");
}
