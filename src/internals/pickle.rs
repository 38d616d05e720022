//! Values of Django's cache.

use super::is_same;
use crate::{
    cache::{Compressor, Serializer, ValueFormat},
    python::Value,
};

const COMPRESSORS: [Option<Compressor>; 5] =
    [None, Some(Compressor::Zlib), Some(Compressor::Gzip), Some(Compressor::Zstd), Some(Compressor::Lz4)];

/// Values larger than this need not survive: written in another form they may pass the limit of what is read.
const MAX_SIZE: usize = 4096;

/// `data` as a cached value of every serializer and compressor.
///
/// # Panics
///
/// Where what was read, written in any protocol and read again, is something else.
pub fn pickle(data: &[u8]) {
    for protocol in 0..=5 {
        check(data, ValueFormat::Django { pickle_protocol: protocol });
    }
    for serializer in [Serializer::Pickle { protocol: 4 }, Serializer::Json, Serializer::MsgPack] {
        for compressor in COMPRESSORS {
            check(data, ValueFormat::DjangoRedis { serializer, compressor });
        }
    }
}

fn check(data: &[u8], format: ValueFormat) {
    let Ok(value) = format.decode(data) else { return };
    if size(&value) > MAX_SIZE {
        return;
    }
    // Of what can be read, msgpack cannot write anything but plain values, and JSON no lone surrogates.
    let Ok(written) = format.encode(&value) else {
        let plain = matches!(value, Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_));
        assert!(!plain, "{format:?} cannot write {value:?}");
        return;
    };
    let again = format.decode(&written).expect("what was written can be read");
    assert!(is_same(&value, &again), "{format:?}: {value:?} was read again as {again:?}");
}

fn size(value: &Value) -> usize {
    match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        // In decimal digits, at least; Python reads up to 4300.
        Value::BigInt(number) => usize::try_from(number.bits() / 3).unwrap_or(usize::MAX),
        Value::List(items) => items.iter().map(size).sum::<usize>() + items.len(),
        Value::Dict(entries) => entries.iter().map(|(name, value)| name.len() + size(value) + 1).sum(),
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::LoneSurrogates | Value::Uuid(_) => 1,
    }
}
