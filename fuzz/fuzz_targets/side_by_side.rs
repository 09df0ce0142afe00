#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| gatehouse_fuzz::check_side_by_side(file));
