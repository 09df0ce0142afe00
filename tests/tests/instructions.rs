//! The instructions of the gatehouse.sys that was built: none that the kernel cannot bear.

use std::collections::BTreeMap;
use std::fs;

use iced_x86::Code;
use iced_x86::Decoder;
use iced_x86::DecoderOptions;
use iced_x86::EncodingKind;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use object::LittleEndian as LE;
use object::pe;
use object::read::pe::PeFile64;

/// Every instruction of every executable section. Padding between functions decodes as breakpoints, and switch tables lie elsewhere,
/// so that one sweep from start to end stays in step.
fn instructions() -> Vec<Instruction> {
    let path = lab::build_driver().expect("the driver builds");
    let file = fs::read(path).expect("the built driver can be read");
    let image = PeFile64::parse(&*file).expect("a PE32+ image");
    let sections = image.section_table();
    let code = sections.iter().filter(|section| {
        section
            .characteristics
            .get(LE)
            .contains(pe::IMAGE_SCN_MEM_EXECUTE)
    });
    code.flat_map(|section| {
        let bytes = section.pe_data(&*file).expect("inside the file");
        let length = bytes.len().min(section.virtual_size.get(LE) as usize);
        let address = u64::from(section.virtual_address.get(LE));
        Decoder::with_ip(64, &bytes[..length], address, DecoderOptions::NONE)
            .into_iter()
            .collect::<Vec<_>>()
    })
    .collect()
}

/// The kernel saves the SSE registers of an interrupted thread, and nothing wider: an AVX instruction would corrupt whatever runs
/// beside the driver.
#[test]
fn none_touches_wide_vector_registers() {
    let instructions = instructions();
    assert!(instructions.len() > 10_000, "{} instructions", instructions.len());
    let invalid = instructions
        .iter()
        .filter(|one| one.code() == Code::INVALID)
        .count();
    assert_eq!(invalid, 0, "the sweep lost its step");
    let mut wide: BTreeMap<String, usize> = BTreeMap::new();
    for one in &instructions {
        if !matches!(one.code().encoding(), EncodingKind::Legacy | EncodingKind::D3NOW) {
            *wide.entry(format!("{:?}", one.mnemonic())).or_default() += 1;
        }
    }
    assert!(wide.is_empty(), "{wide:?}");
    // The sweep would have seen one: the SHA instructions, which need no more than SSE, are there.
    assert!(
        instructions
            .iter()
            .any(|one| one.mnemonic() == Mnemonic::Sha256rnds2)
    );
}
