#![no_main]

use sipolicy::Document;
use sipolicy::Knowledge;
use sipolicy::compile;
use sipolicy::diff;
use sipolicy::lint;
use sipolicy::merge;
use sipolicy::to_binary;
use std::sync::LazyLock;

static KNOWLEDGE: LazyLock<Knowledge> = LazyLock::new(Knowledge::built_in);

// A document in any form: read or refused; what was read can be worked on, and keeps its meaning on its way through XML.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = Document::read("fuzz", bytes) else {
        return;
    };
    let xml = document.to_xml();
    if let Ok(again) = Document::read("again", xml.as_bytes()) {
        assert_eq!(again.to_xml(), xml);
        assert!(diff(&document, &again).is_empty());
    }
    if let Ok(binary) = to_binary(&document, None) {
        let back = Document::read("binary", &binary.bytes).expect("what was written can be read");
        let twice = to_binary(&back, Some(binary.format)).expect("and written again");
        assert!(twice.bytes == binary.bytes);
    }
    let alone = std::slice::from_ref(&document);
    let _ = (compile(alone), lint(alone, &KNOWLEDGE));
    let _ = merge(&[document.clone(), document]);
});
