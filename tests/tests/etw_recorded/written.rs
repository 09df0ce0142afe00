//! What the driver wrote to event tracing, read by the manifest alone.

use gatehouse_tests::event_manifest::attribute;
use gatehouse_tests::event_manifest::decode;
use gatehouse_tests::event_manifest::manifest;
use gatehouse_tests::event_manifest::named;
use gatehouse_tests::event_manifest::number;
use lab::faults::FaultReport;
use roxmltree::Document;
use serde_json::Value;
use std::collections::BTreeMap;

/// An event that was written, read by the manifest alone.
pub struct Written {
    pub id: u16,
    pub activity: String,
    pub fields: BTreeMap<String, Vec<u8>>,
}

impl Written {
    pub fn number(&self, field: &str) -> u64 {
        number(&self.fields[field])
    }

    pub fn text(&self, field: &str) -> String {
        let units = self.fields[field].chunks(2);
        let units: Vec<u16> = units.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    }

    pub fn hex(&self, field: &str) -> String {
        gatehouse_tests::hex(&self.fields[field])
    }
}

pub fn bytes(digits: &Value) -> Vec<u8> {
    let digits = digits.as_str().expect("digits");
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits"))
        .collect()
}

/// A text; none where there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Reads what was written; that each has the descriptor of the manifest's event.
pub fn read(report: &FaultReport) -> Vec<Written> {
    let manifest = manifest();
    let document = Document::parse(&manifest).expect("well-formed");
    let value = |kind: &'static str, key: &str, name: &str, wanted: &str| {
        let found = named(&document, kind)
            .into_iter()
            .find(|node| attribute(*node, key) == name);
        let text = attribute(found.expect("defined"), wanted);
        let digits = text.strip_prefix("0x");
        digits
            .map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16))
            .expect("a number")
    };
    let read = |record: &Value| {
        let descriptor = bytes(&record["descriptor"]);
        let id = u16::from_le_bytes([descriptor[0], descriptor[1]]);
        let node = named(&document, "event")
            .into_iter()
            .find(|node| attribute(*node, "value") == id.to_string())
            .expect("an event of the manifest");
        let level = match attribute(node, "level") {
            "win:Error" => 2,
            "win:Warning" => 3,
            "win:Informational" => 4,
            other => panic!("{other}"),
        };
        let keyword = value("keyword", "name", attribute(node, "keywords"), "mask");
        let expected = [
            number(
                attribute(node, "version")
                    .parse::<u8>()
                    .expect("a number")
                    .to_le_bytes()
                    .as_slice(),
            ),
            value("channel", "chid", attribute(node, "channel"), "value"),
            level,
            0,
            value("task", "name", attribute(node, "task"), "value"),
            // The first channel's.
            keyword | 1 << 63,
        ];
        let parts = [2..3, 3..4, 4..5, 5..6, 6..8, 8..16];
        let found = parts.map(|part| number(&descriptor[part]));
        assert_eq!(found, expected, "event {id}");
        assert!(record["related"].is_null());
        Written {
            id,
            activity: text(&record["activity"]).to_owned(),
            fields: decode(attribute(node, "template"), &bytes(&record["payload"])),
        }
    };
    report.tracing()["written"]
        .as_array()
        .expect("events")
        .iter()
        .map(read)
        .collect()
}
