//! The yardstick of the fan-out: nothing but a loop that writes the same encoded frame to every socket, so that what the
//! kernel does for a delivery is known.
//!
//! `broadcast ADDR`: each message of a client goes to all, as the tutorial's consumer sends it.

use std::{
    io::ErrorKind,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};

/// The accept key of `dGhlIHNhbXBsZSBub25jZQ==`, the key that the load sends.
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

type Members = Arc<Mutex<Vec<Arc<TcpStream>>>>;

/// Reads the client's frames to their end, in a buffer that is there only while one is.
async fn serve(stream: Arc<TcpStream>, members: Members) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        stream.readable().await?;
        let mut buffer = [0; 4096];
        match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        while let Some((whole, payload)) = first_frame(&bytes) {
            if bytes[0] & 0x0f == 8 {
                return Ok(());
            }
            let frame = server_frame(payload);
            bytes.drain(..whole);
            let all = members.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for member in all {
                write(&member, &frame).await?;
            }
        }
        if bytes.is_empty() {
            bytes = Vec::new();
        }
    }
}

async fn write(stream: &TcpStream, mut frame: &[u8]) -> std::io::Result<()> {
    while !frame.is_empty() {
        match stream.try_write(frame) {
            Ok(written) => frame = &frame[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            // The client is gone; its own task sees to that.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// The length of the first frame and its payload, if all of it is there. The load's mask is zero.
fn first_frame(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, length) = match bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let whole = head + 4 + length;
    Some((whole, bytes.get(head + 4..whole)?))
}

fn server_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match payload.len() {
        short @ 0..=125 => frame.push(u8::try_from(short).expect("short")),
        medium @ 126..=0xffff => {
            frame.push(126);
            frame.extend(u16::try_from(medium).expect("medium").to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

async fn greet(mut stream: TcpStream, members: Members) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::with_capacity(1024);
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    drop(request);
    write(&stream, SWITCHING).await?;
    let stream = Arc::new(stream);
    members.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&stream));
    let ended = Box::pin(serve(Arc::clone(&stream), Arc::clone(&members))).await;
    members.lock().unwrap_or_else(PoisonError::into_inner).retain(|member| !Arc::ptr_eq(member, &stream));
    ended
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let address = std::env::args().nth(1).expect("an address");
    let listener = TcpListener::bind(address).await.expect("a free address");
    let members = Members::default();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(greet(stream, Arc::clone(&members)));
    }
}
