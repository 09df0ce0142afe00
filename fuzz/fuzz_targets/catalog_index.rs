#![no_main]

use evidence::CatalogIndex;
use gatehouse_fuzz::check;
use gatehouse_fuzz::image;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(index) = CatalogIndex::read(bytes) {
        check(&image(&[]), Some(&index));
    }
});
