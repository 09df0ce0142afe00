//! Compiled event manifests, as far as tests look at their bytes themselves.
#![expect(
    clippy::missing_panics_doc,
    reason = "what does not read as it should fails the test"
)]

use std::collections::BTreeMap;

use serde_json::Value;

/// A compiled manifest, or an image that holds one.
#[derive(Clone, Copy)]
pub struct Compiled<'a>(pub &'a [u8]);

impl Compiled<'_> {
    /// The number that stands at a place.
    pub fn number(self, place: usize, size: usize) -> usize {
        let mut wide = [0; 8];
        wide[..size].copy_from_slice(&self.0[place..place + size]);
        usize::try_from(u64::from_le_bytes(wide)).expect("small")
    }

    /// Where the definitions of the last table with this signature begin, after its head of so many bytes, and how many there are.
    pub fn table(self, signature: &[u8; 4], head: usize) -> (usize, usize) {
        let place = self.0.windows(4).rposition(|window| window == signature);
        let place = place.expect("a table");
        (place + head, self.number(place + 8, 4))
    }

    /// Where each template begins.
    pub fn templates(self) -> Vec<usize> {
        let (first, count) = self.table(b"TTBL", 12);
        let next = |place: &usize| Some(place + self.number(place + 4, 4));
        std::iter::successors(Some(first), next).take(count).collect()
    }

    /// The places of events' definitions.
    pub fn events(self) -> impl Iterator<Item = usize> {
        let (first, count) = self.table(b"EVNT", 16);
        (first..).step_by(48).take(count)
    }

    fn text(self, place: usize) -> String {
        let units = self.0[place..].chunks(2);
        let units = units.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        String::from_utf16(&units).expect("UTF-16")
    }

    /// The text of a manifest without channels, tasks and messages, as far as it left traces in what was made of it. `provider` is what
    /// somebody else reads in it.
    pub fn written_back(self, provider: &Value) -> String {
        let (attributes, _) = self.table(b"PRVA", 12);
        let (first, count) = self.table(b"KEYW", 12);
        let keywords: BTreeMap<usize, String> = (first..)
            .step_by(16)
            .take(count)
            .map(|place| (self.number(place, 8), self.text(self.number(place + 12, 4) + 4)))
            .collect();
        let declared = keywords
            .iter()
            .map(|(mask, name)| format!("<keyword name='{name}' mask='{mask:#x}'/>\n"));
        let declared = declared.collect::<Vec<String>>().concat();
        let template = |place: usize| {
            let fields = provider["templates"][place.to_string()]["fields"].as_array();
            let fields: String = fields.expect("fields").iter().map(field).collect();
            format!("<template tid='{place}'>\n{fields}</template>\n")
        };
        let templates: String = self.templates().into_iter().map(template).collect();
        let event = |place: usize| {
            assert_eq!(self.number(place + 4, 1), 4, "win:Informational");
            format!(
                "<event value='{}' version='{}' level='win:Informational' keywords='{}' template='{}'/>\n",
                self.number(place, 2),
                self.number(place + 2, 1),
                keywords[&self.number(place + 8, 8)],
                self.number(place + 20, 4),
            )
        };
        let events: String = self.events().map(event).collect();
        format!(
            "<instrumentationManifest xmlns='http://schemas.microsoft.com/win/2004/08/events'>
            <instrumentation><events>
            <provider name='{}' guid='{{{}}}' symbol='P' resourceFileName='' messageFileName=''>
            <channels/><tasks/>
            <keywords>\n{declared}</keywords>
            <templates>\n{templates}</templates>
            <events>\n{events}</events>
            </provider></events></instrumentation>
            <localization><resources culture='en-US'><stringTable/></resources></localization>
            </instrumentationManifest>",
            self.text(self.number(attributes + 4, 4)),
            provider["guid"].as_str().expect("a GUID"),
        )
    }
}

fn field(field: &Value) -> String {
    let kind = match field[1].as_u64() {
        Some(1) => "win:UnicodeString",
        Some(8) => "win:UInt32",
        Some(10) => "win:UInt64",
        Some(13) => "win:Boolean",
        Some(16) => "win:Pointer",
        other => panic!("a field of type {other:?}"),
    };
    format!("<data name={} inType='{kind}'/>\n", field[0])
}
