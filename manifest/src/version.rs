//! The version resource (`VS_VERSIONINFO`).

use crate::blob::Blob;
use crate::blob::terminated;
use crate::resource::LANGUAGE;

/// UTF-16.
const CODE_PAGE: u16 = 0x04b0;
/// `VS_FFI_SIGNATURE`, and the version of the structure.
const SIGNATURE: [u32; 2] = [0xfeef_04bd, 0x0001_0000];
/// `VS_FFI_FILEFLAGSMASK`.
const FLAGS_MASK: u32 = 0x3f;
/// `VOS_NT_WINDOWS32`, `VFT_DRV`, `VFT2_DRV_SYSTEM`.
const FILE_KIND: [u32; 3] = [0x0004_0004, 3, 7];

/// What the version resource of a driver says.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// Major, minor and patch level; the fourth number that Windows has is 0.
    pub numbers: [u16; 3],
    /// Who made it.
    pub company: &'a str,
    /// What it is.
    pub description: &'a str,
    /// The name of the file.
    pub file: &'a str,
    /// What it is called inside.
    pub internal: &'a str,
    /// Who may do what with it.
    pub copyright: &'a str,
    /// What it is a part of.
    pub product: &'a str,
}

impl Version<'_> {
    /// The resource.
    pub fn resource(&self) -> Vec<u8> {
        let [major, minor, patch] = self.numbers;
        let packed = [u32::from(major) << 16 | u32::from(minor), u32::from(patch) << 16];
        let text = format!("{major}.{minor}.{patch}.0");
        let strings = [
            ("CompanyName", self.company),
            ("FileDescription", self.description),
            ("FileVersion", &text),
            ("InternalName", self.internal),
            ("LegalCopyright", self.copyright),
            ("OriginalFilename", self.file),
            ("ProductName", self.product),
            ("ProductVersion", &text),
        ];
        let mut blob = Blob::default();
        node(&mut blob, "VS_VERSION_INFO", &Value::Fixed(packed), |blob| {
            node(blob, "StringFileInfo", &Value::None, |blob| {
                let table = format!("{LANGUAGE:04x}{CODE_PAGE:04x}");
                node(blob, &table, &Value::None, |blob| {
                    for (name, text) in strings {
                        node(blob, name, &Value::Text(text), |_| ());
                    }
                });
            });
            node(blob, "VarFileInfo", &Value::None, |blob| {
                node(blob, "Translation", &Value::Translation, |_| ());
            });
        });
        blob.finish()
    }
}

enum Value<'a> {
    None,
    /// `VS_FIXEDFILEINFO` of this version.
    Fixed([u32; 2]),
    Text(&'a str),
    Translation,
}

/// One structure of the tree: its length, its value's, whether that is text, its name, its value, its children.
fn node(blob: &mut Blob, name: &str, value: &Value<'_>, children: impl FnOnce(&mut Blob)) {
    blob.align(4);
    let from = blob.offset();
    let mut content = Blob::default();
    match value {
        Value::None => {}
        Value::Fixed(packed) => {
            let flags = [FLAGS_MASK, 0];
            let date = [0, 0];
            for number in [&SIGNATURE[..], packed, packed, &flags, &FILE_KIND, &date].concat() {
                content.dword(number);
            }
        }
        Value::Text(text) => content.units(terminated(text)),
        Value::Translation => content.units([LANGUAGE, CODE_PAGE]),
    }
    let content = content.finish();
    // A text's length is counted in units.
    let counted = match value {
        Value::Text(_) => content.len() / 2,
        _ => content.len(),
    };
    blob.word(0);
    blob.word(u16::try_from(counted).expect("a few words"));
    blob.word(u16::from(matches!(value, Value::Text(_) | Value::None)));
    blob.units(terminated(name));
    blob.align(4);
    blob.bytes(&content);
    children(blob);
    blob.set_word(from, u16::try_from(blob.offset() - from).expect("a few lines"));
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn the_tree_says_how_long_it_is_and_holds_the_version_twice() {
        let version = Version {
            numbers: [1, 2, 3],
            company: "C",
            description: "D",
            file: "f.sys",
            internal: "f",
            copyright: "L",
            product: "P",
        };
        let bytes = version.resource();
        assert_eq!(usize::from(u16::from_le_bytes([bytes[0], bytes[1]])), bytes.len());
        assert_eq!(bytes[2..6], [52, 0, 0, 0], "the fixed part is not text");
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        assert_eq!(number(40), 0xfeef_04bd);
        assert_eq!([number(48), number(52)], [0x0001_0002, 0x0003_0000]);
        assert_eq!([number(56), number(60)], [0x0001_0002, 0x0003_0000]);
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let text = String::from_utf16_lossy(&units);
        // Values begin at a multiple of four.
        let file_version = ["FileVersion", "1.2.3.0", ""]
            .join("\0")
            .replacen('\0', "\0\0", 1);
        for said in ["040904b0", &file_version, "OriginalFilename\0f.sys\0"] {
            assert!(text.contains(said), "{said} in {text:?}");
        }
        assert_eq!(bytes[bytes.len() - 4..], [0x09, 0x04, 0xb0, 0x04]);
    }
}
