//! The listening sockets: of the service manager, of the process before, or new ones; and who gets them next.

use std::{io, path::Path};

use super::AppError;
use crate::{
    admin::AdminOptions,
    server::{self, Given, Handover, Listening, Offer, ServerOptions, Stop, Stopper, Takeover},
};

/// What a process listens on, and how it came by it.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) main: Listening,
    pub(super) admin: Option<Listening>,
    pub(super) succession: Option<Succession>,
}

/// Whom this process takes over from, and how another one takes over from it.
#[derive(Debug)]
pub(super) struct Succession {
    from: Option<Takeover>,
    handover: Handover,
    offer: Offer,
}

impl Sockets {
    /// Opens them. Nothing has changed for the process before when this returns.
    pub(super) async fn open(
        options: &ServerOptions,
        admin: Option<&AdminOptions>,
        kept: Given,
    ) -> Result<Self, AppError> {
        let (taken, from) = match &options.handover {
            Some(path) => {
                let taken = server::take(path).await.map_err(|error| AppError::Handover(error.into()))?;
                taken.map_or_else(Default::default, |(given, from)| (given, Some(from)))
            }
            None => Default::default(),
        };
        let from_before = |listener: Option<_>| listener.map(|listener| (listener, taken.are_kept));
        let main = Listening::open(&options.bind, kept.main, from_before(taken.main))
            .await
            .map_err(|source| AppError::Bind { address: options.bind.clone(), source })?;
        let admin = match admin {
            Some(options) => {
                let listening = Listening::open(&options.bind, kept.admin, from_before(taken.admin)).await;
                Some(listening.map_err(|source| AppError::BindAdmin { address: options.bind.clone(), source })?)
            }
            None if kept.admin.is_some() => return Err(AppError::NoAdmin),
            None => None,
        };
        let succession = match &options.handover {
            Some(path) => Some(
                Succession::new(path, from, &main, admin.as_ref())
                    .map_err(|source| AppError::Handover(format!("{}: {source}", path.display()).into()))?,
            ),
            None => None,
        };
        Ok(Self { main, admin, succession })
    }
}

impl Succession {
    fn new(path: &Path, from: Option<Takeover>, main: &Listening, admin: Option<&Listening>) -> io::Result<Self> {
        let offer =
            Offer { main: main.share()?, admin: admin.map(Listening::share).transpose()?, are_kept: main.is_kept() };
        let mut handover = Handover::bind(path)?;
        if from.is_none() {
            handover.place()?;
        }
        Ok(Self { from, handover, offer })
    }

    /// Whether there is a process before this one.
    pub(super) const fn takes_over(&self) -> bool {
        self.from.is_some()
    }

    /// Once this process accepts: lets the one before drain, and waits for the next one. Ends when that serves, or when
    /// this process is to stop for another reason.
    pub(super) async fn go_on(self, stop: &Stopper) {
        let Self { from, mut handover, offer } = self;
        let hand_over = async {
            if let Some(before) = from {
                before.confirm().await;
                if let Err(error) = handover.place() {
                    tracing::error!(%error, "no other process can take over: the handover socket has no place");
                    std::future::pending::<()>().await;
                }
            }
            stop.hand_over(handover.hand_over(&offer).await);
        };
        tokio::select! {
            biased;
            () = stop.reaches(Stop::HandedOver) => {}
            () = hand_over => {}
        }
    }
}
