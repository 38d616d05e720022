//! From an upgrade request to an admitted socket, or a refusal.
//!
//! The order of the checks: the handshake's form, the route, the origin, the limits, draining, the ticket's form, the
//! ticket, the user. So a wrong URL, a foreign page or a full server does not burn a ticket, which Python does for the
//! first.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tungstenite::handshake::derive_accept_key;

use super::{
    close::CloseFrame,
    connection::OpenSocket,
    limits::{Exceeded, Held, HeldAny},
    options::RefuseBy,
    outbox::Outbox,
    refusal::{Form, Refusal},
    route::Captures,
    scope::{self, Scope, TicketParameter},
    site::{OpenSockets, WebSocketSite},
};
use crate::{
    consumer::{Application, Connection, ConnectionState},
    reason::Reason,
    server::PatientStream,
    upstream::Stream,
    user::{User, UserId, UserStoreError},
};

/// Whether a request asks for a WebSocket; any other upgrade is ordinary HTTP. Matches uvicorn 0.54,
/// `protocols/http/h11_impl.py`, `_get_upgrade` and `_should_upgrade_to_ws`.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, &header::CONNECTION, "upgrade")
        && headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers an upgrade request, and runs its socket where it is admitted. `client` is who connects; `held` is dropped
/// when the socket is gone.
pub(crate) async fn answer<B, H: Send + 'static>(
    site: Arc<WebSocketSite>,
    open: Arc<OpenSockets>,
    client: IpAddr,
    held: H,
    mut request: Request<B>,
) -> Response<Full<Bytes>> {
    let accept = match check_form(&request) {
        Ok(accept) => accept,
        Err(form) => return refuse(form.into(), client, request.uri().path()),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let scope = Scope::new(request.uri());
    let response = switching_protocols(&accept, subprotocol(request.headers(), &site.options.subprotocols));
    match admit(&site, &open, client, &scope, request.headers()).await {
        Ok(admitted) => {
            tracing::debug!(path = scope.path, client.address = %client, user.id = ?admitted.state.user, "socket admitted");
            tokio::spawn(admitted.run(upgrade, site, open, held));
            response
        }
        Err(reason) if site.options.refuse == RefuseBy::Close => {
            tracing::info!(%reason, path = scope.path, client.address = %client, "handshake refused");
            tokio::spawn(close(upgrade, site, open, held, reason));
            response
        }
        Err(reason) => refuse(reason.into(), client, &scope.path),
    }
}

fn refuse(refusal: Refusal, client: IpAddr, path: &str) -> Response<Full<Bytes>> {
    tracing::info!(reason = %refusal.reason, path, client.address = %client, "handshake refused");
    refusal.response()
}

/// RFC 6455, 4.2.1, as websockets 17.4 checks it: server.py, `ServerProtocol.process_request`, and http11.py,
/// `Request.parse`. The answer is `Sec-WebSocket-Accept`.
fn check_form<B>(request: &Request<B>) -> Result<String, Form> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Form::Method);
    }
    if request.version() != Version::HTTP_11 {
        return Err(Form::HttpVersion);
    }
    let has_length = headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length.as_bytes() != b"0");
    if has_length || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Form::Body);
    }
    let key = only(headers, &header::SEC_WEBSOCKET_KEY).map_err(|_| Form::Key)?.ok_or(Form::Key)?;
    if STANDARD.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16) {
        let version = only(headers, &header::SEC_WEBSOCKET_VERSION).map_err(|_| Form::Version)?;
        if version.is_none_or(|version| version.as_bytes() != b"13") {
            return Err(Form::Version);
        }
        only(headers, &header::ORIGIN).map_err(|_| Form::Origin)?;
        return Ok(derive_accept_key(key.as_bytes()));
    }
    Err(Form::Key)
}

/// There is more than one.
struct Several;

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Several> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(Several) } else { Ok(first) }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|known| known.eq_ignore_ascii_case(token))
}

/// The values of all headers of one name, split on `,` and trimmed.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// The first of ours that is offered.
fn subprotocol<'a>(headers: &HeaderMap, ours: &'a [String]) -> Option<&'a str> {
    let is_offered = |name: &&String| tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == **name);
    ours.iter().find(is_offered).map(String::as_str)
}

fn switching_protocols(accept: &str, subprotocol: Option<&str>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let mut insert = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(subprotocol) = subprotocol {
        insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    response
}

/// A handshake whose ticket was redeemed, and what is counted for it.
struct Admitted {
    state: ConnectionState,
    application: Arc<dyn Application>,
    held: (HeldAny, Option<Held<IpAddr>>, Option<Held<UserId>>),
}

async fn admit(
    site: &WebSocketSite,
    open: &OpenSockets,
    client: IpAddr,
    scope: &Scope,
    headers: &HeaderMap,
) -> Result<Admitted, Reason> {
    let (route, application, captures) = site.route(&scope.path).ok_or(Reason::NoRoute)?;
    let origin = headers.get(header::ORIGIN).map(|origin| scope::latin1(origin.as_bytes()));
    if !site.origins.allows(origin.as_deref()) {
        return Err(Reason::OriginRefused);
    }
    let most = site.limits.connections.unwrap_or(open.most).min(open.most);
    let held_any = open.limits.any(most).ok_or(Reason::LimitConnections)?;
    let held_address =
        open.limits.address(client, site.limits.connections_per_address).map_err(|Exceeded| Reason::LimitAddress)?;
    if open.is_draining() {
        return Err(Reason::Draining);
    }
    let user = redeem(site, scope).await?;
    if site.options.check_user_is_active && !user.is_active {
        return Err(Reason::UserInactive);
    }
    let held_user =
        open.limits.user(&user.id, site.limits.connections_per_user).map_err(|Exceeded| Reason::LimitUser)?;
    Ok(Admitted {
        state: state(route, application.as_ref(), captures, user, scope, headers),
        application: Arc::clone(application),
        held: (held_any, held_address, held_user),
    })
}

/// The user of the handshake's ticket, which is used up.
async fn redeem(site: &WebSocketSite, scope: &Scope) -> Result<User, Reason> {
    let ticket = match scope.ticket() {
        TicketParameter::Missing => return Err(Reason::TicketMissing),
        TicketParameter::Malformed => return Err(Reason::TicketMalformed),
        TicketParameter::Given(ticket) => ticket,
    };
    let value = site.tickets.redeem(ticket).await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a ticket could not be redeemed");
        Reason::UnavailableCache
    })?;
    let value = value.ok_or(Reason::TicketInvalid)?;
    match site.users.by_ticket_value(&value).await {
        Ok(user) => user.ok_or(Reason::UserNotFound),
        Err(UserStoreError::Unconvertible | UserStoreError::MultipleRows) => Err(Reason::UserNotFound),
        Err(error @ UserStoreError::Unavailable(_)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a ticket's user could not be looked up");
            Err(Reason::UnavailableDatabase)
        }
    }
}

fn state(
    route: usize,
    application: &dyn Application,
    captures: Captures,
    user: User,
    scope: &Scope,
    headers: &HeaderMap,
) -> ConnectionState {
    ConnectionState {
        route,
        captures,
        user: user.id,
        username: user.username.map(String::into_boxed_str),
        query: application.reads("query").then(|| Box::new(scope.query())),
        headers: application.reads("headers").then(|| Box::new(scope::headers(headers))),
    }
}

impl Admitted {
    /// The socket, from the moment that the answer has left.
    async fn run<H>(self, upgrade: OnUpgrade, site: Arc<WebSocketSite>, open: Arc<OpenSockets>, held: H) {
        if let Some((socket, outbox, early)) = open_socket(upgrade, &site, &open).await {
            drop(open);
            let consumer = self.application.consumer();
            drop(site);
            socket.run(early, consumer, Connection::new(self.state, outbox)).await;
        }
        drop((self.held, held));
    }
}

/// Tells a refusal by a close code.
async fn close<H>(upgrade: OnUpgrade, site: Arc<WebSocketSite>, open: Arc<OpenSockets>, held: H, reason: Reason) {
    if let Some((socket, ..)) = open_socket(upgrade, &site, &open).await {
        socket.refuse(CloseFrame::refusal(reason)).await;
    }
    drop(held);
}

/// Takes the TCP stream back from hyper, with what the client sent behind its handshake.
async fn open_socket(
    upgrade: OnUpgrade,
    site: &WebSocketSite,
    open: &OpenSockets,
) -> Option<(OpenSocket, Arc<Outbox>, Bytes)> {
    // An error: the client left before the answer did.
    let upgraded = upgrade.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<PatientStream>>().ok()?;
    let outbox = Arc::new(Outbox::default());
    let registration = open.registry.register(&outbox);
    let stream = Stream::Tcp(parts.io.into_inner().into_inner());
    let socket = OpenSocket::new(stream, Arc::clone(&outbox), registration, Arc::clone(&site.options));
    Some((socket, outbox, parts.read_buf))
}
