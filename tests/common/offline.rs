//! Whether tests may use the network; also for the unit tests.

/// Whether tests may fetch the default model; a packager without a network sets
/// `NEARWISE_TEST_OFFLINE` and runs the others.
pub(crate) fn may_fetch() -> bool {
    let offline = std::env::var_os("NEARWISE_TEST_OFFLINE").is_some_and(|v| !v.is_empty());
    if offline {
        eprintln!("NOT RUN: it needs the default model, and NEARWISE_TEST_OFFLINE is set");
    }
    !offline
}
