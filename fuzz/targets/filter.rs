#![no_main]

use nearwise::Filter;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(filter) = Filter::parse(text) {
        // What was understood is written so that it is understood again.
        let again = Filter::parse(&filter.to_string()).expect("its own text form");
        assert_eq!(again, filter);
    }
});
