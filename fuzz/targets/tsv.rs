#![no_main]

mod reader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reader::read(nearwise::corpus::Format::Tsv, bytes));
