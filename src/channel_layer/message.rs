//! A message on its way to the channels of this process.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::value::Value;

/// A message that was received, for all channels of this process that it is for.
pub struct Message {
    value: Value,
    size: usize,
    /// What one receiver made of it, for the others: nearly always the only one.
    first: OnceLock<(u64, Made)>,
    more: Mutex<Vec<(u64, Made)>>,
}

type Made = Arc<dyn Any + Send + Sync>;

impl Message {
    /// `size`: how many bytes it has in the layer, for the bounds of what waits.
    #[must_use]
    pub fn new(value: Value, size: usize) -> Self {
        Self { value, size, first: OnceLock::new(), more: Mutex::default() }
    }

    /// The message itself.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Its `type`, which names the handler.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.value.get("type")?.as_str()
    }

    /// How many bytes it had in the layer.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// What `make` made of this message for whoever asked first with this `key`. One key stands for one type.
    pub(crate) fn shared<T: Any + Send + Sync>(&self, key: u64, make: impl Fn() -> T) -> Arc<T> {
        let (first, made) = self.first.get_or_init(|| (key, Arc::new(make())));
        if *first == key
            && let Ok(made) = Arc::clone(made).downcast()
        {
            return made;
        }
        let mut more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        let found = more.iter().find(|(other, _)| *other == key).map(|(_, made)| Arc::clone(made));
        if let Some(Ok(made)) = found.map(Arc::downcast) {
            return made;
        }
        let made = Arc::new(make());
        more.push((key, Arc::clone(&made) as Made));
        made
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("type", &self.event_type()).field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_one_receiver_made_is_there_for_the_others() {
        let message = Message::new(Value::map([("type", "x".into())]), 10);
        let made = Cell::new(0);
        let make = |key| {
            message.shared(key, || {
                made.set(made.get() + 1);
                key * 10
            })
        };
        assert_eq!([1, 2, 1, 2, 3].map(|key| *make(key)), [10, 20, 10, 20, 30]);
        assert_eq!((made.get(), message.event_type()), (3, Some("x")));
    }
}
