//! The values that vectors give as `repr(value)`.

use super::super::value::Value;

/// The value whose `repr` this is; of the types that the vectors have.
pub(in super::super) fn value_from_repr(repr: &str) -> Value {
    let mut reader = Reader { rest: repr };
    let value = reader.value();
    assert_eq!(reader.rest, "", "{repr}");
    value
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self) -> Value {
        for (word, value) in [
            ("None", Value::Nil),
            ("True", Value::Bool(true)),
            ("False", Value::Bool(false)),
            ("inf", Value::Float(f64::INFINITY)),
        ] {
            if self.eat(word) {
                return value;
            }
        }
        if self.eat("{") {
            let mut entries = Vec::new();
            while !self.eat("}") {
                let key = self.value();
                assert!(self.eat(": "), "{}", self.rest);
                entries.push((key, self.value()));
                self.eat(", ");
            }
            return Value::Map(entries);
        }
        for (start, end) in [("[", "]"), ("(", ")")] {
            if self.eat(start) {
                let mut items = Vec::new();
                while !self.eat(end) {
                    items.push(self.value());
                    self.eat(", ");
                }
                return Value::Array(items);
            }
        }
        if self.eat("b'") {
            let text = self.text();
            return Value::Bytes(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect());
        }
        if self.eat("'") {
            return Value::Str(self.text());
        }
        let end = self.rest.find(|c: char| !"0123456789.-".contains(c)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        if number.contains('.') { Value::Float(number.parse().unwrap()) } else { Value::Int(number.parse().unwrap()) }
    }

    /// Up to and with the closing quote.
    fn text(&mut self) -> String {
        let mut text = String::new();
        loop {
            let end = self.rest.find(['\'', '\\']).unwrap();
            text.push_str(&self.rest[..end]);
            self.rest = &self.rest[end..];
            if self.eat("'") {
                return text;
            }
            assert!(self.eat("\\x"), "{}", self.rest);
            text.push(char::from(u8::from_str_radix(&self.rest[..2], 16).unwrap()));
            self.rest = &self.rest[2..];
        }
    }
}
