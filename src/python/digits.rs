//! Unicode decimal digits and white space as `int()` sees them (Unicode 14, `unicodedata` of CPython 3.11).

/// The zero of each run of ten decimal digits (category Nd) beyond ASCII, in order.
const ZEROS: [u32; 65] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0,
    0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0,
    0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// The ASCII digit that a decimal digit beyond ASCII stands for.
fn decimal(c: char) -> Option<u8> {
    let code = u32::from(c);
    let run = ZEROS.partition_point(|&zero| zero <= code).checked_sub(1)?;
    let digit = code - ZEROS[run];
    (digit < 10).then(|| b'0' + u8::try_from(digit).unwrap_or(0))
}

/// `str.isspace` of a character beyond ASCII.
pub(super) const fn is_wide_space(c: char) -> bool {
    matches!(
        c,
        '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// `text` with decimal digits and white space in ASCII and `?` for every other character beyond it.
/// Matches CPython, Objects/unicodeobject.c, `_PyUnicode_TransformDecimalAndSpaceToASCII`.
pub(super) fn to_ascii(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => byte,
            _ if is_wide_space(c) => b' ',
            _ => decimal(c).unwrap_or(b'?'),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_other_scripts_are_digits() {
        assert_eq!(to_ascii("\u{661}\u{662}१२\u{ff19}\u{1d7ff}\u{1fbf0}"), b"1212990");
    }

    #[test]
    fn other_characters_are_question_marks() {
        assert_eq!(to_ascii("½²\u{66a}\u{65f}\u{3000}\u{85}\u{180e}\u{1f}"), b"????  ?\x1f");
    }

    #[test]
    fn the_runs_are_in_order() {
        assert!(ZEROS.windows(2).all(|pair| pair[0] + 10 <= pair[1]));
    }
}
