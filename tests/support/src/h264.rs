//! An H.264 encoder's output without the pictures: parameter sets, slice headers and delimiters as
//! an encoder writes them, slice data made up. Every field that tells one picture from the next is
//! true, so that what takes a stream apart can be held against what was put together.

use fastrand::Rng;

use crate::bits::{nal, Bits};
use crate::units::{AccessUnit, Track};

/// How pictures state their order (7.3.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// pic_order_cnt_type 0.
    Lsb,
    /// pic_order_cnt_type 1, with differences in each slice.
    Cycle,
    /// pic_order_cnt_type 2.
    Decoding,
}

/// What kind of encoder it is.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// How pictures state their order. Only [`Order::Lsb`] has B pictures.
    pub order: Order,
    /// Pictures are fields, two to a frame.
    pub fields: bool,
    /// frame_mbs_only_flag; fields need it to be false.
    pub frames_only: bool,
    /// bottom_field_pic_order_in_frame_present_flag.
    pub bottom_order: bool,
    /// Slices of a picture.
    pub slices: u32,
    /// A delimiter before each access unit.
    pub delimiters: bool,
    /// B pictures between two others.
    pub b_pictures: i64,
    /// Pictures from one IDR to the next.
    pub gop: i64,
    /// The SPS tells the frame rate.
    pub timing: bool,
    /// How long frames last, 90 kHz, one after the other and round again.
    pub durations: Vec<i64>,
    /// SEI before pictures.
    pub sei: bool,
    /// Filler behind some pictures.
    pub filler: bool,
    /// Bytes of a slice's data, at most; IDR pictures are four times as large.
    pub slice_bytes: usize,
    /// IDR once, then recovery points with recovery_frame_cnt > 0.
    pub intra_refresh: bool,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder {
            order: Order::Lsb,
            fields: false,
            frames_only: true,
            bottom_order: false,
            slices: 1,
            delimiters: true,
            b_pictures: 0,
            gop: 25,
            timing: true,
            durations: vec![3600],
            sei: false,
            filler: false,
            slice_bytes: 300,
            intra_refresh: false,
        }
    }
}

const FRAME_NUM_BITS: u32 = 4;
const ORDER_BITS: u32 = 6;
const WIDTH_MBS: u32 = 20;
const HEIGHT_MBS: u32 = 12;

/// A picture, or the first of two fields.
struct Picture {
    idr: bool,
    refresh: bool,
    reference: bool,
    /// slice_type, all slices alike.
    kind: u32,
    frame_num: u64,
    idr_id: u32,
    /// Places behind the IDR in the order of display.
    order: i64,
}

impl Encoder {
    /// An encoder chosen by chance.
    pub fn random(rng: &mut Rng) -> Encoder {
        let order = match rng.u8(0..4) {
            0 => Order::Cycle,
            1 => Order::Decoding,
            _ => Order::Lsb,
        };
        let fields = rng.u8(0..5) == 0;
        let choices = [3600, 3000, 3003, 1800, 1500, 6000];
        let frame = choices.get(rng.usize(0..choices.len())).copied().unwrap_or(3600);
        Encoder {
            order,
            fields,
            frames_only: !fields && rng.bool(),
            bottom_order: rng.bool(),
            slices: rng.u32(1..=4),
            delimiters: rng.bool(),
            b_pictures: if order == Order::Lsb { rng.i64(0..=3) } else { 0 },
            gop: rng.i64(2..40),
            timing: rng.u8(0..4) > 0,
            durations: vec![frame],
            sei: rng.bool(),
            filler: rng.u8(0..4) == 0,
            slice_bytes: rng.usize(2..1500),
            intra_refresh: false,
        }
    }

    /// SPS and PPS.
    pub fn parameter_sets(&self) -> Vec<Vec<u8>> {
        vec![self.sps(), self.pps()]
    }

    /// So many frames, in the order of decoding, from this DTS on.
    pub fn encode(&self, frames: i64, start: i64, rng: &mut Rng) -> Vec<AccessUnit> {
        let durations = self.durations.iter().cycle();
        let mut times = vec![start];
        for duration in durations.take(usize::try_from(frames).unwrap_or(0)) {
            times.push(times.last().copied().unwrap_or(0) + duration);
        }
        let longest = self.durations.iter().max().copied().unwrap_or(0);
        let delay = if self.b_pictures > 0 { longest } else { 0 };
        let at = |frame: i64| usize::try_from(frame).ok().and_then(|n| times.get(n)).copied();
        let mut units = Vec::new();
        let (mut group, mut idr_id) = (0, 0);
        while group < frames {
            let end = frames.min(group + self.gop);
            for (shown, mut picture) in self.group(group, end, idr_id, rng) {
                if self.intra_refresh && group > 0 {
                    let refresh = picture.idr;
                    let order = picture.order + group;
                    picture = Picture { idr: false, refresh, kind: 5, order, ..picture };
                }
                let dts = at(i64::try_from(units.len()).unwrap_or(0)).unwrap_or(0);
                let pts = at(shown).unwrap_or(0) + delay;
                let nals = self.unit(&picture, rng);
                let key = picture.idr;
                units.push(AccessUnit { track: Track::Video, dts, pts, key, nals });
            }
            (group, idr_id) = (end, 1 - idr_id);
        }
        units
    }

    /// The pictures between two IDRs, each with the frame it shows.
    fn group(&self, from: i64, to: i64, idr_id: u32, rng: &mut Rng) -> Vec<(i64, Picture)> {
        let mut pictures = Vec::new();
        let mut references = 0u64;
        let mut add = |shown: i64, idr: bool, reference: bool| {
            let frame_num = references % (1 << FRAME_NUM_BITS);
            let kind = if idr {
                7
            } else if reference {
                5
            } else {
                6
            };
            let order = shown - from;
            references += u64::from(reference);
            pictures.push((
                shown,
                Picture { idr, refresh: false, reference, kind, frame_num, idr_id, order },
            ));
        };
        add(from, true, true);
        let mut next = from + 1;
        while next < to {
            let between = if next + self.b_pictures < to { self.b_pictures } else { 0 };
            let is_plain = self.order == Order::Lsb && between == 0 && rng.u8(0..6) == 0;
            add(next + between, false, !is_plain);
            for shown in next..next + between {
                add(shown, false, false);
            }
            next += between + 1;
        }
        pictures
    }

    fn unit(&self, picture: &Picture, rng: &mut Rng) -> Vec<Vec<u8>> {
        let mut nals = Vec::new();
        if self.delimiters {
            nals.push(vec![9, 0xf0]);
        }
        if picture.idr || picture.refresh {
            nals.extend(self.parameter_sets());
        }
        if picture.refresh {
            // recovery_frame_cnt 20, exact_match_flag, broken_link_flag, changing_slice_group_idc.
            let point = Bits::default().ue(20).put(0, 4).rbsp();
            let size = u8::try_from(point.len()).unwrap_or(u8::MAX);
            nals.push(nal(6, &[&[6, size], &point[..], &[0x80]].concat()));
        }
        if self.sei {
            let message: Vec<u8> = (0..rng.u8(1..40)).map(|_| rng.u8(0..4)).collect();
            let size = u8::try_from(message.len()).unwrap_or(u8::MAX);
            nals.push(nal(6, &[&[5, size], &message[..], &[0x80]].concat()));
        }
        if self.fields {
            for bottom in [false, true] {
                self.picture(picture, Some(bottom), &mut nals, rng);
            }
        } else {
            self.picture(picture, None, &mut nals, rng);
        }
        if self.filler && rng.bool() {
            nals.push([&[12][..], &vec![0xff; rng.usize(1..300)], &[0x80]].concat());
        }
        nals
    }

    /// The slices of a frame or a field.
    fn picture(
        &self,
        picture: &Picture,
        bottom: Option<bool>,
        nals: &mut Vec<Vec<u8>>,
        rng: &mut Rng,
    ) {
        // The second field of an IDR picture is a P field.
        let idr = picture.idr && bottom != Some(true);
        let kind = if picture.idr && !idr { 5 } else { picture.kind };
        let header = if picture.reference { 0x60 } else { 0 } | if idr { 5 } else { 1 };
        for slice in 0..self.slices {
            let mut bits = Bits::default();
            bits.ue(slice * WIDTH_MBS * HEIGHT_MBS / 2 / self.slices).ue(kind).ue(0);
            bits.put(picture.frame_num, FRAME_NUM_BITS);
            if !self.frames_only {
                bits.flag(bottom.is_some());
                if let Some(bottom) = bottom {
                    bits.flag(bottom);
                }
            }
            if idr {
                bits.ue(picture.idr_id);
            }
            let bottom_follows = self.bottom_order && bottom.is_none();
            match self.order {
                Order::Lsb => {
                    let order = 2 * picture.order + i64::from(bottom == Some(true));
                    let lsb = order.rem_euclid(1 << ORDER_BITS);
                    bits.put(u64::try_from(lsb).unwrap_or(0), ORDER_BITS);
                    if bottom_follows {
                        bits.se(1);
                    }
                }
                Order::Cycle => {
                    bits.se(i32::from(bottom == Some(true)));
                    if bottom_follows {
                        bits.se(-1);
                    }
                }
                Order::Decoding => {}
            }
            let most = if picture.idr { 4 * self.slice_bytes } else { self.slice_bytes };
            for _ in 0..rng.usize(1..=most) {
                // Zeros often, so that emulation prevention has something to do.
                let byte = if rng.u8(0..4) == 0 { rng.u8(0..4) } else { rng.u8(..) };
                bits.put(u64::from(byte), 8);
            }
            nals.push(nal(header, &bits.rbsp()));
        }
    }

    fn sps(&self) -> Vec<u8> {
        const MAIN: u64 = 77;
        const LEVEL_3: u64 = 30;
        let mut bits = Bits::default();
        bits.put(MAIN, 8).put(0, 8).put(LEVEL_3, 8).ue(0).ue(FRAME_NUM_BITS - 4);
        match self.order {
            Order::Lsb => {
                bits.ue(0).ue(ORDER_BITS - 4);
            }
            Order::Cycle => {
                bits.ue(1).flag(false).se(0).se(1).ue(1).se(2);
            }
            Order::Decoding => {
                bits.ue(2);
            }
        }
        let rows = if self.frames_only { HEIGHT_MBS } else { HEIGHT_MBS / 2 };
        bits.ue(4).flag(false).ue(WIDTH_MBS - 1).ue(rows - 1).flag(self.frames_only);
        if !self.frames_only {
            bits.flag(false);
        }
        bits.flag(true).flag(false).flag(self.timing);
        if self.timing {
            let frame = self.durations.first().copied().unwrap_or(3600);
            bits.put(0, 4).flag(true).put(u64::try_from(frame).unwrap_or(1), 32);
            bits.put(2 * 90_000, 32).flag(true).put(0, 4);
        }
        nal(0x67, &bits.rbsp())
    }

    fn pps(&self) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.ue(0).ue(0).flag(false).flag(self.bottom_order).ue(0).ue(0).ue(0).put(0, 3);
        bits.se(0).se(0).se(0).put(0, 3);
        nal(0x68, &bits.rbsp())
    }
}
