//! Pickle, as far as a user's id can be one: `int` of any size, `bool`, `str`, `float`, `None`, `UUID` and `bytes`, in
//! protocols 0 to 5 (CPython 3.11, `Modules/_pickle.c`).
//!
//! Unpickling runs whatever a pickle names. Here nothing is interpreted: the few callables that CPython's own pickler
//! writes for these types are known by name, and every other pickle is refused.

mod cursor;
mod read;
mod text;
mod write;

pub(crate) use read::{Refused, loads};
pub(crate) use write::{Unpicklable, dumps};

/// The highest protocol: Django's `pickle.HIGHEST_PROTOCOL` under Python 3.8 and later.
pub(crate) const HIGHEST_PROTOCOL: u8 = 5;

/// Opcodes, by their names in `Lib/pickle.py`.
mod op {
    pub(super) const MARK: u8 = b'(';
    pub(super) const STOP: u8 = b'.';
    pub(super) const FLOAT: u8 = b'F';
    pub(super) const BINFLOAT: u8 = b'G';
    pub(super) const INT: u8 = b'I';
    pub(super) const BININT: u8 = b'J';
    pub(super) const BININT1: u8 = b'K';
    pub(super) const BININT2: u8 = b'M';
    pub(super) const LONG: u8 = b'L';
    pub(super) const LONG1: u8 = 0x8a;
    pub(super) const LONG4: u8 = 0x8b;
    pub(super) const NONE: u8 = b'N';
    pub(super) const NEWTRUE: u8 = 0x88;
    pub(super) const NEWFALSE: u8 = 0x89;
    pub(super) const UNICODE: u8 = b'V';
    pub(super) const BINUNICODE: u8 = b'X';
    pub(super) const SHORT_BINUNICODE: u8 = 0x8c;
    pub(super) const BINUNICODE8: u8 = 0x8d;
    pub(super) const BINBYTES: u8 = b'B';
    pub(super) const SHORT_BINBYTES: u8 = b'C';
    pub(super) const BINBYTES8: u8 = 0x8e;
    pub(super) const GLOBAL: u8 = b'c';
    pub(super) const STACK_GLOBAL: u8 = 0x93;
    pub(super) const REDUCE: u8 = b'R';
    pub(super) const BUILD: u8 = b'b';
    pub(super) const NEWOBJ: u8 = 0x81;
    pub(super) const EMPTY_TUPLE: u8 = b')';
    pub(super) const TUPLE: u8 = b't';
    pub(super) const TUPLE1: u8 = 0x85;
    pub(super) const TUPLE2: u8 = 0x86;
    pub(super) const TUPLE3: u8 = 0x87;
    pub(super) const EMPTY_DICT: u8 = b'}';
    pub(super) const DICT: u8 = b'd';
    pub(super) const SETITEM: u8 = b's';
    pub(super) const SETITEMS: u8 = b'u';
    pub(super) const PUT: u8 = b'p';
    pub(super) const BINPUT: u8 = b'q';
    pub(super) const LONG_BINPUT: u8 = b'r';
    pub(super) const MEMOIZE: u8 = 0x94;
    pub(super) const GET: u8 = b'g';
    pub(super) const BINGET: u8 = b'h';
    pub(super) const LONG_BINGET: u8 = b'j';
    pub(super) const PROTO: u8 = 0x80;
    pub(super) const FRAME: u8 = 0x95;
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::{HIGHEST_PROTOCOL, dumps, loads};
    use crate::python::Value;

    fn integer() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::Int),
            (-70_000_i64..70_000).prop_map(Value::Int),
            prop::collection::vec(any::<u8>(), 9..300).prop_filter_map("fits 64 bits", |bytes| {
                let big = BigInt::from_signed_bytes_le(&bytes);
                i64::try_from(&big).is_err().then_some(Value::BigInt(big))
            }),
        ]
    }

    fn user_id() -> impl Strategy<Value = Value> {
        prop_oneof![
            integer(),
            any::<bool>().prop_map(Value::Bool),
            any::<f64>().prop_filter("equal to itself", |float| !float.is_nan()).prop_map(Value::Float),
            any::<String>().prop_map(Value::Str),
            ".{0,300}".prop_map(Value::Str),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
            any::<u128>().prop_map(|number| Value::Uuid(Uuid::from_u128(number))),
            Just(Value::None),
        ]
    }

    proptest! {
        #[test]
        fn what_was_pickled_reads_back(value in user_id(), protocol in 0..=HIGHEST_PROTOCOL) {
            let bytes = dumps(&value, protocol).unwrap();
            prop_assert_eq!(loads(&bytes).unwrap(), value);
        }

        #[test]
        fn bytes_after_the_pickle_are_ignored(value in user_id(), protocol in 0..=HIGHEST_PROTOCOL, rest: Vec<u8>) {
            let mut bytes = dumps(&value, protocol).unwrap();
            bytes.extend(rest);
            prop_assert_eq!(loads(&bytes).unwrap(), value);
        }

        #[test]
        fn a_pickle_cut_short_is_refused(value in user_id(), protocol in 0..=HIGHEST_PROTOCOL, at: prop::sample::Index) {
            let bytes = dumps(&value, protocol).unwrap();
            prop_assert!(loads(&bytes[..at.index(bytes.len())]).is_err());
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes: Vec<u8>) {
            let _ = loads(&bytes);
        }

        #[test]
        fn no_sequence_of_opcodes_makes_it_panic(
            bytes in prop::collection::vec(
                prop_oneof![prop::sample::select(b"(.FGIJKMLNVXBCcRb)t}dsupqrghj\x80\x81\x85\x86\x87\x88\x8a\x8b\x8c\x8d\x8e\x93\x94\x95".to_vec()), any::<u8>()],
                0..200,
            )
        ) {
            let _ = loads(&bytes);
        }

        #[test]
        fn a_damaged_pickle_does_not_make_it_panic(
            value in user_id(),
            protocol in 0..=HIGHEST_PROTOCOL,
            at: prop::sample::Index,
            byte: u8,
        ) {
            let mut bytes = dumps(&value, protocol).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = loads(&bytes);
        }
    }
}
