//! What each request is answered by: the WebSocket side, or the HTTP side.

use std::{error::Error, future::poll_fn, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, watch},
};

use super::{HttpService, Site, client_address::client_address};
use crate::{
    http::Draining,
    metrics::Handler,
    trace::Trace,
    upstream::{ClientAddress, Peer},
    websocket::{self, AnswerBody, OpenSockets},
};

/// The connection that a request came by.
#[derive(Clone, Debug)]
pub(super) struct ClientConnection {
    pub(super) peer: SocketAddr,
    local: SocketAddr,
    is_tls: bool,
    /// Given back when the connection is gone, an upgraded one too.
    permit: Arc<OwnedSemaphorePermit>,
}

impl ClientConnection {
    pub(super) fn new(stream: &TcpStream, peer: SocketAddr, is_tls: bool, permit: OwnedSemaphorePermit) -> Self {
        // An error: the client is gone already.
        let local = stream.local_addr().unwrap_or(peer);
        Self { peer, local, is_tls, permit: Arc::new(permit) }
    }
}

/// What all connections share.
pub(super) struct Shared<S> {
    pub(super) site: watch::Receiver<Arc<Site<S>>>,
    pub(super) open: Arc<OpenSockets>,
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self { site: self.site.clone(), open: Arc::clone(&self.open) }
    }
}

/// Answers one request by the settings that hold now.
pub(super) async fn dispatch<S, B>(
    connection: ClientConnection,
    shared: Shared<S>,
    url_bytes: usize,
    mut request: Request<Incoming>,
) -> Response<Either<B, AnswerBody>>
where
    S: HttpService<B>,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let url = request.uri();
    if url.path().len() + url.query().map_or(0, |query| query.len() + 1) > url_bytes {
        shared.open.metrics.http.answered(Handler::Server, StatusCode::URI_TOO_LONG);
        return too_long().map(Either::Left).map(Either::Right);
    }
    let site = Arc::clone(&shared.site.borrow());
    let websocket = &site.websocket;
    request.extensions_mut().insert(Peer::new(connection.peer.ip(), connection.local, connection.is_tls));
    let client = client_address(connection.peer.ip(), request.headers(), websocket.trusted_proxies());
    let trace = Trace::of(request.headers());
    request.extensions_mut().insert(trace);
    if shared.open.is_draining() {
        request.extensions_mut().insert(Draining);
    }
    if websocket::is_upgrade(request.headers()) {
        let answer = websocket::answer(Arc::clone(websocket), shared.open, client, connection.permit, request);
        return answer.await.map(Either::Right);
    }
    request.extensions_mut().insert(ClientAddress(client));
    let mut http = site.http.clone();
    let Ok(()) = poll_fn(|context| http.poll_ready(context)).await;
    let Ok(response) = http.call(request).await;
    response.map(Either::Left)
}

fn too_long() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::URI_TOO_LONG;
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}
