//! The filter manager's interface, as far as the driver uses it: wdk-sys has no bindings for fltKernel.h.
//!
//! Source: Microsoft, fltKernel.h as documented in the driver DDI reference; the offsets are those of 64-bit Windows.

use core::ffi::c_void;
use core::mem::offset_of;
use wdk_sys::_FILE_OBJECT;
use wdk_sys::DRIVER_OBJECT;
use wdk_sys::GUID;
use wdk_sys::IO_STATUS_BLOCK;
use wdk_sys::NTSTATUS;
use wdk_sys::UNICODE_STRING;

/// `PFLT_FILTER`.
pub type Filter = *mut c_void;
/// `PFLT_INSTANCE`.
pub type Instance = *mut c_void;

/// `FLT_REGISTRATION_VERSION` of Windows 8 and later.
pub const REGISTRATION_VERSION: u16 = 0x0203;
/// Size of [`Registration`].
pub const REGISTRATION_SIZE: u16 = 112;
/// `IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION`.
pub const ACQUIRE_FOR_SECTION_SYNCHRONIZATION: u8 = 0xff;
/// `IRP_MJ_CREATE`.
pub const CREATE: u8 = 0;
/// `IRP_MJ_OPERATION_END`.
pub const OPERATION_END: u8 = 0x80;
/// `FLT_PREOP_SUCCESS_WITH_CALLBACK`.
pub const SUCCESS_WITH_CALLBACK: i32 = 0;
/// `FLT_PREOP_SUCCESS_NO_CALLBACK`.
pub const SUCCESS_NO_CALLBACK: i32 = 1;
/// `FLT_PREOP_COMPLETE`.
pub const COMPLETE: i32 = 4;
/// `FLT_POSTOP_FINISHED_PROCESSING`.
pub const FINISHED: i32 = 0;
/// `FLTFL_POST_OPERATION_DRAINING`.
pub const DRAINING: u32 = 1;
/// `FLT_STREAMHANDLE_CONTEXT`.
pub const STREAM_HANDLE_CONTEXT: u16 = 0x10;
/// `FLT_CONTEXT_END`.
pub const CONTEXT_END: u16 = 0xffff;
/// `FLT_SET_CONTEXT_KEEP_IF_EXISTS`.
pub const KEEP_IF_EXISTS: i32 = 1;
/// `SyncTypeCreateSection`.
pub const CREATE_SECTION: i32 = 1;
/// `FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET`.
pub const DO_NOT_UPDATE_BYTE_OFFSET: u32 = 4;
/// `FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT`.
pub const NORMALIZED_NAME: u32 = 0x0101;

/// A pre-operation callback.
pub type PreOperation =
    unsafe extern "C" fn(*mut CallbackData, *const RelatedObjects, *mut *mut c_void) -> i32;
/// A post-operation callback.
pub type PostOperation =
    unsafe extern "C" fn(*mut CallbackData, *const RelatedObjects, *mut c_void, u32) -> i32;
/// `PFLT_FILTER_UNLOAD_CALLBACK`.
pub type FilterUnload = unsafe extern "C" fn(u32) -> NTSTATUS;

/// `FLT_OPERATION_REGISTRATION`.
#[repr(C)]
pub struct OperationRegistration {
    pub major_function: u8,
    pub flags: u32,
    pub pre_operation: Option<PreOperation>,
    pub post_operation: Option<PostOperation>,
    pub reserved: *const c_void,
}

// SAFETY: constant data that nobody writes.
unsafe impl Sync for OperationRegistration {}

/// `FLT_CONTEXT_REGISTRATION`.
#[repr(C)]
pub struct ContextRegistration {
    pub context_type: u16,
    pub flags: u16,
    pub cleanup: *const c_void,
    pub size: usize,
    pub pool_tag: u32,
    /// Allocation and freeing of one's own, and what is reserved.
    pub unused: [*const c_void; 3],
}

/// `FLT_REGISTRATION`.
#[repr(C)]
pub struct Registration {
    pub size: u16,
    pub version: u16,
    pub flags: u32,
    pub contexts: *const ContextRegistration,
    pub operations: *const OperationRegistration,
    pub filter_unload: Option<FilterUnload>,
    /// Callbacks that are not used: instance setup, query teardown, teardown start and complete, name generation and
    /// normalisation (four), transactions, section conflicts.
    pub unused: [*const c_void; 10],
}

/// `FLT_CALLBACK_DATA`.
#[repr(C)]
pub struct CallbackData {
    pub flags: u32,
    pub thread: *mut c_void,
    pub iopb: *mut IoParameterBlock,
    pub io_status: IO_STATUS_BLOCK,
    pub tag_data: *mut c_void,
    pub filter_context: [*mut c_void; 4],
    pub requestor_mode: i8,
}

/// `FLT_IO_PARAMETER_BLOCK`, with the parameters of an acquire for section synchronisation.
#[repr(C)]
pub struct IoParameterBlock {
    pub irp_flags: u32,
    pub major_function: u8,
    pub minor_function: u8,
    pub operation_flags: u8,
    pub reserved: u8,
    pub target_file_object: *mut _FILE_OBJECT,
    pub target_instance: Instance,
    pub sync_type: i32,
    pub page_protection: u32,
    pub output_information: *mut c_void,
    pub flags: u32,
    pub allocation_attributes: u32,
}

/// `FLT_RELATED_OBJECTS`.
#[repr(C)]
pub struct RelatedObjects {
    pub size: u16,
    pub transaction_context: u16,
    pub filter: Filter,
    pub volume: *mut c_void,
    pub instance: Instance,
    pub file_object: *mut _FILE_OBJECT,
    pub transaction: *mut c_void,
}

/// The beginning of `FLT_FILE_NAME_INFORMATION`.
#[repr(C)]
pub struct FileNameInformation {
    pub size: u16,
    pub names_parsed: u16,
    pub format: u32,
    pub name: UNICODE_STRING,
}

const _: () = assert!(size_of::<OperationRegistration>() == 32);
const _: () = assert!(offset_of!(OperationRegistration, pre_operation) == 8);
const _: () = assert!(size_of::<ContextRegistration>() == 56);
const _: () = assert!(offset_of!(ContextRegistration, cleanup) == 8);
const _: () = assert!(offset_of!(ContextRegistration, size) == 16);
const _: () = assert!(offset_of!(ContextRegistration, pool_tag) == 24);
const _: () = assert!(size_of::<Registration>() == REGISTRATION_SIZE as usize);
const _: () = assert!(offset_of!(Registration, filter_unload) == 24);
const _: () = assert!(offset_of!(CallbackData, iopb) == 16);
const _: () = assert!(offset_of!(CallbackData, io_status) == 24);
const _: () = assert!(offset_of!(CallbackData, requestor_mode) == 80);
const _: () = assert!(offset_of!(IoParameterBlock, target_file_object) == 8);
const _: () = assert!(offset_of!(IoParameterBlock, sync_type) == 24);
const _: () = assert!(offset_of!(IoParameterBlock, page_protection) == 28);
const _: () = assert!(offset_of!(IoParameterBlock, allocation_attributes) == 44);
const _: () = assert!(offset_of!(RelatedObjects, instance) == 24);
const _: () = assert!(offset_of!(RelatedObjects, file_object) == 32);
const _: () = assert!(offset_of!(FileNameInformation, name) == 8);

#[link(name = "fltmgr")]
unsafe extern "C" {
    /// IRQL: PASSIVE_LEVEL.
    pub fn FltRegisterFilter(
        driver: *mut DRIVER_OBJECT,
        registration: *const Registration,
        filter: *mut Filter,
    ) -> NTSTATUS;
    /// IRQL: at most APC_LEVEL.
    pub fn FltStartFiltering(filter: Filter) -> NTSTATUS;
    /// Waits for callbacks that run. IRQL: PASSIVE_LEVEL.
    pub fn FltUnregisterFilter(filter: Filter);
    /// Reads below the filter; synchronous without a callback. IRQL: PASSIVE_LEVEL.
    pub fn FltReadFile(
        instance: Instance,
        file: *mut _FILE_OBJECT,
        offset: *mut i64,
        length: u32,
        buffer: *mut c_void,
        flags: u32,
        read: *mut u32,
        callback: *const c_void,
        context: *mut c_void,
    ) -> NTSTATUS;
    /// IRQL: PASSIVE_LEVEL.
    pub fn FltQueryInformationFile(
        instance: Instance,
        file: *mut _FILE_OBJECT,
        information: *mut c_void,
        length: u32,
        class: i32,
        returned: *mut u32,
    ) -> NTSTATUS;
    /// IRQL: PASSIVE_LEVEL.
    pub fn FltQueryVolumeInformation(
        instance: Instance,
        io: *mut IO_STATUS_BLOCK,
        information: *mut c_void,
        length: u32,
        class: i32,
    ) -> NTSTATUS;
    /// IRQL: PASSIVE_LEVEL.
    pub fn FltFsControlFile(
        instance: Instance,
        file: *mut _FILE_OBJECT,
        code: u32,
        input: *const c_void,
        input_length: u32,
        output: *mut c_void,
        output_length: u32,
        returned: *mut u32,
    ) -> NTSTATUS;
    /// IRQL: at most APC_LEVEL.
    pub fn FltGetFileNameInformation(
        data: *mut CallbackData,
        options: u32,
        information: *mut *mut FileNameInformation,
    ) -> NTSTATUS;
    /// IRQL: at most APC_LEVEL.
    pub fn FltReleaseFileNameInformation(information: *mut FileNameInformation);
    /// Writes null where an open has no extra parameters. IRQL: at most APC_LEVEL.
    pub fn FltGetEcpListFromCallbackData(
        filter: Filter,
        data: *mut CallbackData,
        list: *mut *mut c_void,
    ) -> NTSTATUS;
    /// IRQL: at most APC_LEVEL.
    pub fn FltFindExtraCreateParameter(
        filter: Filter,
        list: *mut c_void,
        kind: *const GUID,
        parameter: *mut *mut c_void,
        size: *mut u32,
    ) -> NTSTATUS;
    /// IRQL: at most APC_LEVEL.
    pub fn FltIsEcpFromUserMode(filter: Filter, parameter: *mut c_void) -> u8;
    /// IRQL: at most APC_LEVEL for paged pool.
    pub fn FltAllocateContext(
        filter: Filter,
        context_type: u16,
        size: usize,
        pool: i32,
        context: *mut *mut c_void,
    ) -> NTSTATUS;
    /// IRQL: at most APC_LEVEL.
    pub fn FltReleaseContext(context: *mut c_void);
    /// IRQL: at most APC_LEVEL.
    pub fn FltSetStreamHandleContext(
        instance: Instance,
        file: *mut _FILE_OBJECT,
        operation: i32,
        context: *mut c_void,
        old: *mut *mut c_void,
    ) -> NTSTATUS;
    /// IRQL: at most APC_LEVEL.
    pub fn FltGetStreamHandleContext(
        instance: Instance,
        file: *mut _FILE_OBJECT,
        context: *mut *mut c_void,
    ) -> NTSTATUS;
}
