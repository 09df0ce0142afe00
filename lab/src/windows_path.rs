//! From a Windows path in the lab to the file behind it.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Result;
use anyhow::bail;

/// The host file for `path` (`C:\...`), below a run's `drive_c`. Components that exist are matched without regard to case,
/// as Windows does; those that do not exist are taken as they are written.
pub fn resolve(drive_c: &Path, path: &str) -> Result<PathBuf> {
    let Some(rest) = path.strip_prefix("C:\\").or_else(|| path.strip_prefix("c:\\")) else {
        bail!("{path} is not a path on the lab's drive C:");
    };
    let mut place = drive_c.to_owned();
    for component in rest.split('\\') {
        if component.is_empty() || component == "." || component == ".." {
            bail!("{path} is not a plain path: it has the component {component:?}");
        }
        place = place.join(existing_name(&place, component).unwrap_or_else(|| component.to_owned()));
    }
    Ok(place)
}

fn existing_name(folder: &Path, wanted: &str) -> Option<String> {
    let names = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.into_iter().find(|name| name.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use std::fs;

    #[test]
    fn existing_folders_are_found_whatever_their_case_and_new_names_are_kept() {
        let folder = std::env::temp_dir().join(format!("gatehouse-lab-path-{}", std::process::id()));
        fs::create_dir_all(folder.join("windows/System32")).unwrap();
        let place = resolve(&folder, r"C:\Windows\system32\New.sys").unwrap();
        assert_eq!(place, folder.join("windows/System32/New.sys"));
        assert!(resolve(&folder, r"C:\..\etc").is_err());
        assert!(resolve(&folder, r"D:\file").is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
