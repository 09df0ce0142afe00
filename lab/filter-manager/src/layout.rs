//! The structures shared with filters lie as x64 Windows lays them out: checked where this is built.

use core::mem::offset_of;

use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_CALLBACK_DATA;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_CONTEXT_REGISTRATION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_FILE_NAME_INFORMATION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_IO_PARAMETER_BLOCK;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_OPERATION_REGISTRATION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_PARAMETERS_21;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_REGISTRATION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_RELATED_OBJECTS;

const _: () = {
    assert!(offset_of!(FLT_REGISTRATION, Flags) == 4);
    assert!(offset_of!(FLT_REGISTRATION, ContextRegistration) == 8);
    assert!(offset_of!(FLT_REGISTRATION, OperationRegistration) == 16);
    assert!(offset_of!(FLT_REGISTRATION, FilterUnloadCallback) == 24);
    assert!(offset_of!(FLT_REGISTRATION, InstanceSetupCallback) == 32);
    assert!(offset_of!(FLT_REGISTRATION, SectionNotificationCallback) == 104);
    assert!(size_of::<FLT_REGISTRATION>() == 112);

    assert!(offset_of!(FLT_CONTEXT_REGISTRATION, ContextCleanupCallback) == 8);
    assert!(offset_of!(FLT_CONTEXT_REGISTRATION, Size) == 16);
    assert!(offset_of!(FLT_CONTEXT_REGISTRATION, PoolTag) == 24);
    assert!(size_of::<FLT_CONTEXT_REGISTRATION>() == 56);

    assert!(offset_of!(FLT_OPERATION_REGISTRATION, Flags) == 4);
    assert!(offset_of!(FLT_OPERATION_REGISTRATION, PreOperation) == 8);
    assert!(offset_of!(FLT_OPERATION_REGISTRATION, PostOperation) == 16);
    assert!(size_of::<FLT_OPERATION_REGISTRATION>() == 32);

    assert!(offset_of!(FLT_CALLBACK_DATA, Thread) == 8);
    assert!(offset_of!(FLT_CALLBACK_DATA, Iopb) == 16);
    assert!(offset_of!(FLT_CALLBACK_DATA, IoStatus) == 24);
    assert!(offset_of!(FLT_CALLBACK_DATA, TagData) == 40);
    assert!(offset_of!(FLT_CALLBACK_DATA, Anonymous) == 48);
    assert!(offset_of!(FLT_CALLBACK_DATA, RequestorMode) == 80);
    assert!(size_of::<FLT_CALLBACK_DATA>() == 88);

    assert!(offset_of!(FLT_IO_PARAMETER_BLOCK, MajorFunction) == 4);
    assert!(offset_of!(FLT_IO_PARAMETER_BLOCK, TargetFileObject) == 8);
    assert!(offset_of!(FLT_IO_PARAMETER_BLOCK, TargetInstance) == 16);
    assert!(offset_of!(FLT_IO_PARAMETER_BLOCK, Parameters) == 24);

    assert!(offset_of!(FLT_PARAMETERS_21, PageProtection) == 4);
    assert!(offset_of!(FLT_PARAMETERS_21, OutputInformation) == 8);
    assert!(offset_of!(FLT_PARAMETERS_21, Flags) == 16);
    assert!(offset_of!(FLT_PARAMETERS_21, AllocationAttributes) == 20);

    assert!(offset_of!(FLT_RELATED_OBJECTS, Filter) == 8);
    assert!(offset_of!(FLT_RELATED_OBJECTS, Volume) == 16);
    assert!(offset_of!(FLT_RELATED_OBJECTS, Instance) == 24);
    assert!(offset_of!(FLT_RELATED_OBJECTS, FileObject) == 32);
    assert!(offset_of!(FLT_RELATED_OBJECTS, Transaction) == 40);
    assert!(size_of::<FLT_RELATED_OBJECTS>() == 48);

    assert!(offset_of!(FLT_FILE_NAME_INFORMATION, Format) == 4);
    assert!(offset_of!(FLT_FILE_NAME_INFORMATION, Name) == 8);
    assert!(offset_of!(FLT_FILE_NAME_INFORMATION, Volume) == 24);
    assert!(offset_of!(FLT_FILE_NAME_INFORMATION, ParentDir) == 104);
    assert!(size_of::<FLT_FILE_NAME_INFORMATION>() == 120);
};
