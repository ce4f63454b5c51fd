//! AMF0: a message that passes the check can be read to its end, within the limits.

use streamcaster::base::limits::{AMF_DEPTH_MAX, AMF_VALUES_MAX};
use streamcaster::rtmp::amf::{AmfReader, AmfValue, AmfWriter};

/// Reads an input as a message's values.
pub fn run(input: &[u8]) {
    let mut reader = match AmfReader::new(input) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut count = 0;
    while let Some(value) = reader.value() {
        walk(value, 0, &mut count);
        again(value);
    }
    assert!(count <= AMF_VALUES_MAX, "{count} values");
}

fn walk(value: AmfValue<'_>, depth: usize, count: &mut usize) {
    *count += 1;
    assert!(depth <= AMF_DEPTH_MAX);
    assert!(*count <= AMF_VALUES_MAX);
    match value {
        AmfValue::Object(properties) => {
            properties.for_each(|(_, value)| walk(value, depth + 1, count));
        }
        AmfValue::Array(values) => values.for_each(|value| walk(value, depth + 1, count)),
        _ => {}
    }
}

/// What can be written is read again as it was.
fn again(value: AmfValue<'_>) {
    let written = match value {
        AmfValue::Number(number) => AmfWriter::new().number(number),
        AmfValue::Boolean(boolean) => AmfWriter::new().boolean(boolean),
        AmfValue::Null => AmfWriter::new().null(),
        AmfValue::String(_) => match value.text().filter(|text| text.len() <= 0xffff) {
            Some(text) => AmfWriter::new().string(text),
            None => return,
        },
        _ => return,
    };
    let bytes = written.into_bytes();
    let read = AmfReader::new(&bytes).expect("our own message").value();
    let is_nan = value.number().is_some_and(f64::is_nan);
    assert!(read == Some(value) || is_nan, "{value:?} came back as {read:?}");
}
