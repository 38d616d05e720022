//! From an upgrade request to an admitted socket, or a refusal.
//!
//! The order of the checks: the handshake's form, the route, the origin, the limits, draining, the ticket's form, its turn
//! where many come at once, the ticket, the user. So a wrong URL, a foreign page, a full server or a crowd does not burn a
//! ticket, which Python does for the first.

use std::{net::IpAddr, sync::Arc, time::Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tungstenite::handshake::derive_accept_key;

use super::{
    admitted::{self, Admitted},
    close::CloseFrame,
    connection::OpenSocket,
    deflate,
    denied::Denied,
    limits::{Exceeded, Held, HeldAny},
    options::RefuseBy,
    outbox::Outbox,
    proxy,
    refusal::{Form, Refusal},
    registry::Registration,
    roll::{ConnectedSocket, Presence, TokenFacts},
    route::Captures,
    scope::{self, Scope, TicketParameter},
    site::{Consumers, OpenSockets, Target, WebSocketSite},
};
use crate::{
    access_token,
    admission::{Counted as CountedUser, HasEnough, RetryAfter},
    consumer::ConnectionState,
    consumer::ask::{Ask, AskScope},
    metrics::Metrics,
    python::Value,
    reason::Reason,
    server::PatientStream,
    ticket::{self, Companion, Needs, Ticket},
    trace::Trace,
    upstream::Stream,
    user::{User, UserId, UserStoreError},
};

/// Whether a request asks for a WebSocket; any other upgrade is ordinary HTTP. Matches uvicorn 0.54,
/// `protocols/http/h11_impl.py`, `_get_upgrade` and `_should_upgrade_to_ws`.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, &header::CONNECTION, "upgrade")
        && headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The body of an answer: ours, or Django's as it comes.
pub(crate) type AnswerBody = Either<Full<Bytes>, Incoming>;

/// Answers an upgrade request, and runs its socket where it is admitted. `address` is who connects; `held` is dropped
/// when the socket is gone.
pub(crate) async fn answer<B>(
    site: Arc<WebSocketSite>,
    open: Arc<OpenSockets>,
    address: IpAddr,
    held: Arc<OwnedSemaphorePermit>,
    mut request: Request<B>,
) -> Response<AnswerBody> {
    let since = Instant::now();
    let trace = request.extensions().get::<Trace>().copied();
    let accept = match check_form(&request) {
        Ok(accept) => accept,
        Err(form) => {
            return refuse(&open, form.into(), (address, trace), request.uri().path()).map(Either::Left);
        }
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let scope = Scope::new(request.uri());
    let attempt = Attempt { metrics: Arc::clone(&open.metrics), since, is_over: false };
    let client = Client { upgrade, site, open, address, accept, held, trace, attempt };
    let site = Arc::clone(&client.site);
    match site.route(&scope.path) {
        Some((route, Target::Proxy(proxy), _)) => {
            let name = site.route_name(route);
            proxy::answer(client, proxy, (route, name), &scope, &request.into_parts().0).await
        }
        Some((route, Target::Consumer(consumers), captures)) => {
            let subprotocol = subprotocol(request.headers(), &site.options.subprotocols);
            let headers = request.headers();
            match admit(&client, route, consumers, &captures, &scope, headers).await {
                Ok((user, token, counted)) => {
                    let state = state(route, consumers, captures, user, &scope, headers, client.trace);
                    let (consumers, subprotocol) = (consumers.clone(), subprotocol.map(Box::from));
                    let deflate = site.deflate.clone().zip(deflate::agreed(headers));
                    let path = scope.path;
                    let route = site.route_name(route);
                    let admitted =
                        Admitted { client, consumers, route, token, state, subprotocol, path, counted, deflate };
                    admitted::open(admitted).await
                }
                Err(denied) => client.refuse(denied, &scope.path, subprotocol),
            }
        }
        None => {
            let subprotocol = subprotocol(request.headers(), &site.options.subprotocols);
            client.refuse(Reason::NoRoute, &scope.path, subprotocol)
        }
    }
}

/// A client whose handshake is in form.
pub(super) struct Client {
    upgrade: OnUpgrade,
    pub(super) site: Arc<WebSocketSite>,
    pub(super) open: Arc<OpenSockets>,
    pub(super) address: IpAddr,
    /// The `Sec-WebSocket-Accept` that it waits for.
    pub(super) accept: String,
    held: Arc<OwnedSemaphorePermit>,
    pub(super) trace: Option<Trace>,
    attempt: Attempt,
}

/// A handshake that has no answer yet. Dropped, it counts as abandoned by the client.
struct Attempt {
    metrics: Arc<Metrics>,
    since: Instant,
    is_over: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // What panics is refused.
        if !self.is_over && !std::thread::panicking() {
            self.metrics.handshakes.abandoned();
        }
    }
}

/// A client's connection, taken back from hyper when the answer has left.
pub(super) struct TakenOver {
    pub(super) stream: Stream,
    /// What the client sent behind its handshake.
    pub(super) early: Bytes,
    pub(super) outbox: Arc<Outbox>,
    pub(super) registration: Registration,
    pub(super) site: Arc<WebSocketSite>,
    /// To be dropped when the socket is gone.
    pub(super) held: Arc<OwnedSemaphorePermit>,
}

impl Client {
    /// A descriptor for a second connection, behind the client's: it counts as one more of the process's.
    pub(super) fn second_descriptor(&self) -> Result<OwnedSemaphorePermit, Reason> {
        one_more(self.held.semaphore(), self.open.most / 64).ok_or(Reason::LimitConnections)
    }

    /// Says that the handshake is accepted. It is to be called once, before the answer leaves.
    pub(super) fn accepted(&mut self) {
        self.attempt.is_over = true;
        self.attempt.metrics.handshakes.accepted(self.attempt.since.elapsed());
    }

    /// Says that the handshake is refused, by Django's own `status` where that answered.
    pub(super) fn refused(&mut self, denied: &Denied, status: Option<StatusCode>, path: &str) {
        self.attempt.is_over = true;
        self.open.refused(denied, status.map(|status| status.as_u16()), path, self.address, self.trace);
    }

    /// Refuses a handshake that is not in form.
    pub(super) fn refuse_form(mut self, form: Form, path: &str) -> Response<AnswerBody> {
        self.refused(&Reason::BadHandshake.into(), None, path);
        Refusal::from(form).response().map(Either::Left)
    }

    /// Tells a refusal, by a status or by a close code.
    pub(super) fn refuse(
        mut self,
        denied: impl Into<Denied>,
        path: &str,
        subprotocol: Option<&str>,
    ) -> Response<AnswerBody> {
        let denied = denied.into();
        self.refused(&denied, None, path);
        let reason = denied.reason;
        if self.site.options.refuse == RefuseBy::Status {
            let refusal = Refusal::from(reason);
            let refusal = match reason {
                Reason::Overloaded => {
                    refusal.retry_after(RetryAfter::once_over(self.site.gates.handshakes.drained_in()))
                }
                _ => refusal,
            };
            return refusal.response().map(Either::Left);
        }
        self.close(CloseFrame::refusal(reason), subprotocol)
    }

    /// Accepts the handshake, and closes it so that a browser sees why.
    pub(super) fn close(self, frame: CloseFrame, subprotocol: Option<&str>) -> Response<AnswerBody> {
        let response = switching_protocols(&self.accept, subprotocol, None);
        tokio::spawn(async move {
            let Some(client) = self.take_over(Arc::default()).await else { return };
            let TakenOver { stream, outbox, registration, site, held, .. } = client;
            OpenSocket::new(stream, outbox, registration, Arc::clone(&site.options)).refuse(frame).await;
            drop(held);
        });
        response.map(Either::Left)
    }

    /// Takes the stream back from hyper, and enters it among the open sockets under `outbox`. `None`: the client left
    /// before the answer did.
    pub(super) async fn take_over(self, outbox: Arc<Outbox>) -> Option<TakenOver> {
        let upgraded = self.upgrade.await.ok()?;
        let parts = upgraded.downcast::<TokioIo<PatientStream>>().ok()?;
        Some(TakenOver {
            stream: parts.io.into_inner().into_inner(),
            early: parts.read_buf,
            registration: self.open.registry.register(&outbox),
            outbox,
            site: self.site,
            held: self.held,
        })
    }
}

pub(super) fn refuse(
    open: &OpenSockets,
    refusal: Refusal,
    (client, trace): (IpAddr, Option<Trace>),
    path: &str,
) -> Response<Full<Bytes>> {
    open.refused(&refusal.reason.into(), None, path, client, trace);
    refusal.response()
}

/// RFC 6455, 4.2.1, as websockets 17.4 checks it: server.py, `ServerProtocol.process_request`, and http11.py,
/// `Request.parse`. The answer is `Sec-WebSocket-Accept`.
pub(super) fn check_form<B>(request: &Request<B>) -> Result<String, Form> {
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
pub(super) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// The first of ours that is offered.
fn subprotocol<'a>(headers: &HeaderMap, ours: &'a [String]) -> Option<&'a str> {
    let is_offered = |name: &&String| tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == **name);
    ours.iter().find(is_offered).map(String::as_str)
}

pub(super) fn switching_protocols(
    accept: &str,
    subprotocol: Option<&str>,
    extension: Option<&str>,
) -> Response<Full<Bytes>> {
    let mut headers = HeaderMap::new();
    let mut insert = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(subprotocol) = subprotocol {
        insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    if let Some(extension) = extension {
        insert(header::SEC_WEBSOCKET_EXTENSIONS, extension);
    }
    accepted(headers)
}

/// The answer that accepts a handshake, with these headers.
pub(super) fn accepted(mut headers: HeaderMap) -> Response<Full<Bytes>> {
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    response
}

/// One more of `all`, if `kept` are left, so that a full server still answers its health check.
fn one_more(all: &Arc<Semaphore>, kept: usize) -> Option<OwnedSemaphorePermit> {
    if all.available_permits() > kept { Arc::clone(all).try_acquire_owned().ok() } else { None }
}

/// What is counted for a socket, until it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "given back by being dropped")]
pub(super) struct Counted {
    any: HeldAny,
    route: Option<HeldAny>,
    address: Option<Held<IpAddr>>,
    user: Option<Held<UserId>>,
    shared: Option<Box<CountedUser>>,
    presence: Option<Presence>,
}

impl Counted {
    /// One more socket of the route with this index, if there may be one.
    pub(super) fn new(site: &WebSocketSite, open: &OpenSockets, client: IpAddr, route: usize) -> Result<Self, Reason> {
        let most = site.limits.connections.unwrap_or(open.most).min(open.most);
        let any = open.limits.any(most).ok_or(Reason::LimitConnections)?;
        let route = match site.route_limit(route) {
            Some(limit) => Some(open.limits.route(&limit.route, limit.most).ok_or(Reason::LimitRoute)?),
            None => None,
        };
        let address = open
            .limits
            .address(client, site.limits.connections_per_address)
            .map_err(|Exceeded| Reason::LimitAddress)?;
        if open.is_draining() {
            return Err(Reason::Draining);
        }
        Ok(Self { any, route, address, user: None, shared: None, presence: None })
    }

    /// And one of this user's.
    pub(super) async fn with_user(
        mut self,
        site: &WebSocketSite,
        open: &OpenSockets,
        user: &UserId,
    ) -> Result<Self, Reason> {
        let Some(max) = site.limits.connections_per_user else { return Ok(self) };
        self.user = open.limits.user(user, Some(max)).map_err(|Exceeded| Reason::LimitUser)?;
        let shared = site.gates.users.count(user, max).await.map_err(|HasEnough| Reason::LimitUser)?;
        self.shared = Some(Box::new(shared));
        Ok(self)
    }

    /// And entered as connected.
    pub(super) fn enter(&mut self, open: &OpenSockets, connected: ConnectedSocket, outbox: &Arc<Outbox>) {
        self.presence = Some(open.roll.enter(connected, outbox));
    }
}

async fn admit(
    client: &Client,
    route: usize,
    consumers: &Consumers,
    captures: &Captures,
    scope: &Scope,
    headers: &HeaderMap,
) -> Result<(User, Option<Box<TokenFacts>>, Counted), Denied> {
    let (site, open) = (client.site.as_ref(), client.open.as_ref());
    check_origin(site, headers)?;
    let counted = Counted::new(site, open, client.address, route)?;
    let ticket = ticket(scope)?;
    consumers.application.check(captures)?;
    let _permit = site.gates.handshakes.enter(client.address).await.map_err(Reason::from)?;
    let Redeemed { user, token, .. } = redeem(site, open, ticket).await?;
    let counted = counted.with_user(site, open, &user.id).await?;
    Ok((user, token, counted))
}

/// As the project's origin validator.
pub(super) fn check_origin(site: &WebSocketSite, headers: &HeaderMap) -> Result<(), Reason> {
    let origin = headers.get(header::ORIGIN).map(|origin| scope::latin1(origin.as_bytes()));
    if site.origins.allows(origin.as_deref()) { Ok(()) } else { Err(Reason::OriginRefused) }
}

/// The handshake's ticket, if it has the form of one.
pub(super) fn ticket(scope: &Scope) -> Result<Ticket, Reason> {
    match scope.ticket() {
        TicketParameter::Missing => Err(Reason::TicketMissing),
        TicketParameter::Malformed => Err(Reason::TicketMalformed),
        TicketParameter::Given(ticket) => Ok(ticket),
    }
}

/// A ticket that is used up.
pub(super) struct Redeemed {
    pub(super) user: User,
    /// The value that it had.
    pub(super) value: Value,
    /// What is known of the token that it was issued for.
    pub(super) token: Option<Box<TokenFacts>>,
}

/// Uses up a ticket.
pub(super) async fn redeem(site: &WebSocketSite, open: &OpenSockets, ticket: Ticket) -> Result<Redeemed, Denied> {
    let redeemed = async {
        if site.needs.any() {
            return site.tickets.redeem_with(ticket).await;
        }
        Ok(site.tickets.redeem(ticket).await?.map(|value| ticket::Redeemed { value, companion: None }))
    };
    let redeemed = redeemed.await.map_err(|error| Denied::by(Reason::UnavailableCache, &error))?;
    let ticket::Redeemed { value, companion } = redeemed.ok_or(Reason::TicketInvalid)?;
    open.metrics.tickets.redeemed();
    let user = user(site, &value).await?;
    let token = token_facts(site.needs, companion.as_deref(), &user);
    Ok(Redeemed { user, value, token })
}

/// What of a token matters once its socket is open. Beside a ticket of Python's there is nothing: then the password is the
/// one that the user has now.
fn token_facts(needs: Needs, companion: Option<&str>, user: &User) -> Option<Box<TokenFacts>> {
    if !needs.any() {
        return None;
    }
    let companion = companion.map(Companion::from_json).unwrap_or_default();
    let leeway = i64::try_from(needs.leeway.as_secs()).unwrap_or(i64::MAX);
    let password =
        || companion.password_digest().unwrap_or_else(|| access_token::password_digest(user.password.expose()));
    let facts = TokenFacts {
        expires: companion.exp.filter(|_| needs.exp).map(|exp| exp.saturating_add(leeway)),
        password: needs.password.then(password),
        jti: companion.jti.filter(|_| needs.jti).map(String::into_boxed_str),
    };
    facts.boxed()
}

/// The user whose ticket has `value`.
pub(super) async fn user(site: &WebSocketSite, value: &Value) -> Result<User, Denied> {
    let user = match site.users.by_ticket_value(value).await {
        Ok(user) => user.ok_or(Reason::UserNotFound)?,
        Err(UserStoreError::Unconvertible | UserStoreError::MultipleRows) => return Err(Reason::UserNotFound.into()),
        Err(error @ UserStoreError::Unavailable(_)) => {
            return Err(Denied::by(Reason::UnavailableDatabase, &error));
        }
    };
    if site.options.check_user_is_active && !user.is_active {
        return Err(Reason::UserInactive.into());
    }
    Ok(user)
}

pub(super) fn state(
    route: usize,
    consumers: &Consumers,
    captures: Captures,
    user: User,
    scope: &Scope,
    headers: &HeaderMap,
    trace: Option<Trace>,
) -> ConnectionState {
    let application = &consumers.application;
    ConnectionState {
        route,
        captures,
        user: user.id,
        username: user.username.map(String::into_boxed_str),
        user_fields: user.fields,
        query: application.reads("query").then(|| Box::new(scope.query())),
        headers: application.reads("headers").then(|| Box::new(scope::headers(headers))),
        context: None,
        asked: consumers.context.ask.as_ref().map(|ask| Box::new(ask_scope(ask, scope, headers, trace))),
    }
}

/// What questions say of a handshake.
fn ask_scope(ask: &Ask, scope: &Scope, headers: &HeaderMap, trace: Option<Trace>) -> AskScope {
    AskScope {
        query: scope.query(),
        headers: scope::named_headers(headers, ask.forward_headers()),
        subprotocols: tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect(),
        trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_connections_leave_some_for_other_clients() {
        let all = Arc::new(Semaphore::new(5));
        let held: Vec<_> = std::iter::from_fn(|| one_more(&all, 2)).collect();
        assert_eq!((held.len(), all.available_permits()), (3, 2));
        drop(held);
        assert_eq!(all.available_permits(), 5);
    }
}
