//! An HTTP request passed on to Django, and its answer back.

use std::error::Error;

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::body::Incoming;

use super::{
    Ambiguous, Download, Forwarding, Lease, Peer, Upstream,
    client::SendError,
    upload::{ClientBody, Source, Upload, UploadFailure},
};

/// Why a request has no answer of Django's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassError {
    /// It is not passed on.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    /// No server accepts a connection.
    #[error("no upstream server accepts a connection")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The connection broke before the answer's head, or that is no HTTP.
    #[error("the upstream gave no answer")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// The answer's head did not come in time.
    #[error("the upstream did not answer in time")]
    TimedOut,
    /// The client stopped sending its body.
    #[error("the client sent nothing more of its body")]
    UploadTooSlow,
    /// The client's body broke off, or is no valid coding.
    #[error("the client's body broke off")]
    UploadBroken,
}

/// A request as it is sent, apart from its body.
pub(super) struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Upstream {
    /// Passes a request on to the least busy server, and gives its answer once its head is there.
    ///
    /// The body is read as the server takes it. A server that accepts no connection is passed over, since nothing was
    /// sent. A request without a body by a safe method is sent once more where a connection that was used again broke
    /// before any answer: the server had just closed it.
    ///
    /// # Errors
    ///
    /// [`PassError`]: what the client is to be told.
    pub(crate) async fn pass(
        &self,
        head: &Parts,
        body: ClientBody,
        forwarding: &Forwarding,
    ) -> Result<Response<Download>, PassError> {
        let peer = head.extensions.get::<Peer>().copied().unwrap_or_default();
        let body = Source::new(body);
        let mut headers = forwarding.request_headers(head, peer)?;
        if head.headers.contains_key(header::TRANSFER_ENCODING) && !body.is_empty() {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let head = Head::new(head.method.clone(), &head.uri, headers);
        let (answer, lease) = self.send(&head, &body).await?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(PassError::Failed("it switched protocols without being asked to".into()));
        }
        if answer
            .headers()
            .get_all(header::TRANSFER_ENCODING)
            .iter()
            .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        {
            return Err(PassError::Failed("its body has a transfer coding besides chunked".into()));
        }
        let is_spared = head.method == Method::HEAD || answer.status() == StatusCode::NOT_MODIFIED;
        let (mut parts, body) = answer.into_parts();
        // The client's own version counts for the answer's form.
        parts.version = Version::HTTP_11;
        forwarding.clean_answer(&mut parts.headers);
        if parts.status == StatusCode::NO_CONTENT {
            // RFC 9110, 8.6: it has none, and a length would be read as that of a body.
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        Ok(Response::from_parts(parts, Download::new(body, is_spared, lease)))
    }

    pub(super) async fn send(&self, head: &Head, body: &Source) -> Result<(Response<Incoming>, Lease), PassError> {
        let mut may_repeat = head.method.is_safe() && body.is_empty();
        loop {
            match self.send_to_one(head, body).await {
                Err(SendError::Broken { reused: true, .. }) if may_repeat => may_repeat = false,
                Err(SendError::Broken { error, .. }) => {
                    return Err(match body.failure() {
                        Some(UploadFailure::TooSlow) => PassError::UploadTooSlow,
                        Some(UploadFailure::Broken) => PassError::UploadBroken,
                        None => PassError::Failed(error.into()),
                    });
                }
                Err(SendError::Connect(error)) => return Err(PassError::Unavailable(error)),
                Err(SendError::Late) => return Err(PassError::TimedOut),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    async fn send_to_one(&self, head: &Head, body: &Source) -> Result<(Response<Incoming>, Lease), SendError> {
        let mut last = SendError::Connect("there is no server".into());
        for server in self.in_order() {
            let lease = server.lease();
            match server.client.send(head.request(body), body, self.options.timeout).await {
                Ok(answer) => return Ok((answer, lease)),
                Err(error @ SendError::Connect(_)) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

impl Head {
    /// `uri`: its path and query are asked for.
    pub(super) fn new(method: Method, uri: &Uri, headers: HeaderMap) -> Self {
        Self { method, uri: target(uri), headers }
    }

    fn request(&self, body: &Source) -> Request<Upload> {
        let mut request = Request::new(body.upload());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// What the client asked for, in the form in which the client's pool wants it: sent is the path with the query alone.
fn target(uri: &Uri) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(Authority::from_static("upstream"));
    parts.path_and_query = Some(uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_default()
}
