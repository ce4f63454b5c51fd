//! The names of profiles. Purpose: the API, `/stat` and the library's listing say the same of the
//! same stream. Bound: two tables.

use super::access_unit::{AacConfig, AvcConfig};

/// The name of an H.264 profile (ISO/IEC 14496-10, A.2), "" when it has none.
pub const fn h264_profile(profile_idc: u8, constraints: u8) -> &'static str {
    match (profile_idc, constraints & 0x40 != 0) {
        (66, true) => "Constrained Baseline",
        (66, false) => "Baseline",
        (77, _) => "Main",
        (88, _) => "Extended",
        (100, _) => "High",
        (110, _) => "High 10",
        (122, _) => "High 4:2:2",
        (244, _) => "High 4:4:4 Predictive",
        _ => "",
    }
}

/// The name of an AAC object type (ISO/IEC 14496-3, table 1.17), "" when it has none here; and
/// what the codec is called with it.
pub const fn aac_profile(object_type: u8) -> (&'static str, &'static str) {
    match object_type {
        1 => ("Main", "AAC Main"),
        2 => ("LC", "AAC-LC"),
        3 => ("SSR", "AAC SSR"),
        4 => ("LTP", "AAC LTP"),
        5 => ("HE", "HE-AAC"),
        29 => ("HEv2", "HE-AAC v2"),
        _ => ("", "AAC"),
    }
}

impl AvcConfig {
    /// Its profile's name, "" when it has none.
    pub const fn profile(&self) -> &'static str {
        h264_profile(self.profile_idc, self.constraints)
    }
}

impl AacConfig {
    /// Its profile's name, "" when it has none.
    pub const fn profile(&self) -> &'static str {
        aac_profile(self.object_type).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_have_the_names_that_encoders_use() {
        assert_eq!(h264_profile(66, 0xc0), "Constrained Baseline");
        assert_eq!((h264_profile(66, 0), h264_profile(100, 0)), ("Baseline", "High"));
        assert_eq!(h264_profile(1, 0), "");
        assert_eq!(aac_profile(2), ("LC", "AAC-LC"));
        assert_eq!(aac_profile(42), ("", "AAC"));
    }
}
