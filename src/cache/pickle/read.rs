//! Reads those pickles and no others.

use num_bigint::BigInt;
use uuid::Uuid;

use super::{
    cursor::Cursor,
    op,
    text::{decimal, unescaped},
};
use crate::python::Value;

/// The longest pickle that is looked at. A user's id has no more.
const MAX_LENGTH: usize = 64 * 1024;
/// Entries on the stack and in the memo: the longest of our forms, a UUID in protocol 0, has 7 memoized.
const MAX_ENTRIES: usize = 32;

/// The bytes are no pickle of a user's id. What they are is not said, so that no log shows a cached value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cached value is no pickle of an int, bool, str, float, bytes, UUID or None")]
pub(crate) struct Refused;

/// `pickle.loads(bytes)`, for a pickle of a plain value; bytes after it are ignored, as Python does.
///
/// # Errors
///
/// [`Refused`] for anything else, whether Python could read it or not.
pub(crate) fn loads(bytes: &[u8]) -> Result<Value, Refused> {
    if bytes.len() > MAX_LENGTH {
        return Err(Refused);
    }
    let mut reader = Reader { bytes: Cursor { rest: bytes }, stack: Vec::new(), memo: Vec::new() };
    loop {
        if let Some(value) = reader.step()? {
            return Ok(value);
        }
    }
}

/// The callables that CPython's pickler names for these types.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Global {
    /// `uuid.UUID`
    Uuid,
    /// `copyreg._reconstructor`
    Reconstructor,
    /// `builtins.object`
    Object,
    /// `_codecs.encode`
    Encode,
    /// `builtins.bytes`
    Bytes,
}

impl Global {
    fn named(module: &[u8], name: &[u8]) -> Option<Self> {
        match (module, name) {
            (b"uuid", b"UUID") => Some(Self::Uuid),
            (b"copy_reg" | b"copyreg", b"_reconstructor") => Some(Self::Reconstructor),
            (b"__builtin__" | b"builtins", b"object") => Some(Self::Object),
            (b"_codecs", b"encode") => Some(Self::Encode),
            (b"__builtin__" | b"builtins", b"bytes") => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// An entry of the stack. Tuples hold atoms only, so that memoized entries cannot be nested until memory is gone.
#[derive(Clone)]
enum Entry {
    Atom(Atom),
    Mark,
    Tuple(Vec<Atom>),
    Dict(Vec<(Atom, Atom)>),
    /// `UUID.__new__(UUID)`, before its state is set.
    NewUuid,
}

#[derive(Clone)]
enum Atom {
    Value(Value),
    Global(Global),
}

struct Reader<'a> {
    bytes: Cursor<'a>,
    stack: Vec<Entry>,
    memo: Vec<(u32, Entry)>,
}

impl Reader<'_> {
    /// Executes one opcode; the value, once `STOP` is reached.
    fn step(&mut self) -> Result<Option<Value>, Refused> {
        match self.bytes.byte()? {
            op::STOP => return self.pop_value().map(Some),
            op::PROTO => self.protocol()?,
            op::FRAME => self.frame()?,
            op::NONE => self.push_value(Value::None)?,
            op::NEWTRUE => self.push_value(Value::Bool(true))?,
            op::NEWFALSE => self.push_value(Value::Bool(false))?,
            code @ (op::INT | op::LONG | op::BININT | op::BININT1 | op::BININT2 | op::LONG1 | op::LONG4) => {
                let value = self.integer(code)?;
                self.push_value(value)?;
            }
            code @ (op::FLOAT | op::BINFLOAT) => {
                let value = self.float(code)?;
                self.push_value(value)?;
            }
            code @ (op::UNICODE | op::BINUNICODE | op::SHORT_BINUNICODE | op::BINUNICODE8) => {
                let text = self.text(code)?;
                self.push_value(Value::Str(text))?;
            }
            code @ (op::BINBYTES | op::SHORT_BINBYTES | op::BINBYTES8) => {
                let length = match code {
                    op::SHORT_BINBYTES => self.bytes.byte()?.into(),
                    op::BINBYTES => self.bytes.length::<4>()?,
                    _ => self.bytes.length::<8>()?,
                };
                let bytes = self.bytes.take(length)?.to_vec();
                self.push_value(Value::Bytes(bytes))?;
            }
            op::MARK => self.push(Entry::Mark)?,
            op::EMPTY_TUPLE => self.push(Entry::Tuple(Vec::new()))?,
            op::TUPLE => {
                let atoms = self.pop_to_mark()?;
                self.push(Entry::Tuple(atoms))?;
            }
            code @ (op::TUPLE1 | op::TUPLE2 | op::TUPLE3) => self.short_tuple(usize::from(code - op::TUPLE1) + 1)?,
            op::EMPTY_DICT => self.push(Entry::Dict(Vec::new()))?,
            op::DICT => {
                let atoms = self.pop_to_mark()?;
                self.push(Entry::Dict(Vec::new()))?;
                self.set_items(atoms)?;
            }
            op::SETITEM => {
                let value = self.pop_atom()?;
                let key = self.pop_atom()?;
                self.set_items(vec![key, value])?;
            }
            op::SETITEMS => {
                let atoms = self.pop_to_mark()?;
                self.set_items(atoms)?;
            }
            op::GLOBAL => {
                let (module, name) = (self.bytes.line()?, self.bytes.line()?);
                let global = Global::named(module, name).ok_or(Refused)?;
                self.push(Entry::Atom(Atom::Global(global)))?;
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                let global = Global::named(module.as_bytes(), name.as_bytes()).ok_or(Refused)?;
                self.push(Entry::Atom(Atom::Global(global)))?;
            }
            op::REDUCE => self.reduce()?,
            op::NEWOBJ => match (self.pop_tuple()?.as_slice(), self.pop_atom()?) {
                ([], Atom::Global(Global::Uuid)) => self.push(Entry::NewUuid)?,
                _ => return Err(Refused),
            },
            op::BUILD => self.build()?,
            code @ (op::PUT | op::BINPUT | op::LONG_BINPUT | op::MEMOIZE) => self.put(code)?,
            code @ (op::GET | op::BINGET | op::LONG_BINGET) => self.get(code)?,
            _ => return Err(Refused),
        }
        Ok(None)
    }

    fn protocol(&mut self) -> Result<(), Refused> {
        if self.bytes.byte()? > super::HIGHEST_PROTOCOL { Err(Refused) } else { Ok(()) }
    }

    /// As CPython, asks only that the whole frame be there.
    fn frame(&mut self) -> Result<(), Refused> {
        if self.bytes.length::<8>()? > self.bytes.rest.len() { Err(Refused) } else { Ok(()) }
    }

    fn integer(&mut self, code: u8) -> Result<Value, Refused> {
        Ok(match code {
            op::BININT1 => Value::Int(self.bytes.byte()?.into()),
            op::BININT2 => Value::Int(u16::from_le_bytes(self.bytes.array()?).into()),
            op::BININT => Value::Int(i32::from_le_bytes(self.bytes.array()?).into()),
            op::LONG1 | op::LONG4 => {
                let length = if code == op::LONG1 { self.bytes.byte()?.into() } else { self.bytes.length::<4>()? };
                BigInt::from_signed_bytes_le(self.bytes.take(length)?).into()
            }
            op::INT => match self.bytes.line()? {
                b"01" => Value::Bool(true),
                b"00" => Value::Bool(false),
                line => decimal(line)?,
            },
            _ => {
                let line = self.bytes.line()?;
                decimal(line.strip_suffix(b"L").unwrap_or(line))?
            }
        })
    }

    fn float(&mut self, code: u8) -> Result<Value, Refused> {
        if code == op::BINFLOAT {
            return Ok(Value::Float(f64::from_be_bytes(self.bytes.array()?)));
        }
        let text = std::str::from_utf8(self.bytes.line()?).map_err(|_| Refused)?;
        text.parse().map(Value::Float).map_err(|_| Refused)
    }

    fn text(&mut self, code: u8) -> Result<String, Refused> {
        let length = match code {
            op::UNICODE => return unescaped(self.bytes.line()?),
            op::SHORT_BINUNICODE => self.bytes.byte()?.into(),
            op::BINUNICODE => self.bytes.length::<4>()?,
            _ => self.bytes.length::<8>()?,
        };
        String::from_utf8(self.bytes.take(length)?.to_vec()).map_err(|_| Refused)
    }

    fn short_tuple(&mut self, length: usize) -> Result<(), Refused> {
        let mut atoms = (0..length).map(|_| self.pop_atom()).collect::<Result<Vec<_>, _>>()?;
        atoms.reverse();
        self.push(Entry::Tuple(atoms))
    }

    fn set_items(&mut self, atoms: Vec<Atom>) -> Result<(), Refused> {
        let Some(Entry::Dict(items)) = self.stack.last_mut() else {
            return Err(Refused);
        };
        let mut atoms = atoms.into_iter();
        while let Some(key) = atoms.next() {
            items.push((key, atoms.next().ok_or(Refused)?));
        }
        if items.len() > MAX_ENTRIES { Err(Refused) } else { Ok(()) }
    }

    fn reduce(&mut self) -> Result<(), Refused> {
        let arguments = self.pop_tuple()?;
        let Atom::Global(callable) = self.pop_atom()? else {
            return Err(Refused);
        };
        match (callable, arguments.as_slice()) {
            (
                Global::Reconstructor,
                [Atom::Global(Global::Uuid), Atom::Global(Global::Object), Atom::Value(Value::None)],
            ) => self.push(Entry::NewUuid),
            (Global::Bytes, []) => self.push_value(Value::Bytes(Vec::new())),
            (Global::Encode, [Atom::Value(Value::Str(text)), Atom::Value(Value::Str(encoding))])
                if encoding == "latin1" =>
            {
                let bytes = text.chars().map(u8::try_from).collect::<Result<_, _>>().map_err(|_| Refused)?;
                self.push_value(Value::Bytes(bytes))
            }
            _ => Err(Refused),
        }
    }

    /// `UUID.__setstate__`: the number, and for UUIDs of version 1 perhaps `is_safe`, which no comparison looks at.
    fn build(&mut self) -> Result<(), Refused> {
        let (Some(Entry::Dict(state)), Some(Entry::NewUuid)) = (self.stack.pop(), self.stack.pop()) else {
            return Err(Refused);
        };
        let mut number = None;
        for (key, value) in state {
            match (key, value) {
                (Atom::Value(Value::Str(key)), Atom::Value(value)) if key == "int" => number = Some(value),
                (Atom::Value(Value::Str(key)), _) if key == "is_safe" => {}
                _ => return Err(Refused),
            }
        }
        let number = match number {
            Some(Value::Int(number)) => u128::try_from(number).map_err(|_| Refused)?,
            Some(Value::BigInt(number)) => u128::try_from(number).map_err(|_| Refused)?,
            _ => return Err(Refused),
        };
        self.push_value(Value::Uuid(Uuid::from_u128(number)))
    }

    fn put(&mut self, code: u8) -> Result<(), Refused> {
        let index = match code {
            op::MEMOIZE => u32::try_from(self.memo.len()).map_err(|_| Refused)?,
            _ => self.memo_index(code, op::PUT, op::BINPUT)?,
        };
        let entry = self.stack.last().ok_or(Refused)?.clone();
        self.memo.retain(|(known, _)| *known != index);
        self.memo.push((index, entry));
        if self.memo.len() > MAX_ENTRIES { Err(Refused) } else { Ok(()) }
    }

    fn get(&mut self, code: u8) -> Result<(), Refused> {
        let index = self.memo_index(code, op::GET, op::BINGET)?;
        let (_, entry) = self.memo.iter().find(|(known, _)| *known == index).ok_or(Refused)?;
        self.push(entry.clone())
    }

    fn memo_index(&mut self, code: u8, as_line: u8, as_byte: u8) -> Result<u32, Refused> {
        if code == as_line {
            let text = std::str::from_utf8(self.bytes.line()?).map_err(|_| Refused)?;
            text.parse().map_err(|_| Refused)
        } else if code == as_byte {
            Ok(self.bytes.byte()?.into())
        } else {
            Ok(u32::from_le_bytes(self.bytes.array()?))
        }
    }

    fn push(&mut self, entry: Entry) -> Result<(), Refused> {
        if self.stack.len() == MAX_ENTRIES {
            return Err(Refused);
        }
        self.stack.push(entry);
        Ok(())
    }

    fn push_value(&mut self, value: Value) -> Result<(), Refused> {
        self.push(Entry::Atom(Atom::Value(value)))
    }

    fn pop_atom(&mut self) -> Result<Atom, Refused> {
        if let Some(Entry::Atom(atom)) = self.stack.pop() { Ok(atom) } else { Err(Refused) }
    }

    fn pop_value(&mut self) -> Result<Value, Refused> {
        if let Atom::Value(value) = self.pop_atom()? { Ok(value) } else { Err(Refused) }
    }

    fn pop_text(&mut self) -> Result<String, Refused> {
        if let Value::Str(text) = self.pop_value()? { Ok(text) } else { Err(Refused) }
    }

    fn pop_tuple(&mut self) -> Result<Vec<Atom>, Refused> {
        if let Some(Entry::Tuple(atoms)) = self.stack.pop() { Ok(atoms) } else { Err(Refused) }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Atom>, Refused> {
        let mut atoms = Vec::new();
        loop {
            match self.stack.pop() {
                Some(Entry::Mark) => break,
                Some(Entry::Atom(atom)) => atoms.push(atom),
                _ => return Err(Refused),
            }
        }
        atoms.reverse();
        Ok(atoms)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_LENGTH, Refused, loads};
    use crate::python::Value;

    #[track_caller]
    fn refused(pickle: &[u8]) {
        assert_eq!(loads(pickle), Err(Refused));
    }

    #[test]
    fn a_pickle_that_names_a_function_is_refused() {
        refused(b"cos\nsystem\n(S'echo'\ntR.");
        refused(b"cos\nsystem\n(Vecho\ntR.");
        refused(b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x04echo\x94\x85\x94R.");
        refused(b"c_codecs\nencode\n(Vabc\nVidna\ntR.");
    }

    #[test]
    fn a_class_alone_is_no_value() {
        refused(b"cuuid\nUUID\n.");
        refused(b"\x80\x02cuuid\nUUID\n)\x81.");
    }

    #[test]
    fn lists_dicts_and_tuples_are_refused() {
        refused(b"\x80\x05]\x94.");
        refused(b"\x80\x05}\x94.");
        refused(b"\x80\x05).");
    }

    #[test]
    fn entries_cannot_be_doubled_until_memory_is_gone() {
        let mut pickle = b"\x80\x05K\x01\x85q\x00".to_vec();
        for _ in 0..1000 {
            pickle.extend(b"h\x00h\x00\x86q\x00");
        }
        pickle.push(b'.');
        refused(&pickle);
        refused(&vec![b'('; MAX_LENGTH]);
    }

    #[test]
    fn lengths_beyond_the_end_are_refused_without_being_reserved() {
        refused(b"\x80\x05\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.");
        refused(b"\x80\x05B\xff\xff\xff\xffabc.");
        refused(b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\xffK\x01.");
        refused(b"\x80\x05\x8b\xff\xff\xff\x7f\x01.");
    }

    #[test]
    fn a_number_longer_than_python_reads_is_refused() {
        let mut pickle = vec![b'L'];
        pickle.extend([b'9'; 4301]);
        pickle.extend(b"L\n.");
        refused(&pickle);
    }

    #[test]
    fn a_uuid_of_version_1_may_carry_is_safe() {
        let pickle = b"\x80\x03cuuid\nUUID\n)\x81}(X\x03\x00\x00\x00intK\x05X\x07\x00\x00\x00is_safeK\x00ub.";
        assert_eq!(loads(pickle), Ok(Value::Uuid(uuid::Uuid::from_u128(5))));
    }

    #[test]
    fn a_newer_protocol_is_refused() {
        refused(b"\x80\x06K\x01.");
    }
}
