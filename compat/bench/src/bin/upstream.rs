//! What stands behind the proxies: answers every request with 1 KiB, and echoes every frame of every socket, at as
//! little cost as can be.
//!
//! `upstream ADDR`

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The accept key of `dGhlIHNhbXBsZSBub25jZQ==`, the key that `load` sends.
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let body = "x".repeat(1024);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n{body}");
    let mut buffer = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        while let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            buffer.drain(..end + 4);
            if head.contains("\r\nupgrade: websocket") {
                stream.write_all(SWITCHING).await?;
                return echo(stream, buffer).await;
            }
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// Sends each short frame back, unmasked. Pings and pongs are frames like any other; a close ends it.
async fn echo(mut stream: TcpStream, mut buffer: Vec<u8>) -> std::io::Result<()> {
    let mut out = Vec::with_capacity(256);
    loop {
        let mut used = 0;
        out.clear();
        while let Some((length, frame)) = whole_frame(&buffer[used..]) {
            out.extend_from_slice(&[frame[0], frame[1] & 0x7f]);
            let mask = &frame[2..6];
            out.extend(frame[6..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            used += length;
        }
        buffer.drain(..used);
        if !out.is_empty() {
            stream.write_all(&out).await?;
            if out[0] & 0x0f == 8 {
                return Ok(());
            }
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// The first frame, if all of it is there. None is longer than 125 bytes here.
fn whole_frame(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let length = usize::from(bytes.get(1)? & 0x7f);
    assert!(length <= 125, "the load sends short frames");
    bytes.get(..6 + length).map(|frame| (frame.len(), frame))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let address = std::env::args().nth(1).expect("an address");
    let listener = TcpListener::bind(address).await.expect("a free address");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(serve(stream));
    }
}
