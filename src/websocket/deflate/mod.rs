//! permessage-deflate (RFC 7692), without context takeover on either side.
//!
//! So each message stands alone: no socket keeps a compressor or a window, a frame that many sockets get is compressed
//! once for all of them, and a worker thread has one compressor and one decompressor for all its sockets. What a client
//! has sent compressed waits as it came, and is inflated when its consumer takes it. What is inflated at a time, over
//! all sockets, has a limit: a message that finds it used up waits.
//!
//! Matches websockets 17.4, `extensions/permessage_deflate.py`, but for the context takeover that uvicorn allows.

mod offer;

use std::{borrow::Cow, cell::RefCell, sync::Arc};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::codec::Violation;

pub(super) use offer::agreed;

/// What a sync flush ends with, and a message leaves out. RFC 7692, 7.2.1.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// No deflate stream is more times as long when it is inflated.
const MAX_RATIO: usize = 1032;

/// The unit of the memory budget, in bytes.
const UNIT: usize = 1024;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compress>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompress>> = const { RefCell::new(None) };
}

/// `[websocket] compression`, where it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeflateOptions {
    /// `compression_min_size`: shorter messages leave as they are. Default: 1 KiB.
    pub(crate) min_size: usize,
    /// `compression_memory`: what inflated messages may take at a time, over all sockets. Default: 64 MiB.
    pub(crate) memory: usize,
}

impl Default for DeflateOptions {
    fn default() -> Self {
        Self { min_size: 1024, memory: 64 * 1024 * 1024 }
    }
}

/// What all sockets share that speak the extension.
#[derive(Debug)]
pub(crate) struct Deflate {
    min_size: usize,
    max_message_size: usize,
    /// In units.
    memory: Arc<Semaphore>,
    most: u32,
}

/// What an inflated message takes of the budget, until it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "given back by being dropped")]
pub(super) struct InflatedMemory(OwnedSemaphorePermit);

impl Deflate {
    /// The budget is at least what one message may take.
    pub(crate) fn new(options: DeflateOptions, max_message_size: usize) -> Self {
        let most = units(options.memory.max(max_message_size));
        Self { min_size: options.min_size, max_message_size, memory: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// The compressed payload of a message, where that is worth it.
    pub(crate) fn compress(&self, payload: &[u8]) -> Option<Vec<u8>> {
        if payload.len() < self.min_size { None } else { compress(payload) }
    }

    /// Inflates a message when there is room for it.
    pub(super) async fn inflate(&self, payload: Vec<u8>) -> Result<(Vec<u8>, InflatedMemory), Violation> {
        let longest = payload.len().saturating_mul(MAX_RATIO).min(self.max_message_size);
        let permits = units(longest).min(self.most);
        let Ok(mut held) = Arc::clone(&self.memory).acquire_many_owned(permits).await else {
            return Err(Violation::protocol("decompression failed"));
        };
        let inflated = inflate(&payload, self.max_message_size)?;
        let spare = held.num_permits().saturating_sub(units(inflated.capacity()) as usize);
        drop(held.split(spare));
        Ok((inflated, InflatedMemory(held)))
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// `None`: it would not be shorter.
fn compress(payload: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = compressor.get_or_insert_with(|| Compress::new(Compression::fast(), false));
        compressor.reset();
        let mut compressed = Vec::with_capacity(payload.len() / 2);
        let mut rest = payload;
        loop {
            let before = compressor.total_in();
            compressor.compress_vec(rest, &mut compressed, FlushCompress::Sync).ok()?;
            let taken = usize::try_from(compressor.total_in() - before).ok()?;
            rest = rest.get(taken..)?;
            if compressed.len() < compressed.capacity() {
                break;
            }
            if compressed.len() >= payload.len() + TAIL.len() {
                return None;
            }
            compressed.reserve(compressed.len().max(64));
        }
        compressed.truncate(compressed.strip_suffix(&TAIL)?.len());
        compressed.shrink_to_fit();
        (rest.is_empty() && compressed.len() < payload.len()).then_some(compressed)
    })
}

/// Stops as soon as the message is longer than `max`.
fn inflate(payload: &[u8], max: usize) -> Result<Vec<u8>, Violation> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = decompressor.get_or_insert_with(|| Decompress::new(false));
        decompressor.reset(false);
        let mut inflated = Vec::new();
        for part in [payload, TAIL.as_slice()] {
            append(decompressor, part, &mut inflated, max)?;
        }
        if inflated.capacity() - inflated.len() > inflated.len() {
            inflated.shrink_to_fit();
        }
        Ok(inflated)
    })
}

fn append(decompressor: &mut Decompress, mut part: &[u8], inflated: &mut Vec<u8>, max: usize) -> Result<(), Violation> {
    loop {
        if inflated.len() == inflated.capacity() {
            // One byte more than there may be, which tells that there is more.
            let left = max.saturating_add(1).saturating_sub(inflated.len());
            inflated.reserve_exact(inflated.len().max(part.len() * 2).max(64).min(left).max(1));
        }
        let (taken_before, length_before) = (decompressor.total_in(), inflated.len());
        let status = decompressor
            .decompress_vec(part, inflated, FlushDecompress::Sync)
            .map_err(|_| Violation::protocol("decompression failed"))?;
        let taken = usize::try_from(decompressor.total_in() - taken_before).unwrap_or(part.len());
        part = part.get(taken..).unwrap_or_default();
        if inflated.len() > max {
            let reason = format!("frame exceeds limit of {max} bytes");
            return Err(Violation { code: 1009, reason: Cow::Owned(reason) });
        }
        if status == Status::StreamEnd {
            // A block that says it is the last one may stand in the middle: RFC 7692, 7.2.3.5.
            decompressor.reset(false);
        } else if inflated.len() < inflated.capacity() && taken == 0 && inflated.len() == length_before {
            return Ok(());
        }
        if part.is_empty() && inflated.len() < inflated.capacity() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
