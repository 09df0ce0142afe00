//! The names under which the driver opens files.

use std::path::Path;

use crate::error::Error;

/// Beginnings of names that are NT paths already, as events show them.
const NT: [&str; 5] = [
    r"\??\",
    r"\Device\",
    r"\DosDevices\",
    r"\GLOBAL??\",
    r"\SystemRoot\",
];

/// The NT path of a file as the user named it: relative names are taken from the current folder.
///
/// # Errors
/// [`Error::Read`] when the current folder cannot be had, [`Error::Usage`] for a name that no file has.
pub fn nt_path(path: &Path) -> Result<Vec<u16>, Error> {
    let typed = wide(path);
    if NT.iter().any(|start| starts_with(&typed, start)) {
        return Ok(typed);
    }
    let absolute = std::path::absolute(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    from_win32(&wide(&absolute)).ok_or_else(|| {
        Error::Usage(format!(
            "{} is not the name of a file; name it as C:\\folder\\file.sys",
            crate::files::name(path)
        ))
    })
}

/// The NT path for an absolute Win32 path. Source of the forms: Microsoft, "File path formats on Windows systems".
fn from_win32(path: &[u16]) -> Option<Vec<u16>> {
    let tail = |start: &str| path.get(start.len()..).unwrap_or_default().to_vec();
    let nt = |start: &str, tail: Vec<u16>| start.encode_utf16().chain(tail).collect();
    if starts_with(path, r"\\?\") || starts_with(path, r"\\.\") {
        return Some(nt(r"\??\", tail(r"\\?\")));
    }
    if starts_with(path, r"\\") {
        return Some(nt(r"\??\UNC\", tail(r"\\")));
    }
    let [_, colon, slash, ..] = path else { return None };
    (*colon == u16::from(b':') && *slash == u16::from(b'\\')).then(|| nt(r"\??\", path.to_vec()))
}

/// Whether `path` starts so, in whatever case.
fn starts_with(path: &[u16], start: &str) -> bool {
    let lower = |unit: u16| u8::try_from(unit).map_or(unit, |byte| u16::from(byte.to_ascii_lowercase()));
    path.len() >= start.len()
        && path
            .iter()
            .zip(start.encode_utf16())
            .all(|(unit, expected)| lower(*unit) == lower(expected))
}

#[cfg(windows)]
fn wide(path: &Path) -> Vec<u16> {
    use std::os::windows::ffi::OsStrExt;
    path.as_os_str().encode_wide().collect()
}

/// Elsewhere there is no driver; tests talk to one that lives in their own process.
#[cfg(not(windows))]
fn wide(path: &Path) -> Vec<u16> {
    path.to_string_lossy().encode_utf16().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(path: &str) -> Option<String> {
        from_win32(&path.encode_utf16().collect::<Vec<_>>()).map(|nt| String::from_utf16_lossy(&nt))
    }

    #[test]
    fn win32_paths_become_nt_paths() {
        for (win32, nt) in [
            (r"C:\Windows\a.sys", r"\??\C:\Windows\a.sys"),
            (r"\\server\share\a.sys", r"\??\UNC\server\share\a.sys"),
            (r"\\?\C:\a.sys", r"\??\C:\a.sys"),
            (r"\\?\UNC\server\share\a.sys", r"\??\UNC\server\share\a.sys"),
            (r"\\.\C:\a.sys", r"\??\C:\a.sys"),
        ] {
            assert_eq!(converted(win32).as_deref(), Some(nt), "{win32}");
        }
        for not in ["", "a.sys", "C:a.sys", r"\a.sys"] {
            assert_eq!(converted(not), None, "{not}");
        }
    }

    #[test]
    fn nt_paths_are_taken_as_they_are() {
        for nt in [
            r"\??\C:\a.sys",
            r"\SystemRoot\system32\drivers\a.sys",
            r"\device\HarddiskVolume3\a.sys",
        ] {
            let units = nt_path(Path::new(nt)).expect("it is a path");
            assert_eq!(String::from_utf16_lossy(&units), nt);
        }
    }
}
