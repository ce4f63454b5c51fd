//! Short names for versions of what people edit. Purpose: a change says which version
//! it was made from (If-Match, RFC 9110, 13.1.1). Non-goal: proof against malice. Bound: a number.

/// A name for these bytes: FNV-1a with 64 bits (RFC 9923, 2). It tells versions apart that people
/// make; nobody gains anything from two that have the same.
pub fn of(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
