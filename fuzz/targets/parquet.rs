#![no_main]

mod reader;

libfuzzer_sys::fuzz_target!(
    init: {
        // The Parquet library panics on some files; the reader catches that and calls the file bad. The
        // hook that libfuzzer-sys sets would end the process before.
        std::panic::set_hook(Box::new(|_| {}));
    },
    |bytes: &[u8]| reader::read(nearwise::corpus::Format::Parquet, bytes)
);
