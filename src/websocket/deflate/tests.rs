use std::task::{Context, Waker};

use proptest::prelude::*;

use super::*;

/// By `zlib.compressobj(wbits=-15)` and `flush(Z_SYNC_FLUSH)`, without the last four bytes: RFC 7692, 7.2.3.1.
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn deflate(memory: usize, max_message_size: usize) -> Deflate {
    Deflate::new(DeflateOptions { memory, ..DeflateOptions::default() }, max_message_size)
}

fn violation(payload: &[u8], max: usize) -> (u16, String) {
    let violation = inflate(payload, max).unwrap_err();
    (violation.code, violation.reason.into_owned())
}

#[test]
fn the_examples_of_the_rfc_are_understood() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two_blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    for payload in [HELLO, &stored, &last_block, &two_blocks] {
        assert_eq!(inflate(payload, 5).unwrap(), b"Hello", "{payload:x?}");
    }
    let last_then_another = [&[0xf3], &HELLO[1..], HELLO].concat();
    assert_eq!(inflate(&last_then_another, 10).unwrap(), b"HelloHello");
    assert_eq!(inflate(&[0x00], 5).unwrap(), b"");
    assert_eq!(inflate(&[0x02, 0x00], 5).unwrap(), b"");
}

#[test]
fn what_is_no_deflate_stream_is_told_in_the_words_of_websockets() {
    for payload in [&[0xff; 20][..], &[0x06, 0xff], &[0x00, 0x05, 0x00, 0x00, 0x00]] {
        assert_eq!(violation(payload, 100), (1002, "decompression failed".to_owned()), "{payload:x?}");
    }
}

#[test]
fn a_message_is_refused_as_soon_as_it_passes_the_limit() {
    assert_eq!(violation(HELLO, 4), (1009, "frame exceeds limit of 4 bytes".to_owned()));
    assert_eq!(inflate(HELLO, 5).unwrap(), b"Hello");
    let bomb = compress(&vec![0; 50 * 1024 * 1024]).unwrap();
    assert!(bomb.len() < 300_000, "{}", bomb.len());
    assert_eq!(violation(&bomb, 1024 * 1024).0, 1009);
    assert_eq!(violation(&bomb, 0).0, 1009);
}

#[test]
fn only_what_gets_shorter_is_compressed() {
    let deflate = deflate(0, 0);
    assert_eq!(deflate.compress(&[b'x'; 1023]), None, "below the least size");
    let compressed = deflate.compress(&[b'x'; 1024]).unwrap();
    assert!(compressed.len() < 40, "{}", compressed.len());
    assert_eq!(inflate(&compressed, 1024).unwrap(), [b'x'; 1024]);
    let mut noise = vec![0; 5000];
    let mut state = 1_u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    assert_eq!(deflate.compress(&noise), None);
}

#[tokio::test]
async fn a_message_waits_until_there_is_memory_for_it() {
    let deflate = deflate(0, 64 * 1024);
    let payload = compress(&vec![b'x'; 64 * 1024]).unwrap();
    let (first, memory) = deflate.inflate(payload.clone()).await.unwrap();
    assert_eq!(first.len(), 64 * 1024);
    let mut second = Box::pin(deflate.inflate(payload.clone()));
    assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(memory);
    assert_eq!(second.await.unwrap().0, first);
    let (_, small) = deflate.inflate(HELLO.to_vec()).await.unwrap();
    assert_eq!(deflate.memory.available_permits(), 63, "what is not needed is given back");
    drop(small);
    assert!(deflate.inflate(vec![0xff; 9]).await.is_err());
    assert_eq!(deflate.memory.available_permits(), 64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_compressed_is_inflated_to_the_same(
        words in prop::collection::vec("[a-f]{1,8}", 0..400),
        noise in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let payload = [words.concat().into_bytes(), noise].concat();
        if let Some(compressed) = compress(&payload) {
            prop_assert!(compressed.len() < payload.len());
            prop_assert_eq!(inflate(&compressed, payload.len()).unwrap(), payload);
        }
    }

    #[test]
    fn no_bytes_make_inflating_panic_or_pass_the_limit(
        payload in prop::collection::vec(any::<u8>(), 0..500),
        max in 0_usize..5000,
    ) {
        if let Ok(inflated) = inflate(&payload, max) {
            prop_assert!(inflated.len() <= max);
        }
    }
}
