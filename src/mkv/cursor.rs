//! Steps from block to block through a segment (RFC 9559, 5.1.3). Purpose: one walk for playing,
//! opening and seeking. Levels need not be told apart for that: a Cluster's children follow its
//! head, and what follows its last child is known by its identifier; so a size that is not said,
//! as live recordings have it, does no harm. Bound: one element a step.

use crate::codec::container::{FileError, ReadAt};
use crate::codec::window::FileWindow;

use super::block::{BlockHead, BLOCK_HEAD_BYTES_MAX};
use super::element::{self, Element, NoElement};

pub(super) const EBML: u32 = 0x1a45_dfa3;
pub(super) const SEGMENT: u32 = 0x1853_8067;
pub(super) const CLUSTER: u32 = 0x1f43_b675;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const REFERENCE_BLOCK: u32 = 0xfb;

/// A block found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundBlock {
    pub(super) head: BlockHead,
    pub(super) key: bool,
    /// Its time in the segment's unit.
    pub(super) time: i64,
    /// Where what stands behind its head begins, and the first byte behind it.
    pub(super) data: u64,
    pub(super) end: u64,
}

/// What a step came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CursorStep {
    /// Nothing of interest.
    Passed,
    /// The cluster that begins here and ends there, if it says so.
    Cluster {
        at: u64,
        end: Option<u64>,
    },
    /// The cluster's time.
    Time(i64),
    Block(FoundBlock),
    End,
}

/// A place in a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    pub(super) at: u64,
    /// The first byte behind the segment; `u64::MAX` when it is not said.
    pub(super) end: u64,
    /// The time of the cluster it is in.
    pub(super) time: Option<i64>,
}

impl Cursor {
    pub(super) fn step(
        &mut self,
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
    ) -> Result<CursorStep, FileError> {
        if self.at >= self.end {
            return Ok(CursorStep::End);
        }
        let at = self.at;
        let element = match element::at(file, window, at)? {
            Some(Ok(element)) => element,
            // It ends here, whatever it says: in the middle of a block, as a rule.
            Some(Err(NoElement::Cut)) | None => return Ok(CursorStep::End),
            Some(Err(NoElement::Nonsense)) => {
                return Err(FileError::Broken { what: "no element starts there", at })
            }
        };
        if element.id == CLUSTER {
            (self.at, self.time) = (element.data, None);
            return Ok(CursorStep::Cluster { at, end: element.end() });
        }
        if matches!(element.id, EBML | SEGMENT) {
            return Ok(CursorStep::End);
        }
        let end = element
            .end()
            .filter(|end| *end <= self.end)
            .ok_or(FileError::Broken { what: "an element reaches beyond its segment", at })?;
        if end > file.size() {
            return Ok(CursorStep::End);
        }
        self.at = end;
        Ok(match element.id {
            TIMESTAMP => {
                let time = element::unsigned(file, window, element)?;
                let time = i64::try_from(time).unwrap_or(i64::MAX);
                self.time = Some(time);
                CursorStep::Time(time)
            }
            SIMPLE_BLOCK => CursorStep::Block(self.block(file, window, element, None)?),
            BLOCK_GROUP => self.group(file, window, element)?,
            _ => CursorStep::Passed,
        })
    }

    /// A block, of which a group knows whether it is a key frame.
    fn block(
        &self,
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        element: Element,
        key: Option<bool>,
    ) -> Result<FoundBlock, FileError> {
        let broken = |what| FileError::Broken { what, at: element.data };
        let bytes = element.bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
        let head = window.get(file, element.data, bytes.min(BLOCK_HEAD_BYTES_MAX))?;
        let head = BlockHead::parse(head).ok_or_else(|| broken("a block is too short"))?;
        let time = self.time.ok_or_else(|| broken("a block without its cluster's time"))?;
        Ok(FoundBlock {
            head,
            key: key.unwrap_or(head.is_key()),
            time: time.saturating_add(i64::from(head.time)),
            data: element.data.saturating_add(head.head_bytes as u64),
            end: element.end().unwrap_or(element.data),
        })
    }

    /// The block in a group: a key frame when it refers to no other.
    fn group(
        &self,
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        group: Element,
    ) -> Result<CursorStep, FileError> {
        let (mut block, mut refers) = (None, false);
        element::children(file, window, group, |_, _, child| {
            match child.id {
                BLOCK => block = block.or(Some(child)),
                REFERENCE_BLOCK => refers = true,
                _ => {}
            }
            Ok::<(), FileError>(())
        })?;
        let Some(block) = block else { return Ok(CursorStep::Passed) };
        Ok(CursorStep::Block(self.block(file, window, block, Some(!refers))?))
    }
}
