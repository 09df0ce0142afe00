//! The driver's service and its file: installing, removing, starting, stopping.

mod registry;
pub mod scm;

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use evidence::Options;
use protocol::SERVICE_NAME;
use protocol::install::DEPENDENCY;
use protocol::install::DESCRIPTION;
use protocol::install::DISPLAY_NAME;
use protocol::install::LOAD_ORDER_GROUP;
use protocol::install::VALUES;

use crate::args::Install;
use crate::driver::SystemError;
use crate::error::Error;
use crate::examination::examine_one;
use crate::files;
use crate::records::EvidenceRecord;
use crate::records::EvidenceStatus;
use crate::records::ServiceRecord;
use crate::service::scm::Config;
use crate::service::scm::Manager;
use crate::service::scm::Rights;
use crate::service::scm::Service;
use crate::service::scm::State;

const FILE_NAME: &str = "gatehouse.sys";

/// How long a driver may take to start or stop before we say that it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Far larger than any gatehouse.sys.
const MAX_IMAGE: usize = 64 << 20;

/// The machine that this command, and so the driver it can install, is built for.
const MACHINE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

/// Copies the driver's file where it belongs and registers the service.
pub fn install(arguments: &Install) -> Result<ServiceRecord, Error> {
    let home = driver_home()?;
    let (source, target) = match &arguments.driver_path {
        Some(path) => (absolute(path)?, absolute(path)?),
        None => (source(arguments.from.as_deref())?, home),
    };
    let image = driver_image(&source)?;
    let manager = Manager::open(Rights::Change).map_err(|error| failed("install the driver", error))?;
    let existing = find(&manager)?;
    if let Some(service) = &existing
        && state(service)? != State::Stopped
    {
        return Err(Error::Service {
            what: "install the driver".to_owned(),
            problem: "it is running; stop it first with `gatehouse stop`".to_owned(),
        });
    }
    if let Some(service) = &existing {
        must_be_ours(service, "install the driver")?;
    }
    let was_there = target.exists();
    if source != target {
        files::replace(&target, &image).map_err(|source| Error::Write {
            path: target.clone(),
            source,
        })?;
    }
    let config = Config {
        name: SERVICE_NAME,
        display_name: DISPLAY_NAME,
        description: DESCRIPTION,
        path: &target,
        group: arguments.group.as_deref().unwrap_or(LOAD_ORDER_GROUP),
        dependency: DEPENDENCY,
    };
    let registered = match &existing {
        Some(service) => service.configure(&config),
        None => manager.create(&config),
    };
    let registered = registered.and_then(|()| VALUES.iter().try_for_each(registry::write));
    registered.map_err(|error| {
        if source != target && !was_there {
            // What cannot be registered is not left lying about; the first failure is the one to tell.
            let _ = fs::remove_file(&target);
        }
        failed("register the service", error)
    })?;
    Ok(ServiceRecord::new("install", true, "stopped").with_path(&target))
}

/// Stops the driver, removes its service and the file that install copied.
pub fn uninstall() -> Result<ServiceRecord, Error> {
    let manager = Manager::open(Rights::Use).map_err(|error| failed("uninstall the driver", error))?;
    let Some(service) = find(&manager)? else {
        return Ok(ServiceRecord::new("uninstall", false, "not-installed"));
    };
    let path = must_be_ours(&service, "uninstall the driver")?;
    stop_and_wait(&service)?;
    service
        .delete()
        .map_err(|error| failed("delete the service", error))?;
    drop(service);
    let home = driver_home()?;
    // Compared as Windows compares names; a driver registered where it lies is left there.
    if path
        .to_string_lossy()
        .eq_ignore_ascii_case(&home.to_string_lossy())
        && home.exists()
    {
        fs::remove_file(&home).map_err(|source| Error::Write { path: home, source })?;
    }
    Ok(ServiceRecord::new("uninstall", true, "not-installed"))
}

/// Starts the driver and waits until it runs.
pub fn start() -> Result<ServiceRecord, Error> {
    let service = installed("start the driver")?;
    let changed = match service.start() {
        Ok(()) => true,
        Err(SystemError::SERVICE_ALREADY_RUNNING) => false,
        Err(error) => return Err(failed("start the driver", error)),
    };
    wait(&service, State::Running, "start the driver")?;
    Ok(ServiceRecord::new("start", changed, "running"))
}

/// Stops the driver and waits until it is unloaded.
pub fn stop() -> Result<ServiceRecord, Error> {
    let service = installed("stop the driver")?;
    let changed = stop_and_wait(&service)?;
    Ok(ServiceRecord::new("stop", changed, "stopped"))
}

fn stop_and_wait(service: &Service) -> Result<bool, Error> {
    let changed = match service.stop() {
        Ok(()) => true,
        Err(SystemError::SERVICE_NOT_ACTIVE) => false,
        Err(error) => return Err(failed("stop the driver", error)),
    };
    wait(service, State::Stopped, "stop the driver")?;
    Ok(changed)
}

fn wait(service: &Service, wanted: State, what: &str) -> Result<(), Error> {
    let begun = Instant::now();
    while state(service)? != wanted {
        if begun.elapsed() > PATIENCE {
            let problem = match wanted {
                State::Stopped => {
                    "it is still there: a program has its device open; close that program and try again"
                }
                _ => "it does not come up; look into the System event log",
            };
            return Err(Error::Service {
                what: what.to_owned(),
                problem: problem.to_owned(),
            });
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn state(service: &Service) -> Result<State, Error> {
    service
        .state()
        .map_err(|error| failed("ask for the service's state", error))
}

/// The service, if there is one.
fn find(manager: &Manager) -> Result<Option<Service>, Error> {
    match manager.service(SERVICE_NAME, Rights::Change) {
        Ok(service) => Ok(Some(service)),
        Err(SystemError::SERVICE_DOES_NOT_EXIST) => Ok(None),
        Err(error) => Err(failed("open the service", error)),
    }
}

fn installed(what: &str) -> Result<Service, Error> {
    let manager = Manager::open(Rights::Use).map_err(|error| failed(what, error))?;
    manager
        .service(SERVICE_NAME, Rights::Use)
        .map_err(|error| failed(what, error))
}

/// The service's file, unless the service belongs to a driver package: what a package made, only removing the package undoes.
fn must_be_ours(service: &Service, what: &str) -> Result<PathBuf, Error> {
    let path = service
        .path()
        .map_err(|error| failed("ask for the service's file", error))?;
    let place = path.to_string_lossy().to_ascii_lowercase();
    if place.contains(r"\driverstore\filerepository\") {
        return Err(Error::Service {
            what: what.to_owned(),
            problem: "it was installed as a driver package; find its oemNN.inf with `pnputil /enum-drivers` and remove it \
                      with `pnputil /delete-driver oemNN.inf /uninstall`"
                .to_owned(),
        });
    }
    Ok(path)
}

/// Where a driver's file belongs.
fn driver_home() -> Result<PathBuf, Error> {
    let system = scm::system_directory().map_err(|error| failed("find the system folder", error))?;
    Ok(system.join("drivers").join(FILE_NAME))
}

fn source(from: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(path) = from {
        return absolute(path);
    }
    let program = env::current_exe().map_err(|source| Error::Read {
        path: "gatehouse.exe".into(),
        source,
    })?;
    let beside = program.with_file_name(FILE_NAME);
    if !beside.exists() {
        return Err(Error::Usage(format!(
            "there is no {}; name the driver's file with --from",
            files::name(&beside)
        )));
    }
    Ok(beside)
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// The bytes of a driver of this machine. What cannot be one is found out here rather than at start; and since it is read only once, what is
/// installed is what was looked at.
fn driver_image(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = files::read(path, MAX_IMAGE)?;
    let wanted = examine_one(bytes.as_slice(), &Options::default(), None, |size, examined| {
        let evidence = EvidenceRecord::of_file(files::name(path), size, examined, None);
        evidence.status == EvidenceStatus::Ok
            && evidence.subsystem.as_deref() == Some("native")
            && evidence.machine.as_deref() == Some(MACHINE)
    });
    let wanted = wanted.map_err(|problem| Error::Read {
        path: path.to_owned(),
        source: std::io::Error::other(problem),
    })?;
    if wanted {
        return Ok(bytes);
    }
    Err(Error::Malformed {
        path: path.to_owned(),
        problem: format!("this is no {MACHINE} kernel driver; name the gatehouse.sys of this release"),
    })
}

/// What a failure of the service manager means, and what to do.
fn failed(what: &str, error: SystemError) -> Error {
    let advice = match error {
        SystemError::ACCESS_DENIED => {
            return Error::AccessDenied {
                what: format!("cannot {what}"),
            };
        }
        SystemError::SERVICE_DOES_NOT_EXIST => return Error::NotInstalled,
        SystemError::FILE_NOT_FOUND | SystemError::PATH_NOT_FOUND => {
            "; the driver's file is missing: run `gatehouse install` again"
        }
        SystemError::INVALID_IMAGE_HASH => {
            "; Windows does not accept the driver's signature: install a signed release, or switch test signing on on a \
             test machine (bcdedit /set testsigning on, then restart)"
        }
        SystemError::DRIVER_BLOCKED => "; a policy of Windows blocks the driver: allow it there first",
        SystemError::SERVICE_DISABLED => "; its start type was changed: run `gatehouse install` again",
        SystemError::SERVICE_MARKED_FOR_DELETE => {
            "; its removal is pending: close programs that show services, or restart Windows"
        }
        _ => "",
    };
    Error::Service {
        what: what.to_owned(),
        problem: format!("{error} (system error {}){advice}", error.0),
    }
}
