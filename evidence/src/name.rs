//! Names in certificates, and the strings that they are made of.

use crate::der::Element;
use crate::der::SEQUENCE;
use crate::der::SET;
use crate::facts::Fact;
use crate::facts::Unreadable;
use crate::oid;
use crate::text::Text;

/// A distinguished name, as it stands with its tag and length. Equal if the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<'a>(pub(crate) &'a [u8]);

impl<'a> Name<'a> {
    /// The last common name in it, which is the most specific.
    pub(crate) fn common_name(&self) -> Fact<Text<'a>> {
        let Some((name, _)) = Element::split(self.0) else {
            return Fact::Unreadable(Unreadable::Malformed);
        };
        let value = name
            .reader()
            .filter_map(|set| set.tagged(SET))
            .flat_map(|set| set.reader())
            .filter_map(|attribute| {
                let mut parts = attribute.tagged(SEQUENCE)?.reader();
                (parts.oid()? == oid::COMMON_NAME).then(|| parts.any())?
            })
            .last();
        match value {
            None => Fact::Absent,
            Some(value) => text(&value).map_or(Fact::Unreadable(Unreadable::Malformed), Fact::Present),
        }
    }
}

/// The text of a DirectoryString and its older relatives.
pub(crate) fn text<'a>(element: &Element<'a>) -> Option<Text<'a>> {
    match element.tag {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString.
        0x0c | 0x12 | 0x13 | 0x16 | 0x1a => core::str::from_utf8(element.content)
            .ok()
            .map(Text::Utf8)
            .or(Some(Text::Latin1(element.content))),
        0x14 => Some(Text::Latin1(element.content)),
        0x1c => Some(Text::Utf32Be(element.content)),
        0x1e => Some(Text::Utf16Be(element.content)),
        _ => None,
    }
}
