#![no_main]

use gatehouse_fuzz::check;
use gatehouse_fuzz::image;
use gatehouse_fuzz::table;

libfuzzer_sys::fuzz_target!(|message: &[u8]| check(&image(&table(message)), None));
