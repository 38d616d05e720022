//! From an accepted connection to one that HTTP is spoken over: the TLS handshake, where there is a certificate.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    reason::Reason,
    tls::{HandshakeError, TlsAcceptor},
    upstream::Stream,
};

/// What a client hears that speaks plain HTTP: it reads that, as it would not read an alert of TLS.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 100\r\n\
    Connection: close\r\n\
    \r\n\
    {\"detail\":\"This address speaks TLS: the URL starts with https:// or wss://.\",\"code\":\"bad_handshake\"}";

/// The stream to speak HTTP over; `None`: there is none. Holds out for as long as `patience`.
pub(super) async fn secure(tcp: TcpStream, tls: &TlsAcceptor, peer: SocketAddr, patience: Duration) -> Option<Stream> {
    match tls.accept(tcp, patience).await {
        Ok(stream) => Some(Stream::Tls(Box::new(stream))),
        Err(HandshakeError::PlainHttp(tcp)) => {
            tracing::info!(reason = %Reason::BadHandshake, client.address = %peer.ip(), "a client speaks HTTP without TLS");
            let _ = timeout(patience, tell(tcp)).await;
            None
        }
        Err(error) => {
            tracing::debug!(%error, client.address = %peer.ip(), "no TLS with a client");
            None
        }
    }
}

/// Reads until the client is gone, so that the answer is not lost to a reset.
async fn tell(mut tcp: TcpStream) -> std::io::Result<()> {
    tcp.write_all(PLAIN_HTTP).await?;
    tcp.shutdown().await?;
    let mut rest = [0; 512];
    while tcp.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plain_http_has_the_length_that_it_says() {
        let text = std::str::from_utf8(PLAIN_HTTP).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
