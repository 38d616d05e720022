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
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// `pid` and all below it: gunicorn and uvicorn serve from children.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while next < all.len() {
        let tasks = fs::read_dir(format!("/proc/{}/task", all[next])).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    all
}

/// CPU time so far, in microseconds.
fn cpu(pid: u32) -> f64 {
    family(pid)
        .iter()
        .map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
            let ticks: f64 = fields.get(11..13).map_or(0.0, |t| t.iter().filter_map(|x| x.parse::<f64>().ok()).sum());
            ticks * 10_000.0
        })
        .sum()
}

/// Resident memory, in KiB.
fn resident(pid: u32) -> f64 {
    family(pid)
        .iter()
        .map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            text.lines()
                .find_map(|line| line.strip_prefix("Pss:"))
                .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
                .unwrap_or(0.0)
        })
        .sum()
}

/// A connection from one of several loopback addresses, so that ports do not run out.
async fn connect(addr: SocketAddr, index: usize) -> TcpStream {
    let source = Ipv4Addr::new(127, 0, 1, u8::try_from(index % 200).expect("below 200") + 1);
    for attempt in 0..50 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(SocketAddr::from((source, 0))).expect("a loopback address");
        match socket.connect(addr).await {
            Ok(stream) => {
                stream.set_nodelay(true).expect("an option");
                return stream;
            }
            Err(error) if attempt == 49 => panic!("cannot connect: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    unreachable!()
}

/// Reads one answer: status and whole body.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.expect("an answer");
        assert!(read > 0, "the server closed: {}", String::from_utf8_lossy(buffer));
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let status = head[9..12].parse().expect("a status");
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |value| value.trim().parse::<usize>().expect("a length"));
            if buffer.len() >= end + 4 + length {
                return status;
            }
        }
    }
}

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

/// Puts `count` tickets for `user` into Redis as Django does, without the server's help.
async fn issue(redis: &str, count: usize, user: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(redis).await.expect("Redis");
    let tickets: Vec<String> = (0..count).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for chunk in tickets.chunks(500) {
        let commands: String = chunk.iter().map(|ticket| format!("SET :1:{ticket} {user} EX 600\r\n")).collect();
        stream.write_all(commands.as_bytes()).await.expect("sent");
        let mut answers = vec![0; chunk.len() * 5];
        stream.read_exact(&mut answers).await.expect("answers");
        assert!(answers.starts_with(b"+OK\r\n"));
    }
    tickets
}

async fn open(addr: SocketAddr, index: usize, target: &str) -> TcpStream {
    let mut stream = connect(addr, index).await;
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut buffer = Vec::with_capacity(1024);
    let status = answer(&mut stream, &mut buffer).await;
    assert_eq!(status, 101, "{}", String::from_utf8_lossy(&buffer));
    stream
}

/// A masked client frame.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).expect("short")),
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
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

fn chat(ticket: &str) -> String {
    format!("/ws/chat/lobby/?uuid={ticket}")
}

/// A socket for each target.
async fn open_many(addr: SocketAddr, targets: Vec<String>) -> Vec<TcpStream> {
    let targets = Arc::new(targets);
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (targets, next) = (targets.clone(), next.clone());
        tasks.spawn(async move {
            let mut opened = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(target) = targets.get(index) else { break opened };
                opened.push(open(addr, index, target).await);
            }
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
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
