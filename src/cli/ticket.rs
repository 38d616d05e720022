//! `sluicegate ticket USER`.

use super::{
    DONE, FAILED, UNUSABLE,
    args::TicketArguments,
    logging,
    run::{print_problems, runtime},
};
use crate::{
    app::open_parts,
    python::Value,
    settings::Settings,
    ticket::{TICKET_LIFETIME, Ticket},
};

pub(super) fn run(arguments: &TicketArguments) -> u8 {
    logging::start_quiet();
    let settings = match Settings::load(&arguments.project.sources()) {
        Ok(loaded) => loaded.settings,
        Err(problems) => return print_problems(&problems),
    };
    match runtime() {
        Ok(runtime) => runtime.block_on(issue(&arguments.user, settings)),
        Err(code) => code,
    }
}

async fn issue(named: &str, settings: Settings) -> u8 {
    if settings.admission.is_none() {
        eprintln!("sluicegate: no ticket is issued or redeemed here: everything is passed on to Django");
        return UNUSABLE;
    }
    let parts = match open_parts(&settings, None).await {
        Ok(parts) => parts,
        Err(error) => {
            eprintln!("sluicegate: {error}");
            return UNUSABLE;
        }
    };
    let found = match named.strip_prefix("id=") {
        Some(id) => parts.users.by_ticket_value(&Value::Str(id.to_owned())).await,
        None => parts.users.by_username(named).await,
    };
    let user = match found {
        Ok(Some(user)) => user,
        Ok(None) => {
            eprintln!("sluicegate: there is no user {named:?}; `id=<primary key>` names one by its key");
            return FAILED;
        }
        Err(error) => {
            eprintln!("sluicegate: the user could not be looked up: {error}");
            return FAILED;
        }
    };
    if !user.is_active {
        eprintln!("note: the user is inactive, so the socket is refused unless check_user_is_active is off");
    }
    let ticket = Ticket::new();
    match parts.tickets.issue(ticket, &Value::from(&user.id), TICKET_LIFETIME).await {
        Ok(()) => {
            println!("{}", ticket.expose());
            DONE
        }
        Err(error) => {
            eprintln!("sluicegate: the ticket could not be stored: {error}");
            FAILED
        }
    }
}
