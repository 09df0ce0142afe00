//! The minifilter: its registration, and the sections it is asked about.

use crate::kernel::check;
use crate::kernel::fltmgr;
use crate::kernel::fltmgr::CallbackData;
use crate::kernel::fltmgr::RelatedObjects;
use crate::kernel::marks::Marks;
use crate::kernel::marks::Queried;
use crate::kernel::prefetch;
use crate::kernel::routine::find;
use crate::kernel::string::ascii;
use crate::kernel::string::units;
use core::ffi::c_void;
use core::mem::transmute;
use core::ptr::null;
use core::ptr::null_mut;
use evidence::Source;
use evidence::SourceError;
use gate::Caller;
use gate::FileKey;
use gate::Path;
use gate::host::NtStatus;
use wdk_sys::_FILE_OBJECT;
use wdk_sys::DRIVER_OBJECT;
use wdk_sys::IO_STATUS_BLOCK;
use wdk_sys::ntddk::ExGetPreviousMode;
use wdk_sys::ntddk::PsIsSystemThread;

/// `PAGE_EXECUTE`, `PAGE_EXECUTE_READ`, `PAGE_EXECUTE_READWRITE` and `PAGE_EXECUTE_WRITECOPY`.
const EXECUTABLE: u32 = 0xf0;
/// `SEC_IMAGE`.
const SEC_IMAGE: u32 = 0x0100_0000;
const STATUS_END_OF_FILE: u32 = 0xc000_0011;

/// A filter that is registered and filtering; dropping it ends both.
pub struct Filter {
    filter: fltmgr::Filter,
}

// SAFETY: the filter manager lets any thread unregister a filter.
unsafe impl Send for Filter {}
// SAFETY: as above; nothing is done through a shared reference.
unsafe impl Sync for Filter {}

/// What the filter manager calls.
pub struct Callbacks {
    /// Before a section is created.
    pub before_section: fltmgr::PreOperation,
    /// Before a file is opened.
    pub before_create: fltmgr::PreOperation,
    /// After it was, if the callback before it asks for that.
    pub after_create: fltmgr::PostOperation,
    /// When it unloads the filter.
    pub unload: fltmgr::FilterUnload,
}

impl Filter {
    /// Registers a filter of section creations, and of the opens before them, and starts it.
    ///
    /// IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// What the filter manager says: `STATUS_OBJECT_NAME_NOT_FOUND` when the service has no instance in the registry, for one.
    ///
    /// # Safety
    /// `driver` is the driver's own object. The callbacks stay in memory until the filter is dropped.
    pub unsafe fn start(driver: *mut DRIVER_OBJECT, callbacks: &Callbacks) -> Result<Self, NtStatus> {
        let operation = |major_function, pre_operation, post_operation| fltmgr::OperationRegistration {
            major_function,
            flags: 0,
            pre_operation,
            post_operation,
            reserved: null(),
        };
        let operations = [
            operation(
                fltmgr::ACQUIRE_FOR_SECTION_SYNCHRONIZATION,
                Some(callbacks.before_section),
                None,
            ),
            operation(
                fltmgr::CREATE,
                Some(callbacks.before_create),
                Some(callbacks.after_create),
            ),
            operation(fltmgr::OPERATION_END, None, None),
        ];
        let contexts = prefetch::contexts();
        let registration = fltmgr::Registration {
            size: fltmgr::REGISTRATION_SIZE,
            version: fltmgr::REGISTRATION_VERSION,
            flags: 0,
            contexts: contexts.as_ptr(),
            operations: operations.as_ptr(),
            filter_unload: Some(callbacks.unload),
            unused: [null(); 10],
        };
        let mut filter = null_mut();
        // SAFETY: the driver object is ours, and the filter manager copies the registration.
        check(unsafe { fltmgr::FltRegisterFilter(driver, &raw const registration, &raw mut filter) })?;
        let registered = Self { filter };
        // SAFETY: just registered.
        check(unsafe { fltmgr::FltStartFiltering(filter) })?;
        Ok(registered)
    }
}

impl Drop for Filter {
    /// Waits for callbacks that run. IRQL: PASSIVE_LEVEL, and not from a callback.
    fn drop(&mut self) {
        // SAFETY: registered in `start`, unregistered once.
        unsafe { fltmgr::FltUnregisterFilter(self.filter) };
    }
}

/// Kernel routines that classifying a section needs and that are looked up once.
pub struct Routines {
    top_level_irp: Option<unsafe extern "C" fn() -> *mut c_void>,
    user_references: Option<unsafe extern "C" fn(*mut c_void) -> u32>,
}

impl Routines {
    /// Looks them up. IRQL: PASSIVE_LEVEL.
    pub fn find() -> Self {
        const TOP_LEVEL_IRP: [u16; 16] = ascii("IoGetTopLevelIrp");
        const USER_REFERENCES: [u16; 36] = ascii("MmDoesFileHaveUserWritableReferences");
        Self {
            // SAFETY: the routine of this name takes nothing and gives a pointer back.
            top_level_irp: find(&TOP_LEVEL_IRP).map(|routine| unsafe { transmute(routine.as_ptr()) }),
            // SAFETY: the routine of this name takes section object pointers and gives a count back.
            user_references: find(&USER_REFERENCES).map(|routine| unsafe { transmute(routine.as_ptr()) }),
        }
    }

    /// Whether the kernel tells if a file can be written through a mapping. IRQL: any.
    pub const fn tell_mappings(&self) -> bool {
        self.user_references.is_some()
    }
}

/// A section that is about to be created, during the callback that asks about it.
pub struct AskedSection<'c> {
    data: &'c mut CallbackData,
    objects: &'c RelatedObjects,
    routines: &'c Routines,
}

impl<'c> AskedSection<'c> {
    /// The section, if the callback is about the creation of one that can be executed.
    ///
    /// IRQL: that of the callback.
    ///
    /// # Safety
    /// Both pointers are what the filter manager passed to the callback that is running.
    pub unsafe fn read(
        data: *mut CallbackData,
        objects: *const RelatedObjects,
        routines: &'c Routines,
    ) -> Option<Self> {
        // SAFETY: valid during the callback, by the caller.
        let data = unsafe { data.as_mut() }?;
        // SAFETY: as above.
        let objects = unsafe { objects.as_ref() }?;
        // SAFETY: as above.
        let parameters = unsafe { data.iopb.as_ref() }?;
        let is_creation = parameters.major_function == fltmgr::ACQUIRE_FOR_SECTION_SYNCHRONIZATION
            && parameters.sync_type == fltmgr::CREATE_SECTION;
        let attributes = parameters.allocation_attributes;
        // Older kernels pass no attributes; there the protection alone tells.
        let may_be_image =
            parameters.page_protection & EXECUTABLE != 0 && (attributes == 0 || attributes & SEC_IMAGE != 0);
        (is_creation && may_be_image && !objects.file_object.is_null()).then_some(Self {
            data,
            objects,
            routines,
        })
    }

    /// Makes the creation fail; what the callback returns. IRQL: that of the callback.
    pub fn refuse(self) -> i32 {
        self.data.io_status.__bindgen_anon_1.Status = NtStatus::ACCESS_DENIED.0;
        self.data.io_status.Information = 0;
        fltmgr::COMPLETE
    }
}

impl gate::Section for AskedSection<'_> {
    type File = FilteredFile;

    /// IRQL: PASSIVE_LEVEL.
    fn caller(&self) -> Caller {
        // SAFETY: no conditions.
        let previous = unsafe { ExGetPreviousMode() };
        // SAFETY: the thread of the operation is valid during the callback.
        let is_system = unsafe { PsIsSystemThread(self.data.thread.cast()) } != 0;
        // `KernelMode` is 0.
        if self.data.requestor_mode != 0 || previous != 0 {
            return Caller::User;
        }
        // A file system is at work further up: reading now could wait for what it holds.
        // SAFETY: the routine has no conditions.
        let is_nested = self
            .routines
            .top_level_irp
            .is_none_or(|routine| !unsafe { routine() }.is_null());
        if is_nested || !is_system {
            return Caller::Unknown;
        }
        match prefetch::is_marked(self.objects) {
            Ok(true) => Caller::Prefetcher,
            Ok(false) => Caller::Kernel,
            Err(_) => Caller::Unknown,
        }
    }

    /// IRQL: PASSIVE_LEVEL.
    fn path(&mut self) -> Path {
        let mut information = null_mut();
        // SAFETY: the data are the callback's.
        let status = unsafe {
            fltmgr::FltGetFileNameInformation(self.data, fltmgr::NORMALIZED_NAME, &raw mut information)
        };
        if check(status).is_err() || information.is_null() {
            return Path::new([]);
        }
        // SAFETY: given by the call above, valid until released.
        let name = unsafe { &raw const (*information).name };
        // SAFETY: as above.
        let path = Path::new(unsafe { units(name) }.iter().copied());
        // SAFETY: as above, released once.
        unsafe { fltmgr::FltReleaseFileNameInformation(information) };
        path
    }

    /// IRQL: PASSIVE_LEVEL.
    fn open(&mut self) -> Option<FilteredFile> {
        let mut file = FilteredFile {
            instance: self.objects.instance,
            file: self.objects.file_object,
            marks: Marks::default(),
            is_shared: false,
        };
        file.marks = Marks::read(&file).ok()?;
        // SAFETY: the file object is valid during the callback.
        let section = unsafe { (*file.file).SectionObjectPointer };
        // Somebody can write the file through a mapping, which leaves no mark until later.
        file.is_shared = self.routines.user_references.is_none_or(|routine| {
            // SAFETY: the pointers are the file object's own.
            section.is_null() || unsafe { routine(section.cast()) } != 0
        });
        Some(file)
    }
}

/// The file of a section, read below this filter, during the callback.
pub struct FilteredFile {
    instance: fltmgr::Instance,
    file: *mut _FILE_OBJECT,
    marks: Marks,
    is_shared: bool,
}

impl Queried for FilteredFile {
    unsafe fn query(&self, answer: *mut c_void, length: u32, class: i32) -> Result<(), NtStatus> {
        let mut returned = 0;
        // SAFETY: instance and file object are the callback's; the answer by the caller.
        check(unsafe {
            fltmgr::FltQueryInformationFile(
                self.instance,
                self.file,
                answer,
                length,
                class,
                &raw mut returned,
            )
        })
    }

    unsafe fn query_volume(&self, answer: *mut c_void, length: u32, class: i32) -> Result<(), NtStatus> {
        let mut io = IO_STATUS_BLOCK::default();
        // SAFETY: as above.
        check(unsafe { fltmgr::FltQueryVolumeInformation(self.instance, &raw mut io, answer, length, class) })
    }

    unsafe fn control(&self, code: u32, answer: *mut c_void, length: u32) -> Result<(), NtStatus> {
        let mut returned = 0;
        // SAFETY: as above.
        check(unsafe {
            fltmgr::FltFsControlFile(
                self.instance,
                self.file,
                code,
                null(),
                0,
                answer,
                length,
                &raw mut returned,
            )
        })
    }
}

impl gate::host::File for FilteredFile {
    /// IRQL: PASSIVE_LEVEL.
    fn is_unchanged(&mut self) -> bool {
        Marks::read(self).is_ok_and(|marks| marks == self.marks)
    }

    /// IRQL: PASSIVE_LEVEL.
    fn key(&mut self) -> Result<Option<FileKey>, NtStatus> {
        if self.is_shared {
            return Ok(None);
        }
        self.marks.key(self)
    }
}

impl Source for FilteredFile {
    fn size(&self) -> u64 {
        u64::try_from(self.marks.size).unwrap_or(0)
    }

    /// IRQL: PASSIVE_LEVEL.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut filled = 0_usize;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let position = offset.saturating_add(filled as u64);
            let mut start = i64::try_from(position).unwrap_or(i64::MAX);
            let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
            let mut read = 0;
            // SAFETY: instance and file object are the callback's; without a callback of its own the call is synchronous, and
            // `rest` has room for `length` bytes.
            let status = unsafe {
                fltmgr::FltReadFile(
                    self.instance,
                    self.file,
                    &raw mut start,
                    length,
                    rest.as_mut_ptr().cast(),
                    fltmgr::DO_NOT_UPDATE_BYTE_OFFSET,
                    &raw mut read,
                    null(),
                    null_mut(),
                )
            };
            match check(status) {
                Ok(()) if read == 0 => break,
                Ok(()) => filled = filled.saturating_add(usize::try_from(read).unwrap_or(0)),
                Err(status) if status.bits() == STATUS_END_OF_FILE => break,
                Err(status) => {
                    return Err(SourceError {
                        status: status.0,
                        offset: position,
                    });
                }
            }
        }
        Ok(filled.min(buffer.len()))
    }
}
