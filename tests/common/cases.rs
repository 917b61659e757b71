//! How often laws are tried; also for the unit tests.

/// How many cases a law is tried on: `few` of them, and as many times more as `PROPTEST_CASES` is
/// above 256, which is proptest's own number.
pub(crate) fn cases(few: u32) -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let asked: u64 = asked.and_then(|n| n.parse().ok()).unwrap_or(256);
    u32::try_from((u64::from(few) * asked).div_ceil(256)).unwrap_or(u32::MAX)
}
