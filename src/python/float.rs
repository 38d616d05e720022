//! `repr(float)`.

/// The shortest text that reads back as `float`, in Python's notation: `1.0`, `1e+16`, `1e-05`, `nan`, `-inf`.
pub(crate) fn repr_float(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = shortest(float);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let decimals = mantissa.bytes().filter(u8::is_ascii_digit).count().saturating_sub(1);
    let decimals = i32::try_from(decimals).unwrap_or(0) - exponent;
    format!("{float:.*}", usize::try_from(decimals.max(1)).unwrap_or(1))
}

/// The shortest digits that read back as `float`, and of several the nearest, and of two as near the even one. Rust
/// takes the other one: 1234567890123450.25 prints as `.3`, in Python as `.2`.
fn shortest(float: f64) -> String {
    let shortest = format!("{float:e}");
    let digits = shortest.split('e').next().unwrap_or("").bytes().filter(u8::is_ascii_digit).count();
    let rounded = format!("{float:.*e}", digits.saturating_sub(1));
    if rounded.parse() == Ok(float) { rounded } else { shortest }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn floats_print_as_in_python() {
        for (float, text) in [
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (-0.0, "-0.0"),
            (0.0, "0.0"),
            (100.0, "100.0"),
            (0.1, "0.1"),
            (1e22, "1e+22"),
            (-2.5, "-2.5"),
            (1_234_567_890_123_450.0 + 0.25, "1234567890123450.2"),
            (1_234_567_890_123_450.0 + 0.75, "1234567890123450.8"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(repr_float(float), text);
        }
    }

    proptest! {
        #[test]
        fn every_float_reads_back(float in any::<f64>()) {
            prop_assert_eq!(repr_float(float).parse::<f64>().unwrap().to_bits(), float.to_bits());
        }
    }
}
