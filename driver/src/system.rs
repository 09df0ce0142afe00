//! What the driver looks up in the registry: the Windows folder, its own service, what starts with the system, safe mode.

use crate::kernel::modules::Modules;
use crate::kernel::registry::Key;
use crate::kernel::string::ascii;
use gate::Path;
use gate::host::NtStatus;

/// `STATUS_NO_MORE_ENTRIES`.
const NO_MORE_ENTRIES: NtStatus = NtStatus::from_bits(0x8000_001a);
/// `STATUS_OBJECT_NAME_NOT_FOUND`.
const NAME_NOT_FOUND: NtStatus = NtStatus::from_bits(0xc000_0034);
/// `STATUS_KEY_DELETED`.
const KEY_DELETED: NtStatus = NtStatus::from_bits(0xc000_017c);
/// `STATUS_OBJECT_PATH_NOT_FOUND`.
const PATH_NOT_FOUND: NtStatus = NtStatus::from_bits(0xc000_003a);

/// Most services looked at. Windows 11 has some 700.
const MAX_SERVICES: u32 = 8192;

/// `SERVICE_KERNEL_DRIVER` and `SERVICE_FILE_SYSTEM_DRIVER`.
const DRIVER_TYPES: core::ops::RangeInclusive<u32> = 1..=2;

/// `SERVICE_BOOT_START` and `SERVICE_SYSTEM_START`.
const STARTS_WITH_SYSTEM: core::ops::RangeInclusive<u32> = 0..=1;

const SYSTEM_ROOT: [u16; 12] = ascii(r"\SystemRoot\");
const SERVICES: [u16; 52] = ascii(r"\Registry\Machine\System\CurrentControlSet\Services\");
const IMAGE_PATH: [u16; 9] = ascii("ImagePath");

/// The Windows folder as a Win32 path, e.g. `C:\Windows`. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// What the kernel says.
#[inline(never)]
pub fn windows_folder() -> Result<Path, NtStatus> {
    const KEY: [u16; 62] = ascii(r"\Registry\Machine\Software\Microsoft\Windows NT\CurrentVersion");
    const VALUE: [u16; 10] = ascii("SystemRoot");
    Key::open(&KEY)?.text(&VALUE)
}

/// Whether Windows was started in safe mode, which leaves this value behind; taken to be so when that cannot be told.
///
/// IRQL: PASSIVE_LEVEL.
pub fn is_safe_mode() -> bool {
    const KEY: [u16; 66] = ascii(r"\Registry\Machine\System\CurrentControlSet\Control\SafeBoot\Option");
    const VALUE: [u16; 11] = ascii("OptionValue");
    is_set(Key::open(&KEY).and_then(|key| key.number(&VALUE))).unwrap_or(true)
}

/// Whether a switch is on; `None` for one that is there and cannot be read.
fn is_set(switch: Result<u32, NtStatus>) -> Option<bool> {
    match switch {
        Ok(value) => Some(value != 0),
        Err(NAME_NOT_FOUND | PATH_NOT_FOUND) => Some(false),
        Err(_) => None,
    }
}

/// The driver's own service.
pub struct Service {
    /// Its key, as DriverEntry got it.
    key: Path,
}

impl Service {
    /// The service with this key. IRQL: any.
    pub const fn new(key: &Path) -> Self {
        Self { key: *key }
    }

    /// Whether the administrator's kill switch is on: `DisableEnforcement` in `Parameters` is there and not 0; `None` when it cannot be
    /// read.
    ///
    /// IRQL: PASSIVE_LEVEL.
    pub fn is_killed(&self) -> Option<bool> {
        const PARAMETERS: [u16; 10] = ascii("Parameters");
        const VALUE: [u16; 18] = ascii("DisableEnforcement");
        is_set(Key::open(self.key.units()).and_then(|key| key.below(&PARAMETERS)?.number(&VALUE)))
    }

    /// Path of the driver's image; empty when it is not known. IRQL: PASSIVE_LEVEL.
    #[inline(never)]
    pub fn image(&self) -> Path {
        Key::open(self.key.units())
            .and_then(|key| key.text(&IMAGE_PATH))
            .map_or_else(|_| Path::new([]), |path| rooted(&path))
    }
}

/// The path of an image as services name it: what does not start at a root is below the Windows folder.
fn rooted(path: &Path) -> Path {
    let is_rooted = match path.units() {
        [first, ..] if *first == u16::from(b'\\') => true,
        [_, second, ..] => *second == u16::from(b':'),
        _ => true,
    };
    if is_rooted {
        *path
    } else {
        Path::new(SYSTEM_ROOT.iter().chain(path.units()).copied())
    }
}

/// Calls `visit` with the path of every kernel image that is loaded or starts with the system. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// What the kernel says; some may have been visited.
pub fn drivers_in_use(visit: &mut dyn FnMut(&Path)) -> Result<(), NtStatus> {
    Modules::snapshot()?.each(|image| visit(&image.path));
    drivers_started_with_system(visit)
}

/// Separate, so that the stack of the one does not stand under what `visit` takes in the other.
#[inline(never)]
fn drivers_started_with_system(visit: &mut dyn FnMut(&Path)) -> Result<(), NtStatus> {
    let services = Key::open(SERVICES.split_last().map_or(&[], |(_, key)| key))?;
    for index in 0..MAX_SERVICES {
        let name = match services.name_below(index) {
            Ok(name) => name,
            Err(NO_MORE_ENTRIES) => return Ok(()),
            Err(status) => return Err(status),
        };
        let found = services
            .below(name.units())
            .and_then(|service| started_with_system(&service, &name));
        match found {
            Ok(Some(path)) => visit(&path),
            Ok(None) => {}
            // A service that is deleted meanwhile, or is half made, starts nothing.
            Err(status) if is_absent(status) => {}
            Err(status) => return Err(status),
        }
    }
    Ok(())
}

/// Whether a key or value is not there, or not of the kind that the system would look at.
fn is_absent(status: NtStatus) -> bool {
    matches!(
        status,
        NAME_NOT_FOUND | PATH_NOT_FOUND | KEY_DELETED | NtStatus::OBJECT_NAME_INVALID
    )
}

/// The image of a service, if it is a driver that starts with the system.
#[inline(never)]
fn started_with_system(service: &Key, name: &Path) -> Result<Option<Path>, NtStatus> {
    const TYPE: [u16; 4] = ascii("Type");
    const START: [u16; 5] = ascii("Start");
    const DRIVERS: [u16; 29] = ascii(r"\SystemRoot\System32\drivers\");
    const EXTENSION: [u16; 4] = ascii(".sys");
    if !DRIVER_TYPES.contains(&service.number(&TYPE)?)
        || !STARTS_WITH_SYSTEM.contains(&service.number(&START)?)
    {
        return Ok(None);
    }
    match service.text(&IMAGE_PATH) {
        Ok(path) => Ok(Some(rooted(&path))),
        // Without a path it is the file of the service's name.
        Err(status) if is_absent(status) => Ok(Some(Path::new(
            DRIVERS.iter().chain(name.units()).chain(&EXTENSION).copied(),
        ))),
        Err(status) => Err(status),
    }
}
