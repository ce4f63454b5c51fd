//! `[appliance]`: the machine itself. Purpose: its name, which the page, the console and the network
//! know it by. Bound: one label of a host name.

use std::fmt;

use crate::base::limits::MACHINE_NAME_BYTES_MAX;

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplianceConfig {
    /// What it is called; without it the network's word for it counts.
    pub name: Option<MachineName>,
}

/// A machine's name: one label of a host name (RFC 1123, 2.1), in small letters, so that it is the
/// same wherever it is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MachineName {
    bytes: [u8; MACHINE_NAME_BYTES_MAX],
    length: usize,
}

impl MachineName {
    /// Takes a text that is one.
    pub fn parse(text: &str) -> Option<MachineName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let edges = text.starts_with('-') || text.ends_with('-');
        if text.is_empty() || edges || !text.bytes().all(plain) {
            return None;
        }
        let mut bytes = [0; MACHINE_NAME_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(MachineName { bytes, length: text.len() })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        // ASCII only, and no longer than its place.
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_label_of_a_host_name_in_small_letters() {
        let longest = "a".repeat(63);
        for name in ["a", "7", "studio-1", "x--y", &longest] {
            assert_eq!(
                MachineName::parse(name).map(|it| it.as_str().to_owned()).as_deref(),
                Some(name)
            );
        }
        let too_long = "a".repeat(64);
        for text in ["", "-", "-a", "a-", "Studio", "a b", "a.b", "a_b", "é", "a\n", &too_long] {
            assert_eq!(MachineName::parse(text), None, "{text:?}");
        }
    }
}
