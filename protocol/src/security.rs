//! Who may open the control device.

/// The device's security descriptor in SDDL: full access for SYSTEM and Administrators, none for anyone else, nothing
/// inherited.
pub const SDDL: &str = "D:P(A;;GA;;;SY)(A;;GA;;;BA)";

/// [`SDDL`] as a self-relative `SECURITY_DESCRIPTOR`, with `GA` mapped to the rights of a file or device.
///
/// Source of the layout: Microsoft, \[MS-DTYP\] sections 2.4.6 (descriptor), 2.4.5 (ACL), 2.4.4.2 (ACE), 2.4.2.2 (SID).
#[rustfmt::skip]
pub const DESCRIPTOR: [u8; 72] = [
    // Descriptor: revision 1; control is self-relative, DACL protected, DACL present; no owner, group or SACL; DACL at 20.
    1, 0, 0x04, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0,
    // ACL: revision 2, 52 bytes, two entries.
    2, 0, 52, 0, 2, 0, 0, 0,
    // Access allowed, 20 bytes, FILE_ALL_ACCESS, S-1-5-18 (SYSTEM).
    0, 0, 20, 0, 0xff, 0x01, 0x1f, 0x00, 1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0,
    // Access allowed, 24 bytes, FILE_ALL_ACCESS, S-1-5-32-544 (Administrators).
    0, 0, 24, 0, 0xff, 0x01, 0x1f, 0x00, 1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0,
];

/// The security descriptor of the folder that the driver keeps its files in: as [`DESCRIPTOR`], and inherited by what is made there.
pub const FOLDER_DESCRIPTOR: [u8; 72] = inherited(DESCRIPTOR);

/// `OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE` in the flags of both entries, the second byte of each.
const fn inherited(descriptor: [u8; 72]) -> [u8; 72] {
    let mut bytes = descriptor;
    let (_, entries) = bytes.split_at_mut(28);
    if let [_, first, ..] = entries {
        *first = 3;
    }
    if let Some((_, [_, second, ..])) = entries.split_at_mut_checked(20) {
        *second = 3;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::String;
    use std::vec::Vec;

    fn u16_at(at: usize) -> usize {
        usize::from(u16::from_le_bytes([DESCRIPTOR[at], DESCRIPTOR[at + 1]]))
    }

    fn sid(bytes: &[u8]) -> String {
        let authority = bytes[2..8]
            .iter()
            .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let parts: Vec<String> = bytes[8..8 + 4 * usize::from(bytes[1])]
            .as_chunks::<4>()
            .0
            .iter()
            .map(|part| std::format!("-{}", u32::from_le_bytes(*part)))
            .collect();
        std::format!("S-{}-{authority}{}", bytes[0], parts.concat())
    }

    #[test]
    fn the_folders_descriptor_differs_in_what_is_inherited() {
        let differing: Vec<_> = (0..DESCRIPTOR.len())
            .filter(|at| DESCRIPTOR[*at] != FOLDER_DESCRIPTOR[*at])
            .collect();
        let acl = u16_at(16);
        let first = acl + 8;
        let second = first + u16_at(first + 2);
        assert_eq!(differing, [first + 1, second + 1]);
        assert!(differing.iter().all(|at| FOLDER_DESCRIPTOR[*at] == 0x03));
    }

    /// Reads the bytes as [MS-DTYP] says and finds just the two entries of the SDDL.
    #[test]
    fn the_descriptor_says_what_the_sddl_says() {
        let control = u16_at(2);
        assert_eq!(control & 0x8000, 0x8000, "self-relative");
        assert_eq!(control & 0x1000, 0x1000, "P: DACL protected");
        assert_eq!(control & 0x0014, 0x0004, "a DACL and no SACL");
        let acl = u16_at(16);
        assert_eq!(acl + u16_at(acl + 2), DESCRIPTOR.len());
        let mut at = acl + 8;
        let mut entries = Vec::new();
        for _ in 0..u16_at(acl + 4) {
            assert_eq!(&DESCRIPTOR[at..at + 2], [0, 0], "A, no flags");
            assert_eq!(DESCRIPTOR[at + 4..at + 8], 0x001f_01ff_u32.to_le_bytes());
            entries.push(sid(&DESCRIPTOR[at + 8..at + u16_at(at + 2)]));
            at += u16_at(at + 2);
        }
        assert_eq!(at, DESCRIPTOR.len());
        assert_eq!(entries, ["S-1-5-18", "S-1-5-32-544"]);
    }
}
