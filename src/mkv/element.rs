//! EBML elements (RFC 8794, 4 to 6): an identifier, a size, and what that many bytes hold.
//! Purpose: step from one to the next in a file, and read the small values. Non-goals: checking a
//! schema. Bound: the caller's window.

use std::io;

use crate::base::limits::MKV_CHILDREN_MAX;
use crate::codec::container::ReadAt;
use crate::codec::window::FileWindow;

/// An identifier of at most four bytes and a size of at most eight.
const HEAD_BYTES_MAX: usize = 12;
/// The longest text read: a CodecID or DocType.
const TEXT_BYTES_MAX: usize = 64;

/// An element's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) id: u32,
    /// Where what it holds begins.
    pub(super) data: u64,
    /// How many bytes that is; `None` when it is not said, as in a recording under way.
    pub(super) bytes: Option<u64>,
}

impl Element {
    /// The first byte behind it, if it says its size.
    pub(super) fn end(&self) -> Option<u64> {
        self.data.checked_add(self.bytes?)
    }
}

/// A size or number of variable length (RFC 8794, 4) and its bytes; `None` when they are not all
/// there, or the first is 0.
pub(super) fn variable(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let length = 1 + usize::try_from(first.leading_zeros()).ok().filter(|zeros| *zeros < 8)?;
    let value = bytes.get(..length)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let ones = (1_u64 << (7 * length)) - 1;
    // All ones mean that the size is not known (RFC 8794, 6.2).
    Some((Some(value & ones).filter(|value| *value != ones), length))
}

/// The element at a place; `None` at the end of the file.
pub(super) fn at(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    at: u64,
) -> io::Result<Option<Result<Element, NoElement>>> {
    let head = window.get(file, at, HEAD_BYTES_MAX)?;
    if head.is_empty() {
        return Ok(None);
    }
    let cut = head.len() < HEAD_BYTES_MAX;
    Ok(Some(parse(at, head).ok_or(if cut { NoElement::Cut } else { NoElement::Nonsense })))
}

/// Why there is no element at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoElement {
    /// The file may end within its head.
    Cut,
    /// It is none.
    Nonsense,
}

fn parse(at: u64, head: &[u8]) -> Option<Element> {
    let first = *head.first()?;
    let id_bytes = 1 + usize::try_from(first.leading_zeros()).ok().filter(|zeros| *zeros < 4)?;
    let (id, rest) = head.split_at_checked(id_bytes)?;
    let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    let (bytes, size_bytes) = variable(rest)?;
    let data = at.checked_add(u64::try_from(id_bytes + size_bytes).ok()?)?;
    Some(Element { id, data, bytes })
}

/// Calls `take` with each element inside another, until it says no. One without a size, or one
/// that reaches out of its parent, ends the walk.
pub(super) fn for_children<E: From<io::Error>>(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    parent: Element,
    count_max: usize,
    mut take: impl FnMut(&mut dyn ReadAt, &mut FileWindow, Element) -> Result<bool, E>,
) -> Result<(), E> {
    let (mut place, Some(end)) = (parent.data, parent.end()) else { return Ok(()) };
    for _ in 0..count_max {
        if place >= end {
            break;
        }
        let Some(Ok(child)) = at(file, window, place)? else { break };
        let Some(next) = child.end().filter(|next| *next <= end) else { break };
        if !take(file, window, child)? {
            break;
        }
        place = next;
    }
    Ok(())
}

/// The children of an element whose number is small.
pub(super) fn children<E: From<io::Error>>(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    parent: Element,
    mut take: impl FnMut(&mut dyn ReadAt, &mut FileWindow, Element) -> Result<(), E>,
) -> Result<(), E> {
    for_children(file, window, parent, MKV_CHILDREN_MAX, |file, window, child| {
        take(file, window, child).map(|()| true)
    })
}

/// What an element holds, if that is no more than `bytes_max`.
pub(super) fn bytes<'a>(
    file: &mut dyn ReadAt,
    window: &'a mut FileWindow,
    element: Element,
    bytes_max: usize,
) -> io::Result<Option<&'a [u8]>> {
    let held = element.bytes.and_then(|bytes| usize::try_from(bytes).ok());
    let Some(held) = held.filter(|held| *held <= bytes_max) else { return Ok(None) };
    let bytes = window.get(file, element.data, held)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() == held))
}

/// An unsigned integer (RFC 8794, 7.2); 0 when it is none.
pub(super) fn unsigned(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    element: Element,
) -> io::Result<u64> {
    let bytes = bytes(file, window, element, 8)?.unwrap_or_default();
    Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// A floating-point number (RFC 8794, 7.3); 0 when it is none.
pub(super) fn float(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    element: Element,
) -> io::Result<f64> {
    let bytes = bytes(file, window, element, 8)?.unwrap_or_default();
    Ok(match (<[u8; 8]>::try_from(bytes), <[u8; 4]>::try_from(bytes)) {
        (Ok(double), _) => f64::from_be_bytes(double),
        (_, Ok(single)) => f64::from(f32::from_be_bytes(single)),
        _ => 0.0,
    })
}

/// A short text without the zeros it may end in (RFC 8794, 7.4); empty when it is none.
pub(super) fn text(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    element: Element,
) -> io::Result<heapless::String<TEXT_BYTES_MAX>> {
    let bytes = bytes(file, window, element, TEXT_BYTES_MAX)?.unwrap_or_default();
    let text = bytes.iter().take_while(|byte| byte.is_ascii_graphic());
    Ok(text.map(|byte| char::from(*byte)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        assert_eq!(variable(&[0x81]), Some((Some(1), 1)));
        assert_eq!(variable(&[0x40, 0x02, 9]), Some((Some(2), 2)));
        assert_eq!(variable(&[0x01, 0, 0, 0, 0, 0, 1, 0]), Some((Some(256), 8)));
        assert_eq!(variable(&[0xff]), Some((None, 1)));
        assert_eq!(variable(&[0x01, 255, 255, 255, 255, 255, 255, 255]), Some((None, 8)));
        assert_eq!(variable(&[0x01, 255, 255, 255, 255, 255, 255, 254]).unwrap().1, 8);
        assert_eq!((variable(&[0x40]), variable(&[0; 12]), variable(&[])), (None, None, None));
    }

    #[test]
    fn heads_are_read_and_nonsense_is_not() {
        let head = parse(100, &[0x1a, 0x45, 0xdf, 0xa3, 0x84, 0]).unwrap();
        assert_eq!((head.id, head.data, head.end()), (0x1a45_dfa3, 105, Some(109)));
        assert_eq!(parse(0, &[0xec, 0xff]).unwrap().bytes, None);
        assert_eq!(parse(0, &[0x0a, 0x45, 0xdf, 0xa3, 0x84]), None, "five bytes");
        assert_eq!(parse(0, &[0x42, 0x86]), None);
        assert_eq!(parse(u64::MAX, &[0xec, 0x81]), None);
    }
}
