//! The bytes that CPython's pickler writes.

use num_bigint::BigInt;
use uuid::Uuid;

use super::op;
use crate::python::{Value, repr_float};

/// A frame shorter than this is not written as one (`FRAME_SIZE_MIN`).
const FRAME_SIZE_MIN: usize = 4;

/// A value that is no user's id: a list, a dict, or a text with lone surrogates.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {kind} cannot be pickled here")]
pub(crate) struct Unpicklable {
    /// Python's name of the type.
    pub(crate) kind: &'static str,
}

/// `pickle.dumps(value, protocol)`, to the byte (of CPython's C pickler).
///
/// # Errors
///
/// [`Unpicklable`] for a list, a dict and a text with lone surrogates.
pub(crate) fn dumps(value: &Value, protocol: u8) -> Result<Vec<u8>, Unpicklable> {
    let mut writer = Writer { body: Vec::with_capacity(64), protocol, memoized: 0 };
    match value {
        Value::None => writer.body.push(op::NONE),
        Value::Bool(flag) => writer.bool(*flag),
        Value::Int(number) => writer.int(*number),
        Value::BigInt(number) => writer.big_int(number),
        Value::Float(number) => writer.float(*number),
        Value::Str(text) => writer.text(text),
        Value::Bytes(bytes) => writer.bytes(bytes),
        Value::Uuid(uuid) => writer.uuid(*uuid),
        Value::LoneSurrogates | Value::List(_) | Value::Dict(_) => return Err(Unpicklable { kind: value.type_name() }),
    }
    writer.body.push(op::STOP);
    Ok(writer.framed())
}

struct Writer {
    body: Vec<u8>,
    protocol: u8,
    memoized: u8,
}

impl Writer {
    fn framed(self) -> Vec<u8> {
        if self.protocol < 2 {
            return self.body;
        }
        let mut pickle = Vec::with_capacity(self.body.len() + 11);
        pickle.extend([op::PROTO, self.protocol]);
        if self.protocol >= 4 && self.body.len() >= FRAME_SIZE_MIN {
            pickle.push(op::FRAME);
            pickle.extend((self.body.len() as u64).to_le_bytes());
        }
        pickle.extend(self.body);
        pickle
    }

    fn bool(&mut self, flag: bool) {
        match (self.protocol, flag) {
            (0..=1, true) => self.body.extend(b"I01\n"),
            (0..=1, false) => self.body.extend(b"I00\n"),
            (_, true) => self.body.push(op::NEWTRUE),
            (_, false) => self.body.push(op::NEWFALSE),
        }
    }

    fn int(&mut self, number: i64) {
        let Ok(short) = i32::try_from(number) else {
            return self.big_int(&BigInt::from(number));
        };
        if self.protocol == 0 {
            self.body.push(op::INT);
            self.line(&short.to_string());
        } else if let Ok(byte) = u8::try_from(short) {
            self.body.extend([op::BININT1, byte]);
        } else if let Ok(word) = u16::try_from(short) {
            self.body.push(op::BININT2);
            self.body.extend(word.to_le_bytes());
        } else {
            self.body.push(op::BININT);
            self.body.extend(short.to_le_bytes());
        }
    }

    fn big_int(&mut self, number: &BigInt) {
        if self.protocol < 2 {
            self.body.push(op::LONG);
            return self.line(&format!("{number}L"));
        }
        let bytes = number.to_signed_bytes_le();
        if let Ok(length) = u8::try_from(bytes.len()) {
            self.body.extend([op::LONG1, length]);
        } else {
            self.body.push(op::LONG4);
            self.length(bytes.len());
        }
        self.body.extend(bytes);
    }

    fn float(&mut self, number: f64) {
        if self.protocol == 0 {
            self.body.push(op::FLOAT);
            self.line(&repr_float(number));
        } else {
            self.body.push(op::BINFLOAT);
            self.body.extend(number.to_be_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        match (self.protocol, u8::try_from(text.len())) {
            (0, _) => self.escaped_text(text),
            (4.., Ok(length)) => {
                self.body.extend([op::SHORT_BINUNICODE, length]);
                self.body.extend(text.as_bytes());
            }
            _ => {
                self.body.push(op::BINUNICODE);
                self.length(text.len());
                self.body.extend(text.as_bytes());
            }
        }
        self.memoize();
    }

    /// `raw-unicode-escape`, with the five characters besides that would end the line or the escape
    /// (`raw_unicode_escape` in `_pickle.c`).
    fn escaped_text(&mut self, text: &str) {
        self.body.push(op::UNICODE);
        for character in text.chars() {
            match u32::from(character) {
                code @ (0 | 0x0a | 0x0d | 0x1a | 0x5c | 0x100..=0xffff) => {
                    self.body.extend(format!("\\u{code:04x}").into_bytes());
                }
                code @ 0x10000.. => self.body.extend(format!("\\U{code:08x}").into_bytes()),
                code => self.body.extend(u8::try_from(code)),
            }
        }
        self.body.push(b'\n');
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.protocol >= 3 {
            if let Ok(length) = u8::try_from(bytes.len()) {
                self.body.extend([op::SHORT_BINBYTES, length]);
            } else {
                self.body.push(op::BINBYTES);
                self.length(bytes.len());
            }
            self.body.extend(bytes);
            return self.memoize();
        }
        // Python 2 had no such type: `bytes()`, or `codecs.encode(text, "latin1")`.
        if bytes.is_empty() {
            self.global("__builtin__", "bytes");
            self.empty_tuple();
        } else {
            self.global("_codecs", "encode");
            if self.protocol < 2 {
                self.body.push(op::MARK);
            }
            self.text(&bytes.iter().copied().map(char::from).collect::<String>());
            self.text("latin1");
            self.body.push(if self.protocol < 2 { op::TUPLE } else { op::TUPLE2 });
            self.memoize();
        }
        self.body.push(op::REDUCE);
        self.memoize();
    }

    /// `uuid.UUID`: a new object, and `{"int": ...}` as its state (`UUID.__getstate__`).
    fn uuid(&mut self, uuid: Uuid) {
        if self.protocol < 2 {
            self.global("copy_reg", "_reconstructor");
            self.body.push(op::MARK);
            self.global("uuid", "UUID");
            self.global("__builtin__", "object");
            self.body.extend([op::NONE, op::TUPLE]);
            self.memoize();
            self.body.push(op::REDUCE);
        } else {
            self.global("uuid", "UUID");
            self.body.extend([op::EMPTY_TUPLE, op::NEWOBJ]);
        }
        self.memoize();
        if self.protocol == 0 {
            self.body.extend([op::MARK, op::DICT]);
        } else {
            self.body.push(op::EMPTY_DICT);
        }
        self.memoize();
        self.text("int");
        match i64::try_from(uuid.as_u128()) {
            Ok(number) => self.int(number),
            Err(_) => self.big_int(&BigInt::from(uuid.as_u128())),
        }
        self.body.extend([op::SETITEM, op::BUILD]);
    }

    fn global(&mut self, module: &str, name: &str) {
        if self.protocol >= 4 {
            self.text(module);
            self.text(name);
            self.body.push(op::STACK_GLOBAL);
        } else {
            self.body.push(op::GLOBAL);
            self.line(module);
            self.line(name);
        }
        self.memoize();
    }

    fn empty_tuple(&mut self) {
        if self.protocol == 0 {
            self.body.extend([op::MARK, op::TUPLE]);
        } else {
            self.body.push(op::EMPTY_TUPLE);
        }
    }

    fn memoize(&mut self) {
        match self.protocol {
            0 => {
                self.body.push(op::PUT);
                self.line(&self.memoized.to_string());
            }
            1..=3 => self.body.extend([op::BINPUT, self.memoized]),
            _ => self.body.push(op::MEMOIZE),
        }
        self.memoized += 1;
    }

    fn line(&mut self, text: &str) {
        self.body.extend(text.as_bytes());
        self.body.push(b'\n');
    }

    /// Four bytes. A user's id does not reach 4 GiB, where CPython changes to eight.
    fn length(&mut self, length: usize) {
        self.body.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }
}
