#![no_main]

mod reader;

use nearwise::corpus::{Format, ReadOptions, TableOptions};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // As it is, and as if all of it were rows.
    reader::read(Format::Csv, bytes);
    let options = ReadOptions {
        format: Some(Format::Csv),
        table: TableOptions {
            delimiter: Some(b';'),
            no_header: true,
        },
        ..ReadOptions::default()
    };
    reader::read_with(options, bytes);
});
