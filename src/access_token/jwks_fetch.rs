//! One GET of `JWK_URL`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use super::KeyError;

/// For the whole of it; PyJWT waits 30 s, with the request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// Where a JWKS comes from.
#[async_trait]
pub(super) trait JwksSource: Send + Sync {
    /// The document, as it is now.
    async fn fetch(&self) -> Result<Bytes, FetchError>;
}

/// The document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("status {0}")]
    Status(u16),
    #[error("the request failed")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// `JWK_URL` over HTTP or HTTPS, by the system's certificates.
/// Matches PyJWT 2.15.1, `jwks_client.py`, `PyJWKClient.fetch_data`: redirects are not followed.
pub(super) struct JwksUrl {
    uri: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl JwksUrl {
    pub(super) fn new(url: &str) -> Result<Self, KeyError> {
        let uri: Uri = url.parse().map_err(|_| KeyError::JwkUrl)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| KeyError::RootCertificates(error.to_string()))?;
        let builder = match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => {
                builder.with_native_roots().map_err(|error| KeyError::RootCertificates(error.to_string()))?
            }
            (Some("http"), Some(_)) => builder.with_root_certificates(RootCertStore::empty()),
            _ => return Err(KeyError::JwkUrl),
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(builder.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .build();
        // One request in minutes: a connection kept would be a stale one.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { uri, client })
    }

    async fn get(&self) -> Result<Bytes, FetchError> {
        let request = Request::get(self.uri.clone())
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::USER_AGENT, concat!("sluicegate/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .body(Empty::new())
            .map_err(|error| FetchError::Request(error.into()))?;
        let response = self.client.request(request).await.map_err(|error| FetchError::Request(error.into()))?;
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(FetchError::Request)?;
        Ok(body.to_bytes())
    }
}

#[async_trait]
impl JwksSource for JwksUrl {
    async fn fetch(&self) -> Result<Bytes, FetchError> {
        tokio::time::timeout(TIMEOUT, self.get()).await.map_err(|_| FetchError::Timeout)?
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A server that gives `answer` to one request; what it was asked comes back.
    async fn serve(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json?a=1", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = socket.read(&mut request).await.unwrap();
            let _ = socket.write_all(&answer).await;
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (url, server)
    }

    async fn fetch(answer: &[u8]) -> Result<Bytes, FetchError> {
        let (url, _server) = serve(answer.to_vec()).await;
        JwksUrl::new(&url).unwrap().fetch().await
    }

    #[tokio::test]
    async fn the_document_is_fetched_by_a_plain_get() {
        let (url, server) = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()).await;
        assert_eq!(JwksUrl::new(&url).unwrap().fetch().await.unwrap(), "{}");
        let request = server.await.unwrap();
        assert!(request.starts_with("GET /jwks.json?a=1 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("accept-encoding: identity\r\n"), "{request}");
    }

    #[tokio::test]
    async fn anything_but_success_is_an_error_and_redirects_are_not_followed() {
        for (answer, status) in [
            ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", 500),
            ("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", 302),
        ] {
            assert!(matches!(fetch(answer.as_bytes()).await, Err(FetchError::Status(code)) if code == status));
        }
        assert!(matches!(fetch(b"").await, Err(FetchError::Request(_))));
    }

    #[tokio::test]
    async fn an_answer_without_end_is_an_error() {
        let answer = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &vec![b' '; MAX_BODY + 1]].concat();
        assert!(matches!(fetch(&answer).await, Err(FetchError::Request(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_a_time_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        assert!(matches!(JwksUrl::new(&url).unwrap().fetch().await, Err(FetchError::Timeout)));
    }

    #[test]
    fn only_http_and_https_urls_are_taken() {
        for url in ["", "/jwks", "ftp://a/", "file:///etc/passwd", "a b"] {
            assert_eq!(JwksUrl::new(url).err(), Some(KeyError::JwkUrl), "{url}");
        }
    }
}
