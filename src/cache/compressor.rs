//! django-redis' compressors.

use std::io::{Read, Write};

use flate2::{
    Compression,
    read::{MultiGzDecoder, ZlibDecoder},
    write::{GzEncoder, ZlibEncoder},
};
use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};

use super::{Compressor, value::Unreadable};

/// `min_length` of each of them: values up to it are stored as they are.
const MIN_LENGTH: usize = 15;
/// The most memory that a zstd stream may ask for, as a power of two: far above what a short value is written with.
const ZSTD_WINDOW_LOG: u32 = 23;

impl Compressor {
    /// `compress(bytes)`: bytes up to 15 as they are, longer ones in a stream that Python's decompressor reads (the
    /// bytes of the stream differ between releases of each library).
    pub(crate) fn compress(self, bytes: &[u8]) -> Vec<u8> {
        if bytes.len() <= MIN_LENGTH {
            return bytes.to_vec();
        }
        // Writing into memory does not fail; if it did, the value as it is can be read as well.
        self.stream(bytes).unwrap_or_else(|_| bytes.to_vec())
    }

    fn stream(self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(bytes, zstd::DEFAULT_COMPRESSION_LEVEL),
            Self::Lz4 => {
                let frame = FrameInfo::new().content_size(Some(bytes.len() as u64));
                let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
                encoder.write_all(bytes)?;
                Ok(encoder.finish()?)
            }
        }
    }

    /// `decompress(bytes)`; `None` where that is a `CompressorError`, so that the bytes count as they are.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if there is more than `limit` inside.
    pub(crate) fn decompress(self, bytes: &[u8], limit: usize) -> Result<Option<Vec<u8>>, Unreadable> {
        let mut decompressed = Vec::new();
        let bound = limit as u64 + 1;
        let result = match self {
            Self::Zlib => ZlibDecoder::new(bytes).take(bound).read_to_end(&mut decompressed),
            Self::Gzip => MultiGzDecoder::new(bytes).take(bound).read_to_end(&mut decompressed),
            Self::Zstd => zstd::Decoder::with_buffer(bytes).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                decoder.take(bound).read_to_end(&mut decompressed)
            }),
            Self::Lz4 => FrameDecoder::new(bytes).take(bound).read_to_end(&mut decompressed),
        };
        match result {
            Ok(_) if decompressed.len() > limit => Err(Unreadable),
            // lz4_flex finds nothing in what does not begin with a frame, where Python's decompressor raises. No serializer
            // writes nothing.
            Ok(0) | Err(_) => Ok(None),
            Ok(_) => Ok(Some(decompressed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Compressor, Unreadable};

    const ALL: [Compressor; 4] = [Compressor::Zlib, Compressor::Gzip, Compressor::Zstd, Compressor::Lz4];

    #[test]
    fn fifteen_bytes_are_stored_as_they_are_and_sixteen_are_not() {
        for compressor in ALL {
            assert_eq!(compressor.compress(&[b'a'; 15]), [b'a'; 15]);
            assert_ne!(compressor.compress(&[b'a'; 16]), [b'a'; 16]);
        }
    }

    #[test]
    fn a_stream_that_would_fill_the_memory_is_refused_at_the_limit() {
        for compressor in ALL {
            let bomb = compressor.compress(&vec![0; 50_000_000]);
            assert_eq!(compressor.decompress(&bomb, 1000), Err(Unreadable), "{compressor:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_stream_count_as_they_are() {
        for compressor in ALL {
            for bytes in [&b""[..], b"\x80\x04K\x01.", b"x", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"] {
                assert_eq!(compressor.decompress(bytes, 1000), Ok(None), "{compressor:?} {bytes:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_is_read_back(bytes in prop::collection::vec(any::<u8>(), 16..500)) {
            for compressor in ALL {
                prop_assert_eq!(compressor.decompress(&compressor.compress(&bytes), 500), Ok(Some(bytes.clone())));
            }
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes: Vec<u8>, cut: prop::sample::Index, byte: u8) {
            for compressor in ALL {
                let _ = compressor.decompress(&bytes, 1000);
                let mut stream = compressor.compress(&[b"a value of some length ".as_slice(), &bytes].concat());
                let at = cut.index(stream.len());
                stream[at] = byte;
                let _ = compressor.decompress(&stream, 1000);
                stream.truncate(at);
                let _ = compressor.decompress(&stream, 1000);
            }
        }
    }
}
