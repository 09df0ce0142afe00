#![no_main]

use evidence::CatalogIndex;
use gatehouse_fuzz::check;
use gatehouse_fuzz::image;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Whatever validates, and whatever does not, is looked up without fault.
    let _ = CatalogIndex::validate(bytes);
    if let Some(index) = CatalogIndex::read(bytes) {
        check(&image(&[]), Some(&index));
    }
});
