//! A handshake whose consumer is Django's.
//!
//! Where the consumer stands behind `JwtAuthMiddleware`, the client's ticket is redeemed here, and a fresh one for the
//! same user goes on in its place, which the middleware redeems in its turn. Any other handshake goes on untouched. The
//! client is answered as Django answers.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header, request::Parts, uri::PathAndQuery};
use http_body_util::Either;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    close::CloseFrame,
    denied::Denied,
    handshake::{self, AnswerBody, Client, Counted, Redeemed, TakenOver},
    options::RefuseBy,
    outbox::Outbox,
    refusal::Form,
    relay::{Hold, Redial, RedialError, Relay},
    roll::ConnectedSocket,
    scope::{self, Scope},
    site::{OpenSockets, Target, WebSocketSite},
};
use crate::{
    causes::with_causes,
    python::Value,
    reason::Reason,
    ticket::Ticket,
    upstream::{
        Ambiguous, Connected, DialError, Handshake, HandshakeAnswer, HoldOptions, OpenUpstream, Peer, ProxyOptions,
        RouteAuth, Upstream,
    },
};

/// How long the ticket that Django redeems is good: for the time that its answer to a handshake may take.
const FRESH_TICKET_LIFETIME: Duration = Duration::from_mins(1);

/// A route that leads to Django.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) upstream: Arc<Upstream>,
    pub(super) auth: RouteAuth,
    pub(super) hold: Option<HoldOptions>,
}

impl Proxy {
    pub(super) const fn new(upstream: Arc<Upstream>, options: &ProxyOptions) -> Self {
        Self { upstream, auth: options.auth, hold: options.hold }
    }

    /// Any path that no route has.
    pub(super) const fn untouched(upstream: Arc<Upstream>) -> Self {
        Self { upstream, auth: RouteAuth::Untouched, hold: None }
    }
}

/// Answers a handshake as Django answers it, and runs its socket where it is accepted.
///
/// `route`: its index, and as written in the settings.
pub(super) async fn answer(
    mut client: Client,
    proxy: &Arc<Proxy>,
    route: (usize, Arc<str>),
    scope: &Scope,
    head: &Parts,
) -> Response<AnswerBody> {
    // For a handshake that is closed at once: a browser wants one of those that it offered.
    let offered = handshake::tokens(&head.headers, &header::SEC_WEBSOCKET_PROTOCOL).next().map(str::to_owned);
    let offered = offered.as_deref();
    let (path, address) = (&scope.path, client.address);
    match admit(&client, proxy, route, scope, head).await {
        Ok(accepted) => {
            tracing::debug!(path, client.address = %address, "socket accepted by the upstream");
            client.accepted();
            let response = handshake::accepted(accepted.headers);
            let Accepted { upstream, outbox, hold, counted, .. } = accepted;
            tokio::spawn(run(client, upstream, outbox, hold, counted));
            response.map(Either::Left)
        }
        Err(Refused::Here(denied)) => client.refuse(denied, path, offered),
        Err(Refused::Ambiguous(ambiguous)) => client.refuse_form(Form::Ambiguous(ambiguous), path),
        Err(Refused::ByUpstream(mut response)) => {
            let status = response.status();
            client.refused(&Reason::UpstreamRefused.into(), Some(status), path);
            if client.site.options.refuse == RefuseBy::Close {
                return client.close(CloseFrame::upstream_refused(status), offered);
            }
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response.map(Either::Right)
        }
    }
}

/// A handshake that Django accepted.
struct Accepted {
    /// Those of the answer.
    headers: HeaderMap,
    upstream: OpenUpstream,
    outbox: Arc<Outbox>,
    hold: Option<Box<Hold>>,
    counted: (Counted, OwnedSemaphorePermit),
}

/// Why a handshake is not accepted.
enum Refused {
    Here(Denied),
    Ambiguous(Ambiguous),
    ByUpstream(Response<Incoming>),
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self::Here(reason.into())
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self::Here(denied)
    }
}

/// The order of the checks is that of our own sockets. The connection to Django stands before the ticket is redeemed, so
/// that a Django that is down does not burn it.
async fn admit(
    client: &Client,
    proxy: &Arc<Proxy>,
    (index, route): (usize, Arc<str>),
    scope: &Scope,
    head: &Parts,
) -> Result<Accepted, Refused> {
    let site = &client.site;
    let peer = head.extensions.get::<Peer>().copied().unwrap_or_default();
    let mut headers = site.forwarding.request_headers(head, peer).map_err(Refused::Ambiguous)?;
    if proxy.hold.is_some() {
        // What compression has seen so far is not known to the next server.
        headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    }
    if proxy.auth == RouteAuth::Ticket {
        handshake::check_origin(site, &head.headers)?;
    }
    let mut counted = Counted::new(site, &client.open, client.address, index)?;
    let ticket = match proxy.auth {
        RouteAuth::Ticket => Some(handshake::ticket(scope)?),
        RouteAuth::Untouched => None,
    };
    let permit = site.gates.handshakes.enter(client.address).await.map_err(Reason::from)?;
    // All that follows is Django's work.
    let permit = (proxy.auth == RouteAuth::Ticket).then_some(permit);
    let descriptor = client.second_descriptor()?;
    let connected = proxy.connect().await?;
    let mut target = with_one_slash(head.uri.path_and_query().cloned());
    let (mut value, mut fresh) = (None, None);
    let outbox = Arc::default();
    if let Some(ticket) = ticket {
        let Redeemed { user, value: redeemed, token } = handshake::redeem(site, &client.open, ticket).await?;
        counted = counted.with_user(site, &client.open, &user.id).await?;
        let socket = ConnectedSocket {
            user: user.id,
            username: user.username.map(String::into_boxed_str),
            route,
            address: client.address,
            since: SystemTime::now(),
            token,
        };
        counted.enter(&client.open, socket, &outbox);
        let ticket;
        (target, ticket) = with_fresh_ticket(site, &target, &redeemed).await?;
        (value, fresh) = (Some(redeemed), Some(ticket));
    }
    drop(permit);
    let redial = proxy.hold.map(|options| (options, StoredHandshake::new(&client.open, &target, &headers, value)));
    let handshake = Handshake { target, headers };
    let answer = handshake.send(connected, proxy.upstream.timeout(), &site.forwarding).await;
    if !matches!(answer, Ok(HandshakeAnswer::Accepted(..))) {
        discard(site, fresh);
    }
    match answer.map_err(|error| denied(&error))? {
        HandshakeAnswer::Refused(response) => Err(Refused::ByUpstream(response)),
        HandshakeAnswer::Accepted(headers, upstream) => {
            let hold = redial.map(|(options, mut redial)| {
                redial.subprotocol = subprotocol(&headers);
                Box::new(Hold::new(options, Arc::new(redial)))
            });
            Ok(Accepted { headers, upstream, outbox, hold, counted: (counted, descriptor) })
        }
    }
}

async fn run(
    client: Client,
    upstream: OpenUpstream,
    outbox: Arc<Outbox>,
    hold: Option<Box<Hold>>,
    counted: (Counted, OwnedSemaphorePermit),
) {
    if let Some((relay, held)) = Box::pin(relay(client, upstream, outbox, hold)).await {
        relay.run().await;
        drop(held);
    }
    drop(counted);
}

/// The socket, from the moment that the answer has left.
async fn relay(
    client: Client,
    upstream: OpenUpstream,
    outbox: Arc<Outbox>,
    hold: Option<Box<Hold>>,
) -> Option<(Box<Relay>, Arc<OwnedSemaphorePermit>)> {
    let TakenOver { stream, early, outbox, registration, site, held } = client.take_over(outbox).await?;
    let options = Arc::clone(&site.options);
    let mut relay = Relay::new(stream, upstream.stream, upstream.lease, hold, outbox, registration, options);
    relay.begin(&early, &upstream.early);
    Some((relay, held))
}

impl Proxy {
    pub(super) async fn connect(&self) -> Result<Connected, Reason> {
        self.upstream.connect().await.map_err(|error| {
            tracing::debug!(error = with_causes(&error), "a handshake could not be passed on");
            Reason::UnavailableUpstream
        })
    }
}

/// The target as it goes to Django. Channels drops all leading slashes of a path, as our routes do, but Daphne takes what
/// stands behind two of them for a host, so that it would see another path than the one that was looked up here.
fn with_one_slash(target: Option<PathAndQuery>) -> Uri {
    let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));
    if target.path().starts_with("//") {
        let rest = target.as_str().trim_start_matches('/');
        // It was one, but for some slashes.
        return Uri::try_from(format!("/{rest}")).unwrap_or_default();
    }
    Uri::from(target)
}

/// `target` with a ticket for the user of `value`, which Django will redeem; and the ticket.
async fn with_fresh_ticket(site: &WebSocketSite, target: &Uri, value: &Value) -> Result<(Uri, Ticket), Denied> {
    let ticket = Ticket::new();
    let issued = site.tickets.issue(ticket, value, FRESH_TICKET_LIFETIME).await;
    issued.map_err(|error| Denied::by(Reason::UnavailableCache, &error))?;
    let query = scope::with_ticket(target.query().unwrap_or_default(), ticket);
    // It was one with another ticket, so it is one.
    let target = format!("{}?{query}", target.path()).parse().map_err(|_| Reason::TicketMalformed)?;
    Ok((target, ticket))
}

/// Takes a ticket out of the cache that Django may not have redeemed, since it did not accept: its answer may show it to
/// the client, as a redirect to the same address does.
fn discard(site: &Arc<WebSocketSite>, ticket: Option<Ticket>) {
    let Some(ticket) = ticket else { return };
    let tickets = Arc::clone(&site.tickets);
    tokio::spawn(async move {
        if let Err(error) = tickets.redeem(ticket).await {
            tracing::debug!(error = with_causes(&error), "a ticket that was not used stays until it expires");
        }
    });
}

fn denied(error: &DialError) -> Denied {
    let reason = match error {
        DialError::Late => Reason::UpstreamTimeout,
        DialError::Broken(_) | DialError::Wrong(_) => Reason::UpstreamFailed,
    };
    Denied::by(reason, error)
}

fn subprotocol(headers: &HeaderMap) -> Option<Box<[u8]>> {
    headers.get(header::SEC_WEBSOCKET_PROTOCOL).map(|value| value.as_bytes().into())
}

/// What it takes to dial once more, on a route with `hold`: as small as it can be, because each socket has one.
///
/// The route is looked up anew, so that a reload of the settings holds for sockets that are held, too: Django may have
/// moved to another address.
struct StoredHandshake {
    open: Arc<OpenSockets>,
    target: Box<str>,
    /// Lines, each with its end.
    headers: Box<[u8]>,
    /// Whose ticket it was.
    value: Option<Value>,
    /// The one that the client was told.
    subprotocol: Option<Box<[u8]>>,
}

impl StoredHandshake {
    fn new(open: &Arc<OpenSockets>, target: &Uri, headers: &HeaderMap, value: Option<Value>) -> Self {
        let lines =
            headers.iter().map(|(name, value)| [name.as_str().as_bytes(), b":", value.as_bytes(), b"\n"].concat());
        Self {
            open: Arc::clone(open),
            target: target.to_string().into(),
            headers: lines.collect::<Vec<_>>().concat().into(),
            value,
            subprotocol: None,
        }
    }

    fn headers(&self) -> HeaderMap {
        let lines = self.headers.split(|&byte| byte == b'\n');
        let headers = lines.filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let (name, value) = line.split_at(colon);
            Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value.get(1..)?).ok()?))
        });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        map
    }

    /// Path and query, with a fresh ticket where one is needed.
    async fn target(&self, site: &WebSocketSite) -> Result<(Uri, Option<Ticket>), Denied> {
        let target = self.target.parse().map_err(|_| Reason::BadHandshake)?;
        let Some(value) = &self.value else { return Ok((target, None)) };
        handshake::user(site, value).await?;
        let (target, ticket) = with_fresh_ticket(site, &target, value).await?;
        Ok((target, Some(ticket)))
    }

    /// Where the settings that hold now lead this handshake; `None`: no longer to Django, or in another way.
    fn proxy(&self, site: &WebSocketSite) -> Option<Arc<Proxy>> {
        let scope = Scope::new(&self.target.parse().ok()?);
        let (_, Target::Proxy(proxy), _) = site.route(&scope.path)? else { return None };
        ((proxy.auth == RouteAuth::Ticket) == self.value.is_some()).then(|| Arc::clone(proxy))
    }
}

#[async_trait]
impl Redial for StoredHandshake {
    async fn dial(&self) -> Result<OpenUpstream, RedialError> {
        let restart = || RedialError::Never(CloseFrame::restart());
        let site = self.open.current().ok_or(RedialError::NotYet)?;
        let Some(proxy) = self.proxy(&site) else {
            tracing::info!("a held socket cannot go on: its route has changed");
            return Err(restart());
        };
        let connected = proxy.connect().await.map_err(|_| RedialError::NotYet)?;
        let (target, fresh) = self.target(&site).await.map_err(|Denied { reason, failure }| {
            if let Some(error) = failure {
                tracing::warn!(%reason, error, "a held socket cannot go on yet");
            }
            match reason {
                Reason::UnavailableCache | Reason::UnavailableDatabase => RedialError::NotYet,
                reason => RedialError::Never(CloseFrame::refusal(reason)),
            }
        })?;
        let handshake = Handshake { target, headers: self.headers() }.with_new_key();
        let answer = handshake.send(connected, proxy.upstream.timeout(), &site.forwarding).await;
        if !matches!(answer, Ok(HandshakeAnswer::Accepted(..))) {
            discard(&site, fresh);
        }
        match answer {
            Ok(HandshakeAnswer::Accepted(headers, open)) if subprotocol(&headers) == self.subprotocol => Ok(open),
            Ok(HandshakeAnswer::Accepted(..)) => {
                tracing::info!("a held socket cannot go on: the upstream chose another subprotocol");
                Err(restart())
            }
            // Another proxy stands between, whose server is away.
            Ok(HandshakeAnswer::Refused(response)) if is_for_now(response.status()) => Err(RedialError::NotYet),
            Ok(HandshakeAnswer::Refused(response)) => {
                tracing::info!(
                    status = response.status().as_u16(),
                    "a held socket cannot go on: the upstream refuses it"
                );
                Err(restart())
            }
            Err(error) => {
                tracing::debug!(error = with_causes(&error), "the upstream did not answer a handshake");
                Err(RedialError::NotYet)
            }
        }
    }
}

const fn is_for_now(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, D, E, F>(_: fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_an_idle_socket_is_small() {
        assert!(size(run) <= 640, "{}", size(run));
    }
}
