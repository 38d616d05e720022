//! Commands over the channel layer: what Django, another sluicegate or the command line asks of every sluicegate.
//!
//! Each process with a Redis layer has one channel in the group `sluicegate`. Django asks with one line:
//!
//! ```python
//! async_to_sync(get_channel_layer().group_send)("sluicegate", {"type": "sluicegate.disconnect", "user": user.pk})
//! ```

mod disconnect;
mod hearing;
mod order;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub(crate) use disconnect::{Disconnected, disconnect_everywhere, disconnect_here};
pub(crate) use hearing::hear;
pub(crate) use order::{Order, Who};

use crate::channel_layer::ChannelLayer;

/// The `type` of the message that disconnects a user.
pub(crate) const DISCONNECT: &str = "sluicegate.disconnect";
/// The `type` of the answer, where one is asked for.
pub(crate) const DISCONNECTED: &str = "sluicegate.disconnected";
/// How long answers are waited for: nobody knows how many there will be.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(2);

/// The layer on which this process hears commands by now.
#[derive(Default)]
pub(crate) struct Commands(Mutex<Option<Arc<dyn ChannelLayer>>>);

impl Commands {
    /// `None`: it is alone, or the layer has not answered yet.
    pub(crate) fn layer(&self) -> Option<Arc<dyn ChannelLayer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, layer: Option<Arc<dyn ChannelLayer>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = layer;
    }
}
