#![no_main]

mod reader;

libfuzzer_sys::fuzz_target!(init: reader::quiet(), |bytes: &[u8]| reader::read(nearwise::corpus::Format::Wiki, bytes));
