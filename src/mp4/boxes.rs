//! Boxes: the nested pieces a file is made of (ISO/IEC 14496-12, 4.2), read and written. Non-goals:
//! what is in them. Bound: nothing is kept; `MP4_BOXES_MAX` are looked at on one level.

use crate::base::limits::MP4_BOXES_MAX;
use crate::codec::container::FileError;

use super::view::FileView;

const HEAD_BYTES: u64 = 8;
const LARGE_HEAD_BYTES: u64 = 16;

/// Where a box stands, bytes from the beginning of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BoxHead {
    pub(super) kind: [u8; 4],
    /// Its first byte.
    pub(super) at: u64,
    /// The first byte behind its size and type.
    pub(super) body: u64,
    /// The first byte behind it.
    pub(super) end: u64,
}

/// A full box's version and flags (4.2.2), and where its fields begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct FullBox {
    pub(super) version: u8,
    pub(super) flags: u32,
    pub(super) fields: u64,
    pub(super) end: u64,
}

impl BoxHead {
    pub(super) fn full(&self, view: &mut FileView<'_>) -> Result<FullBox, FileError> {
        let [version, a, b, c] = view.array(self.body)?;
        let flags = u32::from_be_bytes([0, a, b, c]);
        let fields = self.body.saturating_add(4);
        if fields > self.end {
            return Err(FileError::Broken { what: "a box is too short", at: self.at });
        }
        Ok(FullBox { version, flags, fields, end: self.end })
    }

    /// The error that something is wrong with it.
    pub(super) const fn broken(&self, what: &'static str) -> FileError {
        FileError::Broken { what, at: self.at }
    }

    /// The boxes in it, the first of which stands `skip` bytes behind the body's beginning.
    pub(super) fn children(&self, skip: u64) -> Children {
        Children { at: self.body.saturating_add(skip), end: self.end, left: MP4_BOXES_MAX }
    }

    /// The first box of a kind in it.
    pub(super) fn child(
        &self,
        view: &mut FileView<'_>,
        kind: &[u8; 4],
    ) -> Result<Option<BoxHead>, FileError> {
        let mut children = self.children(0);
        while let Some(child) = children.next(view)? {
            if child.kind == *kind {
                return Ok(Some(child));
            }
        }
        Ok(None)
    }
}

/// The boxes in a box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Children {
    at: u64,
    end: u64,
    left: usize,
}

impl Children {
    /// The next box; `None` at the end, which QuickTime may mark by a size of 0, and behind
    /// `MP4_BOXES_MAX` of them.
    pub(super) fn next(&mut self, view: &mut FileView<'_>) -> Result<Option<BoxHead>, FileError> {
        if self.left == 0 || self.end.saturating_sub(self.at) < HEAD_BYTES {
            return Ok(None);
        }
        self.left -= 1;
        let (head, open) = read(view, self.at)?;
        if open {
            return Ok(None);
        }
        if head.end > self.end {
            return Err(head.broken("a box reaches beyond its parent"));
        }
        self.at = head.end;
        Ok(Some(head))
    }
}

/// The box at `at`, which stands in no other; `None` at the file's end. One that has no size
/// reaches to the file's end; one may announce more than the file has.
pub(super) fn top(view: &mut FileView<'_>, at: u64) -> Result<Option<BoxHead>, FileError> {
    let size = view.file.size();
    if size.saturating_sub(at) < HEAD_BYTES {
        return Ok(None);
    }
    let (head, open) = match read(view, at) {
        // A large box's head can be cut as well.
        Err(FileError::Truncated { .. }) => return Ok(None),
        read => read?,
    };
    Ok(Some(if open { BoxHead { end: size, ..head } } else { head }))
}

/// A box's head, and whether it leaves its size open.
fn read(view: &mut FileView<'_>, at: u64) -> Result<(BoxHead, bool), FileError> {
    let short = view.u32(at)?;
    let kind = view.array(at.saturating_add(4))?;
    let (head_bytes, size) = match short {
        1 => (LARGE_HEAD_BYTES, view.u64(at.saturating_add(HEAD_BYTES))?),
        _ => (HEAD_BYTES, u64::from(short)),
    };
    let open = short == 0;
    let end = at.checked_add(size).filter(|_| open || size >= head_bytes);
    let end = end.ok_or(FileError::Broken { what: "a box has an impossible size", at })?;
    Ok((BoxHead { kind, at, body: at.saturating_add(head_bytes), end }, open))
}

/// Appends a box to `out`; `fill` appends what is in it.
pub(super) fn put(out: &mut Vec<u8>, kind: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    fill(out);
    let size = u32::try_from(out.len() - at).expect("headers of a few kilobytes are written");
    if let Some(place) = out.get_mut(at..).and_then(|head| head.first_chunk_mut::<4>()) {
        *place = size.to_be_bytes();
    }
}

/// Appends a full box (4.2.2).
pub(super) fn put_full(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    put(out, kind, |out| {
        put_u32(out, u32::from(version) << 24 | flags);
        fill(out);
    });
}

/// Appends 32 bits.
pub(super) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}
