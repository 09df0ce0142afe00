//! Kernel images that are not ours, for the runs to load: which there are, where they come from, how they behave in Wine.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::lab::Lab;
use crate::packages;
use crate::packages::PackagedDriver;
use crate::prefix;
use crate::services::DRIVERS;
use crate::stubs;
use crate::wine_root;

/// Where a subject's file comes from.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// Wine's own, in every prefix.
    Wine,
    /// A published package.
    Package(PackagedDriver),
}

/// What the subject's entry point does in Wine; either way the image was loaded and weighed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It accepts: the service runs.
    Accepts,
    /// It refuses: the service does not start, the image is unloaded again.
    Refuses,
    /// Windows's boot already started it, before any driver of ours.
    StartedAtBoot,
    /// It ends the process that hosts all drivers of the run, ours too. Such a subject is weighed by the live check only.
    Crashes,
}

/// A kernel image to be weighed.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// The file's name below `system32\drivers`.
    pub file: &'static str,
    /// Where the file comes from.
    pub origin: Origin,
    /// What happens when it is loaded.
    pub entry: Entry,
}

/// The subjects. Left out are those of Wine's drivers that have no entry point of their own or need a
/// device to start.
pub const SUBJECTS: [Subject; 15] = [
    wine("fltmgr.sys"),
    wine("http.sys"),
    wine("ksecdd.sys"),
    wine("mouhid.sys"),
    wine("ndis.sys"),
    wine("netio.sys"),
    wine("nsiproxy.sys"),
    wine("scsiport.sys"),
    wine("tdi.sys"),
    wine("usbd.sys"),
    wine("winehid.sys"),
    wine("winexinput.sys"),
    Subject {
        file: "mountmgr.sys",
        origin: Origin::Wine,
        entry: Entry::StartedAtBoot,
    },
    // Stops at the framework loader's stand-in.
    Subject {
        file: "WinDivert64.sys",
        origin: Origin::Package(packages::WINDIVERT),
        entry: Entry::Refuses,
    },
    // Insists on a stack cookie that Wine's loader does not set up in relocated drivers, and ends the process without one.
    Subject {
        file: "ViGEmBus.sys",
        origin: Origin::Package(packages::VIGEMBUS),
        entry: Entry::Crashes,
    },
];

const fn wine(file: &'static str) -> Subject {
    Subject {
        file,
        origin: Origin::Wine,
        entry: Entry::Accepts,
    }
}

/// The subject with this file name.
pub fn find(file: &str) -> Option<&'static Subject> {
    SUBJECTS.iter().find(|subject| subject.file == file)
}

impl Subject {
    /// The service's name: the file's, with a prefix so that it does not meet a service of Windows's own.
    pub fn service(&self) -> String {
        let stem = self.file.strip_suffix(".sys").unwrap_or(self.file);
        format!("subject-{}", stem.to_ascii_lowercase())
    }

    /// Whether a run can load it while the driver watches.
    pub fn is_loadable(&self) -> bool {
        matches!(self.entry, Entry::Accepts | Entry::Refuses)
    }

    /// Its path in the lab's Windows.
    pub fn path(&self) -> String {
        format!(r"{DRIVERS}\{}", self.file)
    }

    /// The file to copy into the lab, fetched if it comes from a package; Wine's own are there already.
    pub fn host_file(&self) -> Result<Option<PathBuf>> {
        match self.origin {
            Origin::Wine => Ok(None),
            Origin::Package(package) => package.fetch().map(Some),
        }
    }
}

/// Fills the cache with what a run needs besides the builds: the Windows and the subjects' files.
pub fn prepare() -> Result<()> {
    let root = wine_root::prepare()?;
    prefix::prepare(&root)?;
    for subject in &SUBJECTS {
        subject.host_file()?;
    }
    Ok(())
}

impl Lab {
    /// Puts the files of all subjects in place, with stand-ins for the modules that Wine lacks, and creates their services.
    pub fn install_subjects(&self) -> Result<()> {
        let mut fetched = Vec::new();
        for subject in &SUBJECTS {
            if let Some(file) = subject.host_file()? {
                self.put(&file, &subject.path())?;
                fetched.push(file);
            }
        }
        let root = wine_root::prepare()?;
        let builtin = root.join(wine_root::BUILTIN.trim_start_matches('/'));
        let fetched: Vec<_> = fetched.iter().map(PathBuf::as_path).collect();
        for stub in stubs::for_drivers(&fetched, |module| builtin.join(module).exists())? {
            let name = stub
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            // Modules with an extension of their own kind lie where drivers lie, the api sets where libraries do.
            let is_driver = stub.extension().is_some_and(|extension| extension == "sys");
            let folder = if is_driver {
                DRIVERS
            } else {
                r"C:\windows\system32"
            };
            self.write(&format!(r"{folder}\{name}"), &fs::read(&stub)?)?;
        }
        for subject in SUBJECTS
            .iter()
            .filter(|subject| subject.entry != Entry::StartedAtBoot)
        {
            self.create_service(&subject.service(), &subject.path())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Entry;
    use super::Origin;
    use super::SUBJECTS;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_enough_subjects_and_each_has_a_service_of_its_own() {
        let loaded = SUBJECTS
            .iter()
            .filter(|subject| subject.entry != Entry::Crashes)
            .count();
        assert!(loaded >= 8, "{loaded}");
        let services: BTreeSet<_> = SUBJECTS.iter().map(super::Subject::service).collect();
        assert_eq!(services.len(), SUBJECTS.len());
        assert!(
            SUBJECTS
                .iter()
                .any(|subject| matches!(subject.origin, Origin::Package(_)))
        );
    }
}
