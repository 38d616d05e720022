//! The load, in a process of its own. It reads the server's CPU time and memory from /proc and prints one line of JSON.
//!
//! ```text
//! load tickets    ADDR PID TOKEN  CONNECTIONS REQUESTS
//! load handshakes ADDR PID REDIS  CONNECTIONS HANDSHAKES USER_ID
//! load sockets    ADDR PID REDIS  SOCKETS     FRAME_BYTES USER_ID
//! load requests   ADDR PID PATH   CONNECTIONS REQUESTS
//! load frames     ADDR PID PATH   SOCKETS     FRAMES
//! ```

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bench::{
    client::{answer, chat, connect, frame, issue, open, open_many},
    server::{cpu, resident},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn ticket_request(token: &str) -> String {
    format!(
        "GET /api/auth/auth_for_ws_connection/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: */*\r\n\r\n"
    )
}

/// Sends `request` again and again over several connections; how long each answer took, in microseconds.
async fn requests(addr: SocketAddr, request: String, connections: usize, requests: usize) -> Vec<u64> {
    let request = Arc::new(request);
    let left = Arc::new(AtomicUsize::new(requests));
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..connections {
        let (request, left) = (request.clone(), left.clone());
        tasks.spawn(async move {
            let mut stream = connect(addr, index).await;
            let mut buffer = Vec::with_capacity(4096);
            let mut took = Vec::new();
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                let begun = Instant::now();
                stream.write_all(request.as_bytes()).await.expect("sent");
                let status = answer(&mut stream, &mut buffer).await;
                took.push(microseconds(begun));
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(&buffer));
            }
            took
        });
    }
    tasks.join_all().await.concat()
}

fn microseconds(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).expect("less than an age")
}

/// Sockets that each send a frame of 100 bytes and wait for its echo, `frames` in all; how long each echo took.
async fn frames(streams: Vec<TcpStream>, frames: usize) -> (Vec<TcpStream>, Vec<u64>) {
    let left = Arc::new(AtomicUsize::new(frames));
    let mut tasks = tokio::task::JoinSet::new();
    for mut stream in streams {
        let left = left.clone();
        tasks.spawn(async move {
            let sent = frame(1, &[b'x'; 100]);
            let mut echo = [0; 102];
            let mut took = Vec::new();
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                let begun = Instant::now();
                stream.write_all(&sent).await.expect("sent");
                loop {
                    stream.read_exact(&mut echo[..2]).await.expect("a frame");
                    let length = usize::from(echo[1]);
                    stream.read_exact(&mut echo[2..2 + length]).await.expect("a frame");
                    // A proxy may ask whether we are there.
                    if echo[0] != 0x89 {
                        break;
                    }
                }
                took.push(microseconds(begun));
                assert_eq!(&echo[..3], &[0x81, 100, b'x'], "an echo");
            }
            (stream, took)
        });
    }
    let (streams, took): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
    (streams, took.concat())
}

async fn handshakes(addr: SocketAddr, tickets: Vec<String>, connections: usize) {
    let tickets = Arc::new(tickets);
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (tickets, next) = (tickets.clone(), next.clone());
        tasks.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(ticket) = tickets.get(index) else { break };
                let mut stream = open(addr, index, &chat(ticket)).await;
                stream.write_all(&frame(8, &1000_u16.to_be_bytes())).await.expect("sent");
                let mut rest = [0; 64];
                while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, addr, pid, source, first, second, rest @ ..] = arguments.as_slice() else { panic!("see the source") };
    let addr: SocketAddr = addr.parse().expect("an address");
    let pid: u32 = pid.parse().expect("a process id");
    let (first, second): (usize, usize) = (first.parse().expect("a number"), second.parse().expect("a number"));
    let report = match mode.as_str() {
        "tickets" => {
            requests(addr, ticket_request(source), first, second / 10).await;
            let (begun, before) = (Instant::now(), cpu(pid));
            requests(addr, ticket_request(source), first, second).await;
            per_operation(begun, before, pid, second)
        }
        "handshakes" => {
            let warm = issue(source, second / 10, &rest[0]).await;
            handshakes(addr, warm, first).await;
            let all = issue(source, second, &rest[0]).await;
            let (begun, before) = (Instant::now(), cpu(pid));
            handshakes(addr, all, first).await;
            per_operation(begun, before, pid, second)
        }
        "sockets" => {
            // A first few, so that pools, threads and code pages are there before the count begins.
            drop(open_many(addr, issue(source, 100, &rest[0]).await.iter().map(|ticket| chat(ticket)).collect()).await);
            tokio::time::sleep(Duration::from_secs(2)).await;
            let empty = resident(pid);
            let targets = issue(source, first, &rest[0]).await.iter().map(|ticket| chat(ticket)).collect();
            let mut streams = open_many(addr, targets).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            let idle = resident(pid);
            let payload = frame(1, &vec![b'x'; second]);
            for stream in &mut streams {
                stream.write_all(&payload).await.expect("sent");
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
            let after = resident(pid);
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let count = first as f64;
            serde_json::json!({
                "sockets": first, "kib_idle": (idle - empty) / count, "kib_after_traffic": (after - empty) / count,
            })
        }
        "requests" => {
            let request = format!("GET {source} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
            requests(addr, request.clone(), first, second / 10).await;
            let (begun, before) = (Instant::now(), cpu(pid));
            let took = requests(addr, request, first, second).await;
            with_latency(per_operation(begun, before, pid, second), took)
        }
        "frames" => {
            drop(open_many(addr, vec![source.clone(); 100]).await);
            tokio::time::sleep(Duration::from_secs(2)).await;
            let empty = resident(pid);
            let streams = open_many(addr, vec![source.clone(); first]).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let kib_idle = (resident(pid) - empty) / first as f64;
            let (streams, _) = frames(streams, second / 10).await;
            let (begun, before) = (Instant::now(), cpu(pid));
            let (streams, took) = frames(streams, second).await;
            // Each echo is two frames that the proxy passes on.
            let mut report = with_latency(per_operation(begun, before, pid, 2 * second), took);
            report["kib_idle"] = kib_idle.into();
            drop(streams);
            report
        }
        other => panic!("no such mode: {other}"),
    };
    println!("{report}");
}

/// Adds the median and the 99th percentile, in microseconds.
fn with_latency(mut report: serde_json::Value, mut took: Vec<u64>) -> serde_json::Value {
    took.sort_unstable();
    report["p50_us"] = took[took.len() / 2].into();
    report["p99_us"] = took[took.len() * 99 / 100].into();
    report
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per_operation(begun: Instant, before: f64, pid: u32, count: usize) -> serde_json::Value {
    let seconds = begun.elapsed().as_secs_f64();
    serde_json::json!({
        "operations": count,
        "per_second": count as f64 / seconds,
        "cpu_us": (cpu(pid) - before) / count as f64,
    })
}
