//! JSON of consumers written in Rust, as Channels' `AsyncJsonWebsocketConsumer` has it.

use std::io::{self, Write};

use serde::{Serialize, de::DeserializeOwned, de::Error as _};
use serde_json::{Error, Serializer, ser::Formatter};

use super::Frame;
use crate::python::repr_float;

/// `json.dumps(value)`: `", "`, `": "`, ASCII escapes. NaN and the infinities, which serde knows no JSON for, are `null`.
pub(super) fn dumps(value: &impl Serialize) -> Result<String, Error> {
    let mut out = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut out, Python))?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

impl Frame {
    /// `self.decode_json(text_data)`: the text as JSON.
    ///
    /// # Errors
    ///
    /// It is a binary message, or no JSON of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        match self {
            Self::Text(text) => serde_json::from_str(text),
            Self::Binary(_) => Err(Error::custom("No text section for incoming WebSocket frame!")),
        }
    }
}

/// How Python's `json` writes.
struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_f32<W: ?Sized + Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        self.write_f64(writer, value.into())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(repr_float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(start) = rest.find(|c: char| !matches!(c, ' '..='~')) {
            let (plain, others) = rest.split_at(start);
            writer.write_all(plain.as_bytes())?;
            let mut others = others.chars();
            for unit in others.next().into_iter().flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = others.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::python;

    #[test]
    fn json_is_written_as_python_writes_it() {
        let value = json!({
            "a": [1, -2, 18_446_744_073_709_551_615_u64, true, null],
            "é\u{7f}\"\\/\u{1}\n\u{8}": "🌊",
            "empty": [{}, []],
            "floats": [1.0, 1e16, 1e-7, 0.1, -0.0, 1e22],
        });
        let written = dumps(&value).unwrap();
        let expected = python::json::dumps(&python::json::loads_str(&value.to_string()).unwrap()).unwrap();
        assert_eq!(written, expected);
        assert_eq!(dumps(&f64::NAN).unwrap(), "null");
        assert_eq!(dumps(&("x", 1.5_f32)).unwrap(), r#"["x", 1.5]"#);
    }

    #[test]
    fn a_frame_is_read_as_json_if_it_is_a_text() {
        assert_eq!(Frame::Text("[1, 2]".to_owned()).json::<Vec<u8>>().unwrap(), [1, 2]);
        assert!(Frame::Text("{".to_owned()).json::<serde_json::Value>().is_err());
        assert!(Frame::Binary(b"[1]".to_vec()).json::<Vec<u8>>().is_err());
    }
}
