//! The model of media that every writer packs and every reader is compared with: access units of
//! two tracks, with their times and key flags, as an encoder made them.

/// The tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// H.264.
    Video,
    /// AAC.
    Audio,
}

/// An access unit as its encoder made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// Its track.
    pub track: Track,
    /// Decoding time, 90 kHz.
    pub dts: i64,
    /// Presentation time, 90 kHz.
    pub pts: i64,
    /// A decoder can start here.
    pub key: bool,
    /// Video: NAL units without start codes, in order. Audio: one AAC frame without ADTS header.
    pub nals: Vec<Vec<u8>>,
}

impl AccessUnit {
    /// The payload as FLV, MP4 and the programme keep it: NAL units behind lengths of four bytes
    /// (ISO/IEC 14496-15, 5.3.4.2); an AAC frame as it is.
    pub fn payload(&self) -> Vec<u8> {
        match self.track {
            Track::Audio => self.nals.concat(),
            Track::Video => {
                let mut payload = Vec::new();
                for nal in &self.nals {
                    let length = u32::try_from(nal.len()).unwrap_or(u32::MAX);
                    payload.extend(length.to_be_bytes());
                    payload.extend(nal);
                }
                payload
            }
        }
    }
}

/// A recording: what a muxer is given.
#[derive(Clone, Debug, Default)]
pub struct Media {
    /// SPS and PPS, without start codes.
    pub parameter_sets: Vec<Vec<u8>>,
    /// AudioSpecificConfig; empty without sound.
    pub audio_config: Vec<u8>,
    /// Both tracks in the order of decoding time.
    pub units: Vec<AccessUnit>,
}
