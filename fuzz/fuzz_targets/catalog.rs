#![no_main]

use evidence::CatalogIndex;
use evidence::CatalogIndexBuilder;
use evidence::Findings;
use evidence::Workspace;
use evidence::examine_catalog;
use gatehouse_fuzz::check_signature;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut workspace = Workspace::try_new(0).expect("memory");
    let mut findings = Findings::new();
    let Ok(catalog) = examine_catalog(bytes, &mut workspace, &mut findings) else {
        return;
    };
    catalog.signatures.iter().for_each(check_signature);
    let mut builder = CatalogIndexBuilder::new();
    builder.add("catalogue", &catalog).expect("memory");
    let index = builder.finish().expect("memory");
    let index = CatalogIndex::validate(&index).expect("our own index");
    let sound = catalog.signatures.iter().any(|signature| signature.fault.is_none());
    // One that is sound may still be too large to be kept.
    assert!(index.len() <= usize::from(sound));
});
