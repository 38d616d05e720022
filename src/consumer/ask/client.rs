//! The way to the views: one POST.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use super::failure::AskFailed;
use crate::upstream::{PassError, Upstream};

/// The longest answer that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// As of the connections to `[upstream]`: what is sent while a server closes an idle connection is lost.
const IDLE: Duration = Duration::from_millis(1500);

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Where a view is, and how it is reached.
pub(super) enum View {
    /// A path on `[upstream]`.
    Upstream(Arc<Upstream>, Uri),
    /// A whole URL.
    Url(Https, Uri),
}

impl View {
    /// The view at `path` of `upstream`.
    ///
    /// # Errors
    ///
    /// A sentence about a path that is none.
    pub(super) fn on_upstream(upstream: Arc<Upstream>, path: &str) -> Result<Self, String> {
        let uri: Uri = path.parse().map_err(|_| format!("{path:?} is no path of a URL"))?;
        if !path.starts_with('/') || uri.authority().is_some() {
            return Err(format!("{path:?} is no path of a URL"));
        }
        Ok(Self::Upstream(upstream, uri))
    }

    /// The view at `url`, whose certificate is checked by the system's certificates.
    ///
    /// # Errors
    ///
    /// A sentence about a URL that is none, or certificates that cannot be read.
    pub(super) fn at(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| format!("{url:?} is no URL"))?;
        let certificates = |error: &dyn Error| format!("the system's certificates cannot be read: {error}");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| certificates(&error))?;
        let builder = match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => builder.with_native_roots().map_err(|error| certificates(&error))?,
            (Some("http"), Some(_)) => builder.with_root_certificates(RootCertStore::empty()),
            _ => return Err(format!("{url:?} is neither a path nor a URL of http:// or https://")),
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(builder.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self::Url(client, uri))
    }

    /// Posts `body`, once. The answer's body; `None` where it is 204.
    ///
    /// # Errors
    ///
    /// [`AskFailed`]; nothing limits the time.
    pub(super) async fn post(&self, headers: HeaderMap, body: String) -> Result<Option<Bytes>, AskFailed> {
        let body = Bytes::from(body);
        match self {
            Self::Upstream(upstream, uri) => {
                let answer = upstream.post(uri, headers, body).await;
                let (answer, _busy) = answer.map_err(|error| match error {
                    PassError::Unavailable(error) => AskFailed::Unreachable(error),
                    error => AskFailed::Broken(error.into()),
                })?;
                read(answer).await
            }
            Self::Url(client, uri) => {
                let mut request = Request::new(Full::new(body));
                *request.method_mut() = http::Method::POST;
                *request.uri_mut() = uri.clone();
                *request.headers_mut() = headers;
                let answer = client.request(request).await.map_err(|error| {
                    if error.is_connect() {
                        AskFailed::Unreachable(error.into())
                    } else {
                        AskFailed::Broken(error.into())
                    }
                })?;
                read(answer).await
            }
        }
    }
}

/// The headers of a question with this signature. `ssl`: what tells Django that it came by TLS, or
/// `SECURE_SSL_REDIRECT` would send it elsewhere.
pub(super) fn headers(signature: &str, ssl: Option<&(http::HeaderName, HeaderValue)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = ssl {
        headers.insert(name, value.clone());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("sluicegate/", env!("CARGO_PKG_VERSION"))));
    if let Ok(signature) = HeaderValue::from_str(signature) {
        headers.insert(super::signature::HEADER, signature);
    }
    headers
}

async fn read(answer: Response<Incoming>) -> Result<Option<Bytes>, AskFailed> {
    match answer.status() {
        StatusCode::NO_CONTENT => Ok(None),
        StatusCode::OK => {
            let body = Limited::new(answer.into_body(), MAX_BODY).collect().await.map_err(AskFailed::Broken)?;
            Ok(Some(body.to_bytes()))
        }
        status => Err(AskFailed::Status(status.as_u16())),
    }
}
