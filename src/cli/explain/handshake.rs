//! `sluicegate explain-handshake URL`.

use http::{HeaderName, HeaderValue, Request, Uri, header};
use http_body_util::BodyExt;

use super::{argument_or_stdin, say};
use crate::{
    access_token::Verifier,
    app::Parts,
    causes::with_causes,
    cli::{
        DONE, FAILED, UNUSABLE,
        args::ExplainHandshakeArguments,
        logging,
        run::{print_problems, runtime},
    },
    settings::Settings,
    ticket, user,
    websocket::explain,
};

pub(in crate::cli) fn run(arguments: &ExplainHandshakeArguments) -> u8 {
    logging::start_quiet();
    let request = match request(arguments) {
        Ok(request) => request,
        Err(sentence) => {
            eprintln!("sluicegate: {sentence}");
            return UNUSABLE;
        }
    };
    let settings = match Settings::load(&arguments.project.sources()) {
        Ok(loaded) => loaded.settings,
        Err(problems) => return print_problems(&problems),
    };
    match runtime() {
        Ok(runtime) => runtime.block_on(async {
            match decide(settings, &request, arguments.redeem).await {
                Ok(code) => code,
                Err(sentence) => {
                    eprintln!("sluicegate: {sentence}");
                    UNUSABLE
                }
            }
        }),
        Err(code) => code,
    }
}

/// A browser's handshake. What stands in the URL is not repeated in an error: it may hold a ticket.
fn request(arguments: &ExplainHandshakeArguments) -> Result<Request<()>, String> {
    let url = argument_or_stdin(&arguments.url).map_err(|error| format!("standard input: {error}"))?;
    let uri: Uri =
        url.parse().map_err(|_| "this is no URL such as ws://host/ws/chat/?uuid=... and no path".to_owned())?;
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut builder = Request::builder()
        .uri(target)
        .header(header::HOST, uri.authority().map_or("localhost", |authority| authority.as_str()))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, "AAAAAAAAAAAAAAAAAAAAAA==");
    if let Some(origin) = &arguments.origin {
        builder = builder.header(header::ORIGIN, origin);
    }
    for line in &arguments.header {
        let (name, value) = line.split_once(':').ok_or("--header takes `Name: value`")?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| "--header: this is no header's name")?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| "--header: this is no header's value")?;
        builder = builder.header(name, value);
    }
    builder.body(()).map_err(|error| error.to_string())
}

async fn decide(settings: Settings, request: &Request<()>, redeem: bool) -> Result<u8, String> {
    let verifier = Verifier::new(settings.access_token.clone()).map_err(|error| with_causes(&error))?;
    let mut parts = Parts::closed(verifier.into());
    if let Some(admission) = &settings.admission {
        parts.users = user::open(&admission.user, &admission.database).await.map_err(|error| with_causes(&error))?;
        parts.tickets = ticket::open(&admission.cache).map_err(|error| with_causes(&error))?;
    }
    let site = parts.into_site(settings).map_err(|error| error.to_string())?;
    let explained = explain(&site.websocket, request, redeem).await;
    let last = explained.steps.len().saturating_sub(1);
    for (index, (name, what)) in explained.steps.iter().enumerate() {
        say(if explained.refused.is_some() && index == last { "STOP" } else { "ok" }, name, what);
    }
    let Some(refusal) = explained.refused else {
        println!("It would be let in.");
        return Ok(DONE);
    };
    let response = refusal.response();
    let status = response.status();
    let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    println!("It would be refused: {status}\n{}", String::from_utf8_lossy(&body));
    Ok(FAILED)
}
