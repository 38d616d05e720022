//! The rows that Django's `DatabaseCache` wrote (`tests/vectors/tickets-other-caches.json`).

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::super::database::Clock;
use crate::{cache::pickle, database::Engine};

/// Caches of the recording that tickets are not kept in here: files, memcached, and those without a store to look into.
const OTHERS: [&str; 4] = ["FileBasedCache", "PyMemcacheCache", "LocMemCache", "DummyCache"];

#[test]
fn rows_are_those_of_django() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/tickets-other-caches.json");
    let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in vectors["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let Some(rest) = name.strip_prefix("DatabaseCache ") else {
            assert!(OTHERS.iter().any(|other| name.starts_with(other)), "{name}");
            continue;
        };
        let (engine, fraction) = match rest {
            _ if rest.contains("postgres") => (Engine::Postgres, ""),
            _ if rest.contains("mysql") => (Engine::MySql, ".000000"),
            _ => (Engine::Sqlite, ""),
        };

        let value = case["row"]["value"].as_str().unwrap();
        let read = pickle::loads(&BASE64.decode(value).unwrap()).unwrap();
        assert_eq!(BASE64.encode(pickle::dumps(&read, pickle::HIGHEST_PROTOCOL).unwrap()), value, "{name}");
        assert_eq!(crate::python::repr(&read).unwrap(), case["user_id_python"].as_str().unwrap(), "{name}");

        let settings = &case["settings"];
        let zone = if settings["USE_TZ"] == false { settings["TIME_ZONE"].as_str() } else { None };
        let clock = Clock::new(engine, zone).unwrap();
        let issued = case["unix_time_of_issue_about"].as_f64().unwrap();
        // The recording's clock was read shortly before or after Django's.
        let expected = [-1, 0, 1].map(|shift| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(issued + 600.0 + f64::from(shift));
            clock.second(time)
        });
        let expires = case["row"]["expires"].as_str().unwrap().trim_end_matches(fraction).to_owned();
        assert!(expected.contains(&expires), "{name}: {expires} is none of {expected:?}");
    }
}
