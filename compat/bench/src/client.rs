//! The client's side: tickets, connections, handshakes, frames.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// A connection from one of several loopback addresses, so that ports do not run out.
pub async fn connect(addr: SocketAddr, index: usize) -> TcpStream {
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
pub async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
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

/// Puts `count` tickets for `user` into Redis as Django does, without the server's help.
pub async fn issue(redis: &str, count: usize, user: &str) -> Vec<String> {
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

pub async fn open(addr: SocketAddr, index: usize, target: &str) -> TcpStream {
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
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).expect("short")),
        medium @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(medium).expect("medium").to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

pub fn chat(ticket: &str) -> String {
    format!("/ws/chat/lobby/?uuid={ticket}")
}

/// A socket for each target.
pub async fn open_many(addr: SocketAddr, targets: Vec<String>) -> Vec<TcpStream> {
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
