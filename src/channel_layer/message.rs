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
    first: OnceLock<(u64, Rendered)>,
    more: Mutex<Vec<(u64, Rendered)>>,
}

type Rendered = Arc<dyn Any + Send + Sync>;

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

    /// What `render` made of this message for whoever asked first with this `key`. One key stands for one type.
    pub(crate) fn shared<T: Any + Send + Sync>(&self, key: u64, render: impl Fn() -> T) -> Arc<T> {
        let (first, rendered) = self.first.get_or_init(|| (key, Arc::new(render())));
        if *first == key
            && let Ok(rendered) = Arc::clone(rendered).downcast()
        {
            return rendered;
        }
        let mut more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        let known = more.iter().find(|(other, _)| *other == key).map(|(_, rendered)| Arc::clone(rendered));
        if let Some(Ok(rendered)) = known.map(Arc::downcast) {
            return rendered;
        }
        let rendered = Arc::new(render());
        more.push((key, Arc::clone(&rendered) as Rendered));
        rendered
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
        let count = Cell::new(0);
        let tenfold = |key| {
            message.shared(key, || {
                count.set(count.get() + 1);
                key * 10
            })
        };
        assert_eq!([1, 2, 1, 2, 3].map(|key| *tenfold(key)), [10, 20, 10, 20, 30]);
        assert_eq!((count.get(), message.event_type()), (3, Some("x")));
    }
}
