//! Registered filters: coming, attaching to the volume, being called, going.

use std::ffi::c_void;
use std::ptr::from_ref;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use windows_sys::Wdk::Foundation::DRIVER_OBJECT;
use windows_sys::Wdk::Foundation::DRIVER_UNLOAD;
use windows_sys::Wdk::Foundation::FILE_OBJECT;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_CONTEXT_END;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_CONTEXT_REGISTRATION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_OPERATION_REGISTRATION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_REGISTRATION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_REGISTRATION_VERSION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_RELATED_OBJECTS;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLTFL_FILTER_UNLOAD_MANDATORY;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLTFL_INSTANCE_TEARDOWN_FILTER_UNLOAD;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::PFLT_FILTER_UNLOAD_CALLBACK;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::PFLT_INSTANCE_SETUP_CALLBACK;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::PFLT_INSTANCE_TEARDOWN_CALLBACK;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::PFLT_POST_OPERATION_CALLBACK;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::PFLT_PRE_OPERATION_CALLBACK;
use windows_sys::Win32::Foundation::STATUS_FLT_DELETING_OBJECT;
use windows_sys::Win32::Foundation::STATUS_INVALID_PARAMETER;
use windows_sys::Win32::Foundation::STATUS_OBJECT_NAME_NOT_FOUND;
use windows_sys::Win32::Foundation::STATUS_SUCCESS;
use windows_sys::Win32::Storage::InstallableFileSystems::FLT_FSTYPE_NTFS;
use windows_sys::core::PCSTR;

use crate::altitude::altitude;
use crate::kernel::exported;
use crate::names::text;
use crate::print;
use crate::steering;

/// IRP_MJ_OPERATION_END: closes a list of operations.
const OPERATION_END: u8 = 0x80;
/// FILE_DEVICE_DISK_FILE_SYSTEM.
const DISK_FILE_SYSTEM: u32 = 8;
/// FLTFL_INSTANCE_SETUP_AUTOMATIC_ATTACHMENT.
const AUTOMATIC_ATTACHMENT: u32 = 1;

/// Filters in the order of their altitudes, highest first: the order in which they are asked.
static FILTERS: Mutex<Vec<Arc<Filter>>> = Mutex::new(Vec::new());
/// The one volume; its address is the handle.
static VOLUME: u8 = 0;

/// A registered filter.
pub struct Filter {
    driver: *mut DRIVER_OBJECT,
    operations: Vec<Operation>,
    /// Kinds and sizes of its contexts.
    contexts: Vec<(u16, usize)>,
    setup: PFLT_INSTANCE_SETUP_CALLBACK,
    teardown: [PFLT_INSTANCE_TEARDOWN_CALLBACK; 2],
    unload: PFLT_FILTER_UNLOAD_CALLBACK,
    driver_unload: DRIVER_UNLOAD,
    altitude: String,
    started: AtomicBool,
    attached: AtomicBool,
    /// Callbacks that run and references that are held.
    uses: AtomicUsize,
    /// The instance on the volume; its address is the handle.
    instance: u8,
}

// SAFETY: the pointers are the driver's, which keeps them valid until it has unregistered.
unsafe impl Send for Filter {}
// SAFETY: as above; what changes is atomic.
unsafe impl Sync for Filter {}

impl Filter {
    fn handle(&self) -> isize {
        from_ref(self).expose_provenance().cast_signed()
    }

    /// The handle of its instance on the volume.
    pub fn instance(&self) -> isize {
        from_ref(&self.instance).expose_provenance().cast_signed()
    }

    /// The objects that go with a call about `file`.
    pub fn related(&self, file: *const FILE_OBJECT) -> FLT_RELATED_OBJECTS {
        FLT_RELATED_OBJECTS {
            Size: u16::try_from(size_of::<FLT_RELATED_OBJECTS>()).unwrap_or(0),
            TransactionContext: 0,
            Filter: self.handle(),
            Volume: from_ref(&VOLUME).expose_provenance().cast_signed(),
            Instance: self.instance(),
            FileObject: file,
            Transaction: null_mut(),
        }
    }

    /// Its callback before an operation.
    pub fn before(&self, major: u8) -> PFLT_PRE_OPERATION_CALLBACK {
        self.operation(major).and_then(|operation| operation.before)
    }

    /// Its callback after an operation.
    pub fn after(&self, major: u8) -> PFLT_POST_OPERATION_CALLBACK {
        self.operation(major).and_then(|operation| operation.after)
    }

    fn operation(&self, major: u8) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.major == major)
    }
}

/// An operation that a filter is called for.
struct Operation {
    major: u8,
    before: PFLT_PRE_OPERATION_CALLBACK,
    after: PFLT_POST_OPERATION_CALLBACK,
}

/// A filter that cannot go while this is held.
pub struct Use(Arc<Filter>);

impl std::ops::Deref for Use {
    type Target = Filter;

    fn deref(&self) -> &Filter {
        &self.0
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.uses.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The filters that are to be asked, in order.
pub fn attached() -> Vec<Use> {
    let filters = lock();
    let attached = filters
        .iter()
        .filter(|filter| filter.attached.load(Ordering::Acquire));
    attached.map(take).collect()
}

/// Kinds and sizes of the contexts that a filter has registered.
pub fn registered_contexts(filter: isize) -> Vec<(u16, usize)> {
    find(filter).map_or_else(Vec::new, |filter| filter.contexts.clone())
}

/// Whether this is the handle of an instance.
pub fn is_instance(handle: isize) -> bool {
    lock().iter().any(|filter| filter.instance() == handle)
}

fn take(filter: &Arc<Filter>) -> Use {
    // Counted under the list's lock: whoever takes a filter off the list sees the count.
    filter.uses.fetch_add(1, Ordering::AcqRel);
    Use(Arc::clone(filter))
}

fn lock() -> MutexGuard<'static, Vec<Arc<Filter>>> {
    FILTERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(handle: isize) -> Option<Use> {
    lock().iter().find(|filter| filter.handle() == handle).map(take)
}

/// Registers a filter. It is refused unless its service key has an instance with an altitude, as Windows refuses it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltRegisterFilter(
    driver: *mut DRIVER_OBJECT,
    registration: *const FLT_REGISTRATION,
    filter: *mut isize,
) -> i32 {
    if let Some(status) = steering::refused_registration() {
        print(&format!(
            "a registration is refused with {status:#010x}, as ordered"
        ));
        return status;
    }
    // SAFETY: null or valid, by the function's contract.
    let (Some(object), Some(registration)) = (unsafe { driver.as_mut() }, unsafe { registration.as_ref() })
    else {
        return STATUS_INVALID_PARAMETER;
    };
    if u32::from(registration.Version) >> 8 != FLT_REGISTRATION_VERSION >> 8 {
        return STATUS_INVALID_PARAMETER;
    }
    // SAFETY: the driver object's name is valid.
    let name = unsafe { text(&raw const object.DriverName) };
    let service = name.rsplit('\\').next().unwrap_or_default().to_owned();
    let Some(altitude) = altitude(&service) else {
        print(&format!(
            "{service} is refused: its key has no instance with an altitude"
        ));
        return STATUS_OBJECT_NAME_NOT_FOUND;
    };
    let registered = Arc::new(Filter {
        driver,
        // SAFETY: a list with an end, by the function's contract.
        operations: unsafe { operations(registration.OperationRegistration) },
        // SAFETY: as above.
        contexts: unsafe { contexts(registration.ContextRegistration) },
        setup: registration.InstanceSetupCallback,
        teardown: [
            registration.InstanceTeardownStartCallback,
            registration.InstanceTeardownCompleteCallback,
        ],
        unload: registration.FilterUnloadCallback,
        driver_unload: object.DriverUnload,
        altitude,
        started: AtomicBool::new(false),
        attached: AtomicBool::new(false),
        uses: AtomicUsize::new(0),
        instance: 0,
    });
    if registration.FilterUnloadCallback.is_some() {
        object.DriverUnload = Some(unload);
    }
    print(&format!("{service} is registered at {}", registered.altitude));
    // SAFETY: writable, by the function's contract.
    unsafe { *filter = registered.handle() };
    let mut filters = lock();
    filters.push(registered);
    filters.sort_by(|one, other| height(other).total_cmp(&height(one)));
    STATUS_SUCCESS
}

/// Attaches a filter to the volume, if its setup callback agrees.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltStartFiltering(filter: isize) -> i32 {
    let Some(filter) = find(filter) else {
        return STATUS_INVALID_PARAMETER;
    };
    if filter.started.swap(true, Ordering::AcqRel) {
        return STATUS_INVALID_PARAMETER;
    }
    let agreed = match filter.setup {
        None => true,
        Some(setup) => {
            let related = filter.related(null_mut());
            // SAFETY: the driver's callback, with the objects that it is due.
            let status = unsafe {
                setup(
                    &raw const related,
                    AUTOMATIC_ATTACHMENT,
                    DISK_FILE_SYSTEM,
                    FLT_FSTYPE_NTFS,
                )
            };
            status >= 0
        }
    };
    filter.attached.store(agreed, Ordering::Release);
    STATUS_SUCCESS
}

/// Takes a filter off the list and waits until none of its callbacks runs.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltUnregisterFilter(filter: isize) {
    let removed = {
        let mut filters = lock();
        let place = filters.iter().position(|known| known.handle() == filter);
        place.map(|place| filters.remove(place))
    };
    let Some(filter) = removed else {
        print("FltUnregisterFilter is called for what is no filter");
        return;
    };
    let was_attached = filter.attached.swap(false, Ordering::AcqRel);
    while filter.uses.load(Ordering::Acquire) != 0 {
        sleep(Duration::from_millis(1));
    }
    for callback in filter.teardown.into_iter().flatten().filter(|_| was_attached) {
        let related = filter.related(null_mut());
        // SAFETY: the driver's callback, with the objects that it is due.
        unsafe { callback(&raw const related, FLTFL_INSTANCE_TEARDOWN_FILTER_UNLOAD) };
    }
    // SAFETY: a driver's object is valid as long as its code runs.
    let driver = unsafe { &mut *filter.driver };
    if filter.unload.is_some() && driver.DriverUnload.is_some_and(is_ours) {
        driver.DriverUnload = filter.driver_unload;
    }
}

fn is_ours(routine: unsafe extern "system" fn(*const DRIVER_OBJECT)) -> bool {
    routine as *const c_void == unload as *const c_void
}

/// What a driver with a FilterUnloadCallback is unloaded by: the callback, then the driver's own routine if it had one.
unsafe extern "system" fn unload(driver: *const DRIVER_OBJECT) {
    let found = lock()
        .iter()
        .find(|filter| filter.driver.cast_const() == driver)
        .map(|filter| (filter.unload, filter.driver_unload));
    let Some((callback, routine)) = found else { return };
    if let Some(callback) = callback {
        // SAFETY: the driver's callback; a service's stop cannot be refused.
        unsafe { callback(FLTFL_FILTER_UNLOAD_MANDATORY) };
    }
    if let Some(routine) = routine {
        // SAFETY: the driver's own routine, for its own object.
        unsafe { routine(driver) };
    }
}

/// Keeps a filter or its instance from going.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltObjectReference(object: isize) -> i32 {
    let filters = lock();
    let Some(filter) = filters.iter().find(|filter| is_handle_of(object, filter)) else {
        return STATUS_FLT_DELETING_OBJECT;
    };
    filter.uses.fetch_add(1, Ordering::AcqRel);
    STATUS_SUCCESS
}

/// Gives a reference back.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltObjectDereference(object: isize) {
    let filters = lock();
    match filters.iter().find(|filter| is_handle_of(object, filter)) {
        Some(filter) => {
            filter.uses.fetch_sub(1, Ordering::AcqRel);
        }
        None => print("FltObjectDereference is called for what has no reference"),
    }
}

fn is_handle_of(object: isize, filter: &Filter) -> bool {
    object == filter.handle() || object == filter.instance()
}

/// Finds a function of this module by name.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltGetRoutineAddress(name: PCSTR) -> *mut c_void {
    // SAFETY: terminated, by the function's contract.
    let name = unsafe { std::ffi::CStr::from_ptr(name.cast()) };
    exported(windows_sys::core::w!("fltmgr.sys"), name).unwrap_or_default()
}

/// # Safety
/// `list` is null or ends with [`OPERATION_END`].
unsafe fn operations(list: *const FLT_OPERATION_REGISTRATION) -> Vec<Operation> {
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: within the list, as its end has not been seen yet.
    while let Some(operation) = unsafe { next.as_ref() } {
        if operation.MajorFunction == OPERATION_END {
            break;
        }
        found.push(Operation {
            major: operation.MajorFunction,
            before: operation.PreOperation,
            after: operation.PostOperation,
        });
        next = next.wrapping_add(1);
    }
    found
}

/// # Safety
/// `list` is null or ends with `FLT_CONTEXT_END`.
unsafe fn contexts(list: *const FLT_CONTEXT_REGISTRATION) -> Vec<(u16, usize)> {
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: within the list, as its end has not been seen yet.
    while let Some(context) = unsafe { next.as_ref() } {
        if u32::from(context.ContextType) == FLT_CONTEXT_END {
            break;
        }
        found.push((context.ContextType, context.Size));
        next = next.wrapping_add(1);
    }
    found
}

/// Altitudes are decimal numbers of any length; those of one lab are told apart well enough as floating point.
fn height(filter: &Filter) -> f64 {
    filter.altitude.parse().unwrap_or(0.0)
}
