//! One `group_send` to all members of a group: what it costs the server and Redis, and when it is there.
//!
//! ```text
//! fanout ADDR PID REDIS MEMBERS SECONDS LARGE_BYTES [PRODUCER ...]
//! ```
//!
//! `REDIS` has the tickets and the channel layer; `-`: there is none. `SECONDS`: how long each kind of sending takes, about.
//! `LARGE_BYTES`: how long the one event is that each member gets before memory is looked at again; 0: not done.
//! `PRODUCER`: a program that sends where a line `FIRST COUNT MILLISECONDS` tells it to. Prints one line of JSON.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bench::{
    client::{chat, issue, open_many},
    members::Members,
    redis_info::{RedisInfo, Work},
    server::{cpu, resident},
};
use serde_json::{Value, json};

/// The tutorial's message: a number, a time, and something to read.
const TEXT: usize = 100;
/// Messages that are on their way at a time where the server is to be saturated.
const WINDOW: usize = 8;
/// Sockets are opened so many at a time: those that are open answer pings in between.
const BATCH: usize = 500;
/// No message is sent sooner after another than so long for each member, in nanoseconds.
const PACE: u32 = 25_000;

struct Bench {
    addr: SocketAddr,
    pid: u32,
    tickets: Option<String>,
    redis: Option<RedisInfo>,
    members: Members,
    runtime: tokio::runtime::Runtime,
    /// What the server, and Redis, do in a second without messages.
    idle: (f64, Work),
}

/// What has been used up until now.
struct Spent {
    at: Instant,
    server: f64,
    load: f64,
    redis: Work,
}

impl Bench {
    fn open(&mut self, count: usize) -> Vec<tokio::net::TcpStream> {
        let (addr, tickets) = (self.addr, self.tickets.clone());
        self.runtime.block_on(async {
            let tickets = match tickets {
                Some(redis) => issue(&redis, count, "1").await,
                None => vec![String::new(); count],
            };
            open_many(addr, tickets.iter().map(|ticket| chat(ticket)).collect()).await
        })
    }

    fn join(&mut self, count: usize) {
        while self.members.len() < count {
            let batch = BATCH.min(count - self.members.len());
            for stream in self.open(batch) {
                self.members.add(stream.into_std().expect("a socket"));
            }
            self.members.step(Duration::ZERO);
        }
    }

    fn spent(&mut self) -> Spent {
        Spent {
            server: cpu(self.pid),
            load: cpu(std::process::id()),
            redis: self.redis.as_mut().map_or_else(Work::default, RedisInfo::work),
            at: Instant::now(),
        }
    }

    /// One message at a time, so long until the last member has it: the median of a few.
    fn warm_up(&mut self) -> Duration {
        self.members.begin();
        for count in 1..=3 {
            self.members.send(TEXT);
            self.members.await_messages(count, Duration::from_secs(30));
        }
        let mut last = self.members.tally.last();
        assert_eq!(
            last.len(),
            3,
            "messages arrive: {:?} closed, {:?} wrong",
            self.members.tally.closed,
            self.members.tally.wrong
        );
        last.sort_unstable();
        Duration::from_micros(last[1].into())
    }

    /// `count` messages by a member, one every `interval`.
    fn send_from_a_member(&mut self, count: usize, interval: Duration) {
        let mut next = Instant::now();
        for _ in 0..count {
            self.members.send(TEXT);
            next += interval;
            self.members.receive(next);
        }
    }

    /// The report on `count` messages that `send` sends.
    fn measure(&mut self, count: usize, send: impl FnOnce(&mut Self)) -> Value {
        self.members.begin();
        let before = self.spent();
        send(self);
        self.members.await_messages(count, Duration::from_secs(15));
        self.report(&before, count)
    }

    fn report(&mut self, before: &Spent, count: usize) -> Value {
        let after = self.spent();
        let seconds = (after.at - before.at).as_secs_f64();
        let tally = &self.members.tally;
        let (deliveries, messages) = (number(tally.deliveries()), number(count));
        let server = after.server - before.server;
        let redis = after.redis - &before.redis - &self.idle.1.clone().scaled(seconds);
        let mut report = json!({
            "messages": count,
            "per_second": deliveries / seconds,
            "cpu_us": (server - self.idle.0 * seconds) / deliveries,
            "p50_ms": quantile(&tally.latencies, 0.5),
            "p99_ms": quantile(&tally.latencies, 0.99),
            "last_ms": quantile(&tally.last(), 0.5),
            "slowest_ms": quantile(&tally.last(), 1.0),
            "lost": messages * number(self.members.len()) - deliveries,
            "disordered": tally.disordered,
            "wrong": tally.wrong,
            "closed": tally.closed,
            "server_busy": server / seconds / 1e6,
            "load_busy": (after.load - before.load) / seconds / 1e6,
        });
        if self.redis.is_some() {
            let redis = redis.scaled(1.0 / messages);
            report["redis_commands"] = redis.calls().into();
            report["redis_bytes_in"] = redis.bytes_in.into();
            report["redis_bytes_out"] = redis.bytes_out.into();
            report["redis_cpu_us"] = redis.cpu_us.into();
            report["redis_by_command"] = redis.commands.into_iter().filter(|(_, calls)| *calls >= 0.05).collect();
        }
        report
    }

    /// As many messages as go through, for about so long.
    fn saturate(&mut self, seconds: f64) -> Value {
        self.members.begin();
        let before = self.spent();
        let mut sent = 0;
        while before.at.elapsed().as_secs_f64() < seconds || sent < 2 * WINDOW {
            if sent - self.members.tally.complete(self.members.len()) < WINDOW {
                self.members.send(TEXT);
                sent += 1;
            } else {
                self.members.step(Duration::from_millis(10));
                assert!(before.at.elapsed().as_secs() < 300, "messages arrive");
            }
        }
        self.members.await_messages(sent, Duration::from_secs(15));
        self.report(&before, sent)
    }
}

/// The values' quantile, in milliseconds.
fn quantile(microseconds: &[u32], part: f64) -> f64 {
    let mut sorted = microseconds.to_vec();
    sorted.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the length")]
    let index = (number(sorted.len()) * part) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).map_or(f64::NAN, |value| f64::from(*value) / 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}

/// The program that sends as Django does. It ends when its input does.
struct Producer(Child);

impl Producer {
    /// Waits until it says that it is ready.
    fn start(command: &[String]) -> Self {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the producer starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        Self(child)
    }

    /// Has it send the next `count` messages, one every `interval`.
    fn send(&mut self, members: &mut Members, count: usize, interval: Duration) {
        let first = members.expect(count);
        let input = self.0.stdin.as_mut().expect("piped");
        writeln!(input, "{first} {count} {}", interval.as_secs_f64() * 1e3).expect("the producer listens");
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("the producer ends");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [addr, pid, redis, count, seconds, large, producer @ ..] = arguments.as_slice() else {
        panic!("see the source")
    };
    let (count, large): (usize, usize) = (count.parse().expect("a number"), large.parse().expect("a number"));
    let seconds: f64 = seconds.parse().expect("a number");
    let mut bench = Bench {
        addr: addr.parse().expect("an address"),
        pid: pid.parse().expect("a process id"),
        tickets: (redis != "-").then(|| redis.clone()),
        redis: (redis != "-").then(|| RedisInfo::connect(redis)),
        members: Members::default(),
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        idle: (0.0, Work::default()),
    };
    let second = || Instant::now() + Duration::from_secs(1);

    // A first few, so that pools, threads and code pages are there before the count begins.
    let warm = bench.open(100.min(count));
    drop(warm);
    bench.members.receive(second() + Duration::from_secs(1));
    let empty = resident(bench.pid);
    bench.join(count);
    bench.members.receive(second() + Duration::from_secs(2));
    let mut report = json!({ "members": count, "kib_idle": (resident(bench.pid) - empty) / number(count) });
    if large > 0 {
        bench.members.begin();
        bench.members.send(large);
        bench.members.await_messages(1, Duration::from_secs(60));
        assert_eq!(bench.members.tally.complete(count), 1, "the large event arrives");
        bench.members.receive(second() + Duration::from_secs(9));
        report["kib_after_large"] = ((resident(bench.pid) - empty) / number(count)).into();
    }

    let alone = bench.warm_up();
    let interval = (2 * alone).max(PACE / 1000 * u32::try_from(count).expect("few") * Duration::from_micros(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let messages = ((seconds / interval.as_secs_f64()) as usize).max(4);
    report["alone_ms"] = (alone.as_secs_f64() * 1e3).into();
    report["interval_ms"] = (interval.as_secs_f64() * 1e3).into();

    // Long enough for what the server does once every few seconds.
    let before = bench.spent();
    bench.members.receive(second() + Duration::from_secs(4));
    let after = bench.spent();
    let idle_seconds = (after.at - before.at).as_secs_f64();
    bench.idle.0 = (after.server - before.server) / idle_seconds;
    bench.idle.1 = (after.redis - &before.redis).scaled(1.0 / idle_seconds);

    report["client"] = bench.measure(messages, |bench| bench.send_from_a_member(messages, interval));
    if !producer.is_empty() {
        let mut producer = Producer::start(producer);
        for (kind, count) in [("django_first", 2), ("django", messages)] {
            report[kind] = bench.measure(count, |bench| producer.send(&mut bench.members, count, interval));
        }
    }
    report["saturated"] = bench.saturate(seconds);
    println!("{report}");
}
