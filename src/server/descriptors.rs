//! How many connections the limit of file descriptors allows.

/// hyper refuses a smaller buffer.
pub(super) const SMALLEST_HEADER_BUFFER: usize = 8192;

/// Descriptors for the database, the cache, the listener, logs and files.
const RESERVED: u64 = 128;

/// tokio's semaphores hold no more.
const MOST: usize = tokio::sync::Semaphore::MAX_PERMITS >> 3;

/// Raises the soft limit to the hard one; the limit that holds now.
pub(super) fn raise_limit() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of file descriptors cannot be raised");
        rlimit::Resource::NOFILE.get_soft().unwrap_or(1024)
    })
}

/// Connections of any kind.
pub(super) fn most_connections(descriptors: u64) -> usize {
    let reserved = RESERVED.min(descriptors / 4);
    usize::try_from(descriptors - reserved).unwrap_or(MOST).clamp(1, MOST.min(u32::MAX as usize))
}

/// Sockets: fewer, so that a full server still answers its health check and tells handshakes why they are refused.
pub(super) const fn most_sockets(connections: usize) -> usize {
    let kept = connections / 64 + 1;
    if connections > kept { connections - kept } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept_for_other_things() {
        assert_eq!(most_connections(1024), 896);
        assert_eq!(most_connections(64), 48);
        assert_eq!(most_connections(0), 1);
        assert_eq!(most_connections(u64::MAX), MOST.min(u32::MAX as usize));
        assert_eq!(most_sockets(896), 881);
        assert_eq!(most_sockets(1), 1);
    }
}
