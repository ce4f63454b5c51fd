//! Bits and NAL units as ISO/IEC 14496-10 writes them: u(v), ue(v), se(v), emulation prevention.

/// Writes bits, the most significant first.
#[derive(Clone, Debug, Default)]
pub struct Bits {
    bytes: Vec<u8>,
    /// Bits still free in the last byte.
    free: u32,
}

impl Bits {
    /// `width` bits of a value.
    pub fn put(&mut self, value: u64, width: u32) -> &mut Bits {
        for shift in (0..width).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(value >> shift & 1 == 1) << self.free;
            }
        }
        self
    }

    /// A flag.
    pub fn flag(&mut self, value: bool) -> &mut Bits {
        self.put(u64::from(value), 1)
    }

    /// ue(v) (9.1).
    pub fn ue(&mut self, value: u32) -> &mut Bits {
        let code = u64::from(value) + 1;
        let width = 64 - code.leading_zeros();
        self.put(0, width - 1).put(code, width)
    }

    /// se(v) (9.1.1).
    pub fn se(&mut self, value: i32) -> &mut Bits {
        let magnitude = value.unsigned_abs();
        self.ue(if value > 0 { 2 * magnitude - 1 } else { 2 * magnitude })
    }

    /// The bytes, the last one filled up with zeros.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The bytes of an RBSP: rbsp_trailing_bits behind the last.
    pub fn rbsp(&mut self) -> Vec<u8> {
        self.put(1, 1);
        self.bytes.clone()
    }
}

/// A NAL unit: header byte, and the payload with emulation prevention (7.4.1).
pub fn nal(header: u8, rbsp: &[u8]) -> Vec<u8> {
    let mut nal = vec![header];
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros >= 2 && byte <= 3 {
            nal.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        nal.push(byte);
    }
    nal
}
