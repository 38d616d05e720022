//! How the channels of this process are called.

use uuid::Uuid;

use super::shard::consistent_hash;

/// The names that a layer gives, and the numbers behind them: what follows the process's own part is one in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `specific.<client>!<32 hex>`: channels_redis 4.3, core.py, `new_channel`. There is one client prefix for each queue
    /// of this process; a number's remainder tells which one it has.
    Queues(Vec<String>),
    /// `<prefix>specific.<32 hex>`: channels_redis 4.3, pubsub.py, `new_channel`. The first half of the digits is this
    /// process's, so that one pattern fits all of its channels.
    Halves { prefix: String, client: u64 },
    /// `specific.inmemory!<32 hex>`: channels 4.3, layers.py, `InMemoryChannelLayer.new_channel`, which has 12 letters.
    InMemory,
}

impl Naming {
    /// Client prefixes of `count` queues, of which the first is `client`; all of them belong to the same of `hosts`
    /// hosts, so that one script fills them.
    pub(super) fn queues(client: u128, count: usize, hosts: usize) -> Self {
        let host = |client: &String| consistent_hash(&format!("specific.{client}!"), hosts);
        let first = format!("{client:032x}");
        let on_host = host(&first);
        let others = std::iter::repeat_with(|| Uuid::new_v4().simple().to_string());
        let others = others.filter(|client| host(client) == on_host);
        Self::Queues(std::iter::once(first).chain(others).take(count.max(1)).collect())
    }

    /// A prefix of the process's own after the layer's: the first half of `client`.
    pub(super) fn halves(prefix: String, client: u128) -> Self {
        Self::Halves { prefix, client: u64::try_from(client >> 64).unwrap_or(0) }
    }

    /// The pattern of Redis that fits the names of all channels of this process.
    pub(super) fn pattern(&self) -> Option<String> {
        let Self::Halves { prefix, client } = self else { return None };
        let mut pattern = String::new();
        for c in prefix.chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        Some(format!("{pattern}specific.{client:016x}*"))
    }

    /// What the names of channels begin with, up to and with the `!`: one for each queue.
    pub(super) fn prefixes(&self) -> Vec<String> {
        match self {
            Self::Queues(clients) => clients.iter().map(|client| format!("specific.{client}!")).collect(),
            Self::Halves { .. } | Self::InMemory => Vec::new(),
        }
    }

    /// A number that no channel has had.
    pub(super) fn new_id(&self) -> u128 {
        let id = Uuid::new_v4().as_u128();
        match self {
            Self::Halves { .. } => id & u128::from(u64::MAX),
            Self::Queues(_) | Self::InMemory => id,
        }
    }

    /// The channel's name.
    pub(super) fn name(&self, id: u128) -> String {
        match self {
            Self::Queues(clients) => format!("specific.{}!{id:032x}", clients[self.queue(id)]),
            Self::Halves { prefix, client } => format!("{prefix}specific.{client:016x}{id:016x}"),
            Self::InMemory => format!("specific.inmemory!{id:032x}"),
        }
    }

    /// The number of a name that this process gave, whether or not it is still in use.
    pub(super) fn id(&self, name: &str) -> Option<u128> {
        self.digits(name).filter(|id| self.name(*id) == name)
    }

    /// Whether `name` is that of `id`. Of many names that are not, nearly all are told apart by their last digits.
    pub(super) fn is_name_of(&self, name: &str, id: u128) -> bool {
        self.digits(name) == Some(id) && self.name(id) == name
    }

    /// The number that ends a name. Signs and other spellings of the same number are nobody's name.
    fn digits(&self, name: &str) -> Option<u128> {
        let digits = match self {
            Self::Queues(_) | Self::InMemory => name.split_once('!')?.1,
            Self::Halves { .. } => name.get(name.len().checked_sub(16)?..)?,
        };
        u128::from_str_radix(digits, 16).ok()
    }

    /// Which of the queues the channel's messages are in.
    fn queue(&self, id: u128) -> usize {
        match self {
            Self::Queues(clients) => usize::try_from(id % clients.len() as u128).unwrap_or(0),
            Self::Halves { .. } | Self::InMemory => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_number() {
        for naming in
            [Naming::queues(5, 3, 2), Naming::Halves { prefix: "asgi".to_owned(), client: 0xabc }, Naming::InMemory]
        {
            let id = naming.new_id();
            let name = naming.name(id);
            assert_eq!(naming.id(&name), Some(id), "{name}");
            for other in [&name[1..], &name[..name.len() - 1], &format!("{name}0"), &name.to_uppercase(), "", "é!é"] {
                assert_eq!(naming.id(other), None, "{other}");
            }
        }
    }

    #[test]
    fn all_queues_of_a_process_are_on_one_host() {
        for hosts in 1..5 {
            let prefixes = Naming::queues(7, 8, hosts).prefixes();
            let on = prefixes.iter().map(|prefix| consistent_hash(prefix, hosts)).collect::<Vec<_>>();
            assert!(on.len() == 8 && on.iter().all(|host| *host == on[0]), "{on:?}");
        }
    }

    #[test]
    fn names_have_the_form_of_channels_redis() {
        let name = Naming::queues(0xf, 1, 1).name(1);
        assert_eq!(name, "specific.0000000000000000000000000000000f!00000000000000000000000000000001");
        assert_eq!(name.len(), 74);
        let naming = Naming::Halves { prefix: "asgi".to_owned(), client: 0xabc };
        assert_eq!(naming.name(1), "asgispecific.0000000000000abc0000000000000001");
    }
}
