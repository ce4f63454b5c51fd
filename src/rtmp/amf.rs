//! AMF0 (Adobe, Action Message Format -- AMF 0, 2007). Purpose: read what commands carry without
//! a copy, and write what we answer. [`AmfReader::new`] walks the whole message first, so nothing
//! is looked at before depth, number of values and every length are known to be in order.
//!
//! Why not rml_amf0: it refuses a whole message for one date, long string, typed object or string
//! that is not UTF-8, recurses as deep as a peer likes, cannot write an ECMA array, and loses the
//! order of properties.
//!
//! Non-goals: AMF3, object references. Bound: [`AMF_DEPTH_MAX`], [`AMF_VALUES_MAX`]; reading
//! allocates nothing.

use std::fmt;

use crate::base::limits::{AMF_DEPTH_MAX, AMF_VALUES_MAX};

const NUMBER: u8 = 0x00;
const BOOLEAN: u8 = 0x01;
const STRING: u8 = 0x02;
const OBJECT: u8 = 0x03;
const NULL: u8 = 0x05;
const UNDEFINED: u8 = 0x06;
const REFERENCE: u8 = 0x07;
const ECMA_ARRAY: u8 = 0x08;
const OBJECT_END: u8 = 0x09;
const STRICT_ARRAY: u8 = 0x0A;
const DATE: u8 = 0x0B;
const LONG_STRING: u8 = 0x0C;
const UNSUPPORTED: u8 = 0x0D;
const XML: u8 = 0x0F;
const TYPED_OBJECT: u8 = 0x10;

/// Why a message's values cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmfError {
    /// It ends in the middle of a value.
    Truncated,
    /// Nested deeper than [`AMF_DEPTH_MAX`].
    Depth,
    /// More values than [`AMF_VALUES_MAX`].
    Values,
    /// A type AMF0 does not have, or has reserved.
    Marker {
        /// The type marker found.
        marker: u8,
        /// Its place in the message, bytes.
        offset: usize,
    },
}

impl fmt::Display for AmfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AmfError::Truncated => write!(f, "AMF values end too early"),
            AmfError::Depth => write!(f, "AMF values nested deeper than {AMF_DEPTH_MAX}"),
            AmfError::Values => write!(f, "more than {AMF_VALUES_MAX} AMF values in a message"),
            AmfError::Marker { marker, offset } => {
                write!(f, "unknown AMF type {marker:#04x} at byte {offset}")
            }
        }
    }
}

impl std::error::Error for AmfError {}

/// A value, borrowed from its message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AmfValue<'a> {
    /// Number marker.
    Number(f64),
    /// Boolean marker.
    Boolean(bool),
    /// String, long string and XML document markers: UTF-8 if the peer keeps to the rules.
    String(&'a [u8]),
    /// Object, typed object and ECMA array markers.
    Object(Properties<'a>),
    /// Strict array marker.
    Array(Values<'a>),
    /// Date marker: milliseconds since 1970, UTC.
    Date(f64),
    /// Null marker.
    Null,
    /// Undefined, unsupported and reference markers: nothing that could be used.
    Undefined,
}

impl<'a> AmfValue<'a> {
    /// The number, if it is one.
    pub fn number(self) -> Option<f64> {
        match self {
            AmfValue::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The text, if it is a string and UTF-8.
    pub fn text(self) -> Option<&'a str> {
        match self {
            AmfValue::String(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The property of that name, if it is an object that has it.
    pub fn get(self, name: &str) -> Option<AmfValue<'a>> {
        match self {
            AmfValue::Object(mut properties) => {
                properties.find_map(|(key, value)| (key == name.as_bytes()).then_some(value))
            }
            _ => None,
        }
    }
}

/// Reads a message's values one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AmfReader<'a> {
    values: Values<'a>,
}

impl<'a> AmfReader<'a> {
    /// Checks the whole message; what is read afterwards cannot fail.
    pub fn new(message: &'a [u8]) -> Result<AmfReader<'a>, AmfError> {
        let mut scan = AmfCursor::new(message);
        while !scan.rest.is_empty() {
            scan.value(0)?;
        }
        Ok(AmfReader { values: Values { bytes: message } })
    }

    /// The next value; `None` behind the last.
    pub fn value(&mut self) -> Option<AmfValue<'a>> {
        self.values.next()
    }

    /// The next value as a number.
    pub fn number(&mut self) -> Option<f64> {
        self.value()?.number()
    }

    /// The next value as text.
    pub fn text(&mut self) -> Option<&'a str> {
        self.value()?.text()
    }
}

/// Values behind one another, checked before: a message's or a strict array's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Values<'a> {
    type Item = AmfValue<'a>;

    fn next(&mut self) -> Option<AmfValue<'a>> {
        let mut cursor = AmfCursor::new(self.bytes);
        let value = cursor.value(0).ok()?;
        self.bytes = cursor.rest;
        Some(value)
    }
}

/// An object's properties in their order, checked before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Properties<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Properties<'a> {
    type Item = (&'a [u8], AmfValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut cursor = AmfCursor::new(self.bytes);
        let property = cursor.property(0).ok()??;
        self.bytes = cursor.rest;
        Some(property)
    }
}

/// Walks bytes nobody has checked. Recursion ends at [`AMF_DEPTH_MAX`].
struct AmfCursor<'a> {
    rest: &'a [u8],
    length: usize,
    values_left: usize,
}

impl<'a> AmfCursor<'a> {
    fn new(bytes: &'a [u8]) -> AmfCursor<'a> {
        AmfCursor { rest: bytes, length: bytes.len(), values_left: AMF_VALUES_MAX }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], AmfError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(AmfError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], AmfError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(AmfError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn short_string(&mut self) -> Result<&'a [u8], AmfError> {
        let length = u16::from_be_bytes(self.array()?);
        self.take(usize::from(length))
    }

    fn value(&mut self, depth: usize) -> Result<AmfValue<'a>, AmfError> {
        self.values_left = self.values_left.checked_sub(1).ok_or(AmfError::Values)?;
        let offset = self.length - self.rest.len();
        let [marker] = self.array()?;
        Ok(match marker {
            NUMBER => AmfValue::Number(f64::from_be_bytes(self.array()?)),
            BOOLEAN => AmfValue::Boolean(self.array()? != [0]),
            STRING => AmfValue::String(self.short_string()?),
            OBJECT => AmfValue::Object(self.properties(depth)?),
            TYPED_OBJECT => {
                self.short_string()?;
                AmfValue::Object(self.properties(depth)?)
            }
            ECMA_ARRAY => {
                // The count is a hint: the end marker decides (2.10).
                self.array::<4>()?;
                AmfValue::Object(self.properties(depth)?)
            }
            STRICT_ARRAY => AmfValue::Array(self.elements(depth)?),
            DATE => {
                let ms = f64::from_be_bytes(self.array()?);
                self.array::<2>()?;
                AmfValue::Date(ms)
            }
            LONG_STRING | XML => {
                let length = u32::from_be_bytes(self.array()?);
                AmfValue::String(self.take(length as usize)?)
            }
            NULL => AmfValue::Null,
            UNDEFINED | UNSUPPORTED => AmfValue::Undefined,
            REFERENCE => {
                self.array::<2>()?;
                AmfValue::Undefined
            }
            _ => return Err(AmfError::Marker { marker, offset }),
        })
    }

    /// A property, or `None` at the object's end (2.11).
    fn property(&mut self, depth: usize) -> Result<Option<(&'a [u8], AmfValue<'a>)>, AmfError> {
        let name = self.short_string()?;
        if name.is_empty() && self.rest.first() == Some(&OBJECT_END) {
            self.take(1)?;
            return Ok(None);
        }
        Ok(Some((name, self.value(depth)?)))
    }

    fn properties(&mut self, depth: usize) -> Result<Properties<'a>, AmfError> {
        let from = self.rest;
        let inside = deeper(depth)?;
        while self.property(inside)?.is_some() {}
        let bytes = from.get(..from.len() - self.rest.len()).unwrap_or_default();
        Ok(Properties { bytes })
    }

    fn elements(&mut self, depth: usize) -> Result<Values<'a>, AmfError> {
        let count = u32::from_be_bytes(self.array()?);
        let from = self.rest;
        let inside = deeper(depth)?;
        for _ in 0..count {
            self.value(inside)?;
        }
        let bytes = from.get(..from.len() - self.rest.len()).unwrap_or_default();
        Ok(Values { bytes })
    }
}

fn deeper(depth: usize) -> Result<usize, AmfError> {
    Some(depth + 1).filter(|&inside| inside <= AMF_DEPTH_MAX).ok_or(AmfError::Depth)
}

/// Writes values one after the other. What it writes is ours, so it need not be bounded.
#[derive(Clone, Debug, Default)]
pub struct AmfWriter {
    bytes: Vec<u8>,
}

impl AmfWriter {
    /// Nothing written yet.
    pub fn new() -> AmfWriter {
        AmfWriter::default()
    }

    /// A number.
    pub fn number(mut self, number: f64) -> AmfWriter {
        self.bytes.push(NUMBER);
        self.bytes.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// A boolean.
    pub fn boolean(mut self, boolean: bool) -> AmfWriter {
        self.bytes.extend_from_slice(&[BOOLEAN, u8::from(boolean)]);
        self
    }

    /// A string, or a long string if it is one.
    pub fn string(mut self, text: &str) -> AmfWriter {
        match u16::try_from(text.len()) {
            Ok(length) => {
                self.bytes.push(STRING);
                self.bytes.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                self.bytes.push(LONG_STRING);
                self.bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
            }
        }
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// Null.
    pub fn null(mut self) -> AmfWriter {
        self.bytes.push(NULL);
        self
    }

    /// Opens an object: [`key`](AmfWriter::key) and value in turn, then [`end`](AmfWriter::end).
    pub fn object(mut self) -> AmfWriter {
        self.bytes.push(OBJECT);
        self
    }

    /// Opens an ECMA array of `count` properties, written like an object's.
    pub fn ecma_array(mut self, count: u32) -> AmfWriter {
        self.bytes.push(ECMA_ARRAY);
        self.bytes.extend_from_slice(&count.to_be_bytes());
        self
    }

    /// The name of the property whose value comes next.
    pub fn key(mut self, name: &'static str) -> AmfWriter {
        debug_assert!(name.len() <= usize::from(u16::MAX), "names are our own");
        self.bytes.extend_from_slice(&(name.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self
    }

    /// Closes the object or ECMA array opened last.
    pub fn end(mut self) -> AmfWriter {
        self.bytes.extend_from_slice(&[0, 0, OBJECT_END]);
        self
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rml_rtmp::rml_amf0::{deserialize, Amf0Value};

    fn values(message: &[u8]) -> Vec<AmfValue<'_>> {
        let mut reader = AmfReader::new(message).unwrap();
        std::iter::from_fn(|| reader.value()).collect()
    }

    #[test]
    fn what_is_written_is_read_by_us_and_by_others() {
        let long = "x".repeat(70_000);
        let written = AmfWriter::new()
            .string("connect")
            .number(1.5)
            .object()
            .key("app")
            .string("live")
            .key("nested")
            .object()
            .key("deep")
            .boolean(true)
            .end()
            .end()
            .null();
        let bytes = written.clone().string(&long).into_bytes();
        let seen = values(&bytes);
        assert_eq!(seen[0].text(), Some("connect"));
        assert_eq!(seen[1].number(), Some(1.5));
        assert_eq!(seen[2].get("app").and_then(AmfValue::text), Some("live"));
        let deep = seen[2].get("nested").and_then(|nested| nested.get("deep"));
        assert_eq!(deep, Some(AmfValue::Boolean(true)));
        assert_eq!(seen[2].get("deep"), None);
        assert_eq!(seen[3], AmfValue::Null);
        assert_eq!(seen[4].text(), Some(long.as_str()));
        assert_eq!(seen.len(), 5);

        let theirs = deserialize(&mut &written.into_bytes()[..]).unwrap();
        assert_eq!(theirs[0], Amf0Value::Utf8String("connect".into()));
        let object = theirs[2].clone().get_object_properties().unwrap();
        assert_eq!(object["app"], Amf0Value::Utf8String("live".into()));
    }

    #[test]
    fn every_kind_of_value_is_read_or_read_past() {
        let mut bytes = vec![0x0B];
        bytes.extend(86_400_000_f64.to_be_bytes());
        bytes.extend([0, 60]);
        bytes.extend([0x0A, 0, 0, 0, 2, 5, 1, 1]);
        bytes.extend([0x08, 0, 0, 0, 99, 0, 1, b'k', 6, 0, 0, 9]);
        bytes.extend([0x10, 0, 2, b'T', b'y', 0, 1, b'a', 2, 0, 1, b'b', 0, 0, 9]);
        bytes.extend([0x07, 0, 1, 0x0D]);
        bytes.extend([0x0F, 0, 0, 0, 1, b'<', 2, 0, 1, 0xFF]);
        let seen = values(&bytes);
        assert_eq!(seen[0], AmfValue::Date(86_400_000.0));
        let AmfValue::Array(elements) = seen[1] else { panic!() };
        assert_eq!(elements.collect::<Vec<_>>(), [AmfValue::Null, AmfValue::Boolean(true)]);
        assert_eq!(seen[2].get("k"), Some(AmfValue::Undefined));
        assert_eq!(seen[3].get("a").and_then(AmfValue::text), Some("b"));
        assert_eq!(seen[4..6], [AmfValue::Undefined; 2]);
        assert_eq!(seen[6].text(), Some("<"));
        assert_eq!((seen[7], seen[7].text()), (AmfValue::String(&[0xFF]), None));
    }

    #[test]
    fn nesting_is_counted_not_followed() {
        let nested = |depth: usize| {
            let mut bytes = Vec::new();
            for _ in 0..depth {
                bytes.extend([OBJECT, 0, 1, b'o']);
            }
            bytes.push(NULL);
            bytes.extend([0, 0, OBJECT_END].repeat(depth));
            bytes
        };
        assert!(AmfReader::new(&nested(AMF_DEPTH_MAX)).is_ok());
        assert_eq!(AmfReader::new(&nested(AMF_DEPTH_MAX + 1)), Err(AmfError::Depth));
        assert_eq!(AmfReader::new(&nested(20_000)), Err(AmfError::Depth));
        let arrays = [STRICT_ARRAY, 0, 0, 0, 1].repeat(20_000);
        assert_eq!(AmfReader::new(&arrays), Err(AmfError::Depth));
    }

    #[test]
    fn values_are_counted_wherever_they_stand() {
        assert!(AmfReader::new(&[NULL; AMF_VALUES_MAX]).is_ok());
        assert_eq!(AmfReader::new(&[NULL; AMF_VALUES_MAX + 1]), Err(AmfError::Values));
        assert_eq!(AmfReader::new(&vec![NULL; 4_000_000]), Err(AmfError::Values));
        let mut array = vec![STRICT_ARRAY, 0, 0x3D, 9, 0];
        array.resize(4_000_000, NULL);
        assert_eq!(AmfReader::new(&array), Err(AmfError::Values));
        let object = [&[OBJECT][..], &[0, 0, NULL].repeat(500)].concat();
        assert_eq!(AmfReader::new(&object), Err(AmfError::Values));
    }

    #[test]
    fn a_message_cut_anywhere_inside_a_value_is_refused() {
        let whole = AmfWriter::new().ecma_array(1).key("key").number(1.0).end().into_bytes();
        for cut in 1..whole.len() {
            assert_eq!(AmfReader::new(&whole[..cut]), Err(AmfError::Truncated), "cut at {cut}");
        }
        assert!(AmfReader::new(&whole).is_ok());
        assert_eq!(AmfReader::new(&[STRING, 255, 255, b'a']), Err(AmfError::Truncated));
        assert_eq!(AmfReader::new(&[LONG_STRING, 255, 255, 255, 255]), Err(AmfError::Truncated));
        assert_eq!(
            AmfReader::new(&[NULL, 0x11]),
            Err(AmfError::Marker { marker: 0x11, offset: 1 })
        );
    }

    #[test]
    fn random_bytes_are_read_whole_once_they_passed_the_check() {
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut bytes = Vec::new();
            for _ in 0..6 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                bytes.extend(seed.to_le_bytes().map(|byte| byte % 17));
            }
            if let Ok(mut reader) = AmfReader::new(&bytes) {
                while reader.value().is_some() {}
                assert!(reader.values.bytes.is_empty());
            }
        }
    }
}
