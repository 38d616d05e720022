//! How many sockets each route has, and of how many users.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{user::UserId, websocket::OpenSockets};

/// How long a count serves: however many look, the sockets are gone through once.
const SERVES_FOR: Duration = Duration::from_secs(1);

/// Those who were let in by a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Crowd {
    pub(super) sockets: usize,
    pub(super) users: usize,
    /// The most frequented first.
    pub(super) routes: Vec<(Arc<str>, usize)>,
}

/// The last count.
#[derive(Debug, Default)]
pub(super) struct LastCrowd(Mutex<Option<(Instant, Arc<Crowd>)>>);

impl LastCrowd {
    /// Who is connected now, or was a moment ago.
    pub(super) fn of(&self, open: &OpenSockets) -> Arc<Crowd> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, crowd)) = last.as_ref()
            && at.elapsed() < SERVES_FOR
        {
            return Arc::clone(crowd);
        }
        let crowd = Arc::new(Crowd::count(open));
        *last = Some((Instant::now(), Arc::clone(&crowd)));
        crowd
    }
}

impl Crowd {
    fn count(open: &OpenSockets) -> Self {
        let routes: RefCell<HashMap<Arc<str>, usize>> = RefCell::default();
        let users: RefCell<HashSet<UserId>> = RefCell::default();
        let (_, sockets) = open.roll.list(0, |connected| {
            let mut routes = routes.borrow_mut();
            if let Some(sockets) = routes.get_mut(&connected.route) {
                *sockets += 1;
            } else {
                routes.insert(Arc::clone(&connected.route), 1);
            }
            let mut users = users.borrow_mut();
            if !users.contains(&connected.user) {
                users.insert(connected.user.clone());
            }
            true
        });
        let mut routes: Vec<_> = routes.into_inner().into_iter().collect();
        routes.sort_by(|one, other| (Reverse(one.1), &one.0).cmp(&(Reverse(other.1), &other.0)));
        Self { sockets, users: users.into_inner().len(), routes }
    }

    pub(super) fn routes(&self) -> Vec<Value> {
        self.routes.iter().map(|(route, sockets)| json!({ "route": **route, "sockets": sockets })).collect()
    }
}
