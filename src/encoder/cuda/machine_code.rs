//! Which of the kernels' machine code a device gets.

/// Code and what it is for: ten times the compute capability that it was compiled for, or 0 for what
/// the driver chooses from or compiles itself.
pub(super) type Code = (u32, &'static [u8]);

/// What build.rs made of the kernels.
#[cfg(feature = "cuda")]
static KERNELS: &[Code] = &include!(concat!(env!("OUT_DIR"), "/kernels.rs"));

/// The kernels for a device of a compute capability.
#[cfg(feature = "cuda")]
pub(super) fn kernels(major: i32, minor: i32) -> Option<&'static [u8]> {
    choose(KERNELS, major, minor)
}

/// The newest code that a device runs, which is of its own major version and no newer than itself;
/// without such, what the driver makes something of.
fn choose(codes: &[Code], major: i32, minor: i32) -> Option<&'static [u8]> {
    let capability = u32::try_from(10 * major + minor).ok()?;
    let runs = |code: &&Code| code.0 / 10 == capability / 10 && code.0 <= capability;
    let best = codes.iter().filter(runs).max_by_key(|code| code.0);
    best.or_else(|| codes.iter().find(|code| code.0 == 0))
        .map(|code| code.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_gets_the_newest_code_that_it_runs() {
        const ALL: [Code; 6] = [
            (80, b"80"),
            (89, b"89"),
            (90, b"90"),
            (100, b"100"),
            (120, b"120"),
            (0, b"newer"),
        ];
        for (major, minor, code) in [
            (8, 0, "80"),
            (8, 6, "80"),
            (8, 9, "89"),
            (9, 0, "90"),
            (10, 0, "100"),
            (10, 3, "100"),
            (11, 0, "newer"),
            (12, 1, "120"),
            (13, 0, "newer"),
        ] {
            let chosen = choose(&ALL, major, minor);
            assert_eq!(chosen, Some(code.as_bytes()), "{major}.{minor}");
        }
        // One file for all, as nvcc makes it.
        assert_eq!(choose(&[(0, b"all")], 8, 6), Some(b"all".as_slice()));
        assert_eq!(choose(&ALL[..5], 7, 5), None);
    }
}
