//! A request of our own.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::{Lease, PassError, Upstream, health::own_name, pass::Head, upload::Source};

impl Upstream {
    /// `POST uri`, of which the path and the query are taken, under `headers`, to the least busy server; the answer, once
    /// its head is there. It is sent once: only a server that accepts no connection is passed over.
    ///
    /// Without a `Host` among `headers`, it is one that Django lets in, as for `health_path`.
    ///
    /// # Errors
    ///
    /// [`PassError`]: no server, no answer in time, or a connection that broke, and then it may have been processed.
    pub(crate) async fn post(
        &self,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<(Response<Incoming>, Lease), PassError> {
        let host = self.options.health_host.clone().or_else(|| self.options.servers.first().map(own_name));
        if let Ok(host) = HeaderValue::try_from(host.unwrap_or_default()) {
            headers.entry(header::HOST).or_insert(host);
        }
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        let body = Source::new(Full::new(body).map_err(Into::into).boxed_unsync());
        self.send(&Head::new(Method::POST, uri, headers), &body).await
    }
}
