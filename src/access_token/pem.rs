//! PEM, as far as the `VERIFYING_KEY` of a project goes.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One `-----BEGIN label-----` block.
pub(super) struct PemBlock<'a> {
    pub(super) label: &'a str,
    /// The decoded content; `None` where it is no base64.
    pub(super) content: Option<Vec<u8>>,
}

/// The blocks of `text` in order. Text around them, line lengths, indentation and header lines do not matter.
pub(super) fn blocks(text: &str) -> Vec<PemBlock<'_>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        rest = after;
        let Some((label, after)) = rest.split_once("-----") else { break };
        let Some((body, after)) = after.split_once(format!("-----END {label}-----").as_str()) else { continue };
        blocks.push(PemBlock { label, content: decode(body) });
        rest = after;
    }
    blocks
}

fn decode(body: &str) -> Option<Vec<u8>> {
    // Header lines such as `Proc-Type: 4,ENCRYPTED` end with an empty line.
    let base64 =
        if body.contains(':') { body.replace("\r\n", "\n").split_once("\n\n")?.1.to_owned() } else { body.to_owned() };
    BASE64.decode(base64.split_ascii_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Vec<(&str, Option<Vec<u8>>)> {
        blocks(text).into_iter().map(|block| (block.label, block.content)).collect()
    }

    #[test]
    fn layout_does_not_matter() {
        for text in [
            "-----BEGIN A-----\nQUJD\nQQ==\n-----END A-----\n",
            "hello\n-----BEGIN A-----\r\nQUJD\r\nQQ==\r\n-----END A-----junk",
            "-----BEGIN A-----QUJDQQ==-----END A-----",
            "  -----BEGIN A-----\n   QUJD QQ\n   -----END A-----",
            "-----BEGIN A-----\nFoo: bar\n\nQUJDQQ==\n-----END A-----",
        ] {
            assert_eq!(labels(text), [("A", Some(b"ABCA".to_vec()))], "{text}");
        }
    }

    #[test]
    fn blocks_that_do_not_end_are_none() {
        for text in ["", "-----BEGIN ", "-----BEGIN A-----\nQQ==", "-----BEGIN A-----\nQQ==\n-----END B-----"] {
            assert_eq!(labels(text), []);
        }
        assert_eq!(labels("-----BEGIN A-----\\nQQ==\\n-----END A-----"), [("A", None)]);
    }

    #[test]
    fn blocks_are_in_order() {
        let text = "-----BEGIN A-----\nQQ==\n-----END A-----\n-----BEGIN B C-----\n!\n-----END B C-----";
        assert_eq!(labels(text), [("A", Some(b"A".to_vec())), ("B C", None)]);
    }
}
