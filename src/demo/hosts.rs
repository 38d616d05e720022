//! Which names the demo answers to: it hands tokens to whoever asks, so a page of another site must not be able to ask.

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Response, StatusCode, header},
    middleware::{self, Next},
};

use crate::admin::{is_known, name_of};

/// `router`, for requests to this machine alone. `bind` is the address as the user gave it.
pub(super) fn only_this_machine(router: Router, bind: &str) -> Router {
    let bound = name_of(bind).to_owned();
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let is_known = host.is_some_and(|host| is_known(host, std::iter::once(bound.as_str())));
        async move { if is_known { next.run(request).await } else { refusal() } }
    }))
}

fn refusal() -> Response<Body> {
    let mut response = Response::new(Body::from("The demo answers to addresses and to localhost only.\n"));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}
