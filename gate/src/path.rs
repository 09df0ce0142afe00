//! The NT path under which a reported image can be opened again.

use crate::intake::Path;

/// The NT path for the name the kernel gave: `C:\...` becomes `\??\C:\...`, anything that starts with a backslash already is
/// one. `None` for an empty or relative name, which cannot be opened.
///
/// Windows 10 reports device paths; its module list has `\SystemRoot\...` and `\??\...`; older systems report whatever the
/// service's ImagePath said.
#[inline(never)]
pub fn openable(name: &[u16]) -> Option<Path> {
    let backslash = u16::from(b'\\');
    match name {
        [first, ..] if *first == backslash => Some(Path::new(name.iter().copied())),
        [_, colon, third, ..] if *colon == u16::from(b':') && *third == backslash => {
            Some(Path::new(r"\??\".encode_utf16().chain(name.iter().copied())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn opened(name: &str) -> Option<String> {
        let units: Vec<u16> = name.encode_utf16().collect();
        openable(&units).map(|path| String::from_utf16_lossy(path.units()))
    }

    #[test]
    fn names_as_kernels_report_them() {
        assert_eq!(
            opened(r"C:\windows\a.sys").as_deref(),
            Some(r"\??\C:\windows\a.sys")
        );
        for nt in [
            r"\SystemRoot\a.sys",
            r"\??\C:\a.sys",
            r"\Device\HarddiskVolume3\a.sys",
        ] {
            assert_eq!(opened(nt).as_deref(), Some(nt));
        }
        for not in ["", "a.sys", r"system32\a.sys", "C:"] {
            assert_eq!(opened(not), None);
        }
    }
}
