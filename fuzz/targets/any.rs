#![no_main]

mod reader;

// Packed or plain, of whatever format the first bytes say.
libfuzzer_sys::fuzz_target!(init: reader::quiet(), |bytes: &[u8]| reader::read_unnamed(bytes));
