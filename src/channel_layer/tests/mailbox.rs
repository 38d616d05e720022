//! A sink that keeps what it gets.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::super::{Message, Sink, Value};

#[derive(Default)]
pub(in super::super) struct Mailbox {
    messages: Mutex<VecDeque<Arc<Message>>>,
    arrived: Notify,
}

impl Mailbox {
    pub(in super::super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The next message; panics after 10 s without one.
    pub(in super::super) async fn next(&self) -> Value {
        timeout(Duration::from_secs(10), async {
            loop {
                if let Some(message) = self.messages.lock().unwrap().pop_front() {
                    return message.value().clone();
                }
                self.arrived.notified().await;
            }
        })
        .await
        .expect("a message within 10 s")
    }

    /// How many messages came and were not taken.
    pub(in super::super) fn count(&self) -> usize {
        self.messages.lock().unwrap().len()
    }
}

impl Sink for Mailbox {
    fn deliver(&self, message: &Arc<Message>) {
        self.messages.lock().unwrap().push_back(Arc::clone(message));
        self.arrived.notify_one();
    }
}
