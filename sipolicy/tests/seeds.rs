//! First inputs for the fuzz targets: generated policies in every form, written where `GATEHOUSE_CORPUS` says.

#[expect(
    dead_code,
    reason = "shared with the reference model's test, which uses all of it"
)]
mod model;

use model::Random;
use model::policies::generate;
use policy::PolicySet;
use sipolicy::Document;
use sipolicy::compile;
use sipolicy::to_binary;
use std::fs;
use std::path::Path;

/// What the target's evidence is made of.
const EVIDENCE: [u8; 64] = [0x41; 64];

#[test]
fn generated_policies_are_seeds_in_every_form() {
    let folder = std::env::var_os("GATEHOUSE_CORPUS");
    let mut random = Random::new(0x5eed_5eed_5eed_5eed);
    let mut made = 0;
    while made < 12 {
        let policies = generate(&mut random);
        let documents: Vec<Document> = policies
            .iter()
            .map(|policy| Document::read("seed.xml", policy.xml(&policies).as_bytes()).unwrap())
            .collect();
        let set = compile(&documents).unwrap();
        assert!(PolicySet::validate(&set).is_ok());
        // Small ones are the better seeds.
        if documents.is_empty() || set.len() > 8192 {
            continue;
        }
        made += 1;
        let Some(folder) = &folder else { continue };
        let write = |target: &str, name: String, bytes: &[u8]| {
            let folder = Path::new(folder).join(target);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), bytes).unwrap();
        };
        write(
            "policy_set",
            format!("set-{made}"),
            &[&EVIDENCE, &set[..]].concat(),
        );
        for (at, document) in documents.iter().enumerate() {
            write(
                "sipolicy_document",
                format!("xml-{made}-{at}"),
                document.to_xml().as_bytes(),
            );
            let binary = to_binary(document, None).unwrap();
            write("sipolicy_document", format!("binary-{made}-{at}"), &binary.bytes);
        }
    }
}
