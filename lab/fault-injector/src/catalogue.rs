//! What is known of the kernel's functions: how each fails, and what it takes or gives back.
//!
//! A function that is in none of the lists is not wrapped, and the report names it: the lists are to be complete for what the
//! driver calls.

use crate::effects::EFFECTS;
use crate::effects::Effect;

/// STATUS_INSUFFICIENT_RESOURCES: what anything that allocates may answer.
const NO_RESOURCES: i32 = 0xc000_009a_u32.cast_signed();
/// STATUS_IO_DEVICE_ERROR: what anything that transfers data may answer.
const IO_ERROR: i32 = 0xc000_0185_u32.cast_signed();

/// How a function says that it failed.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// By an NTSTATUS.
    Status(i32),
    /// By null, or by FALSE.
    Zero,
}

/// One function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// How it fails; `None` for one that cannot, or that a driver can do nothing about.
    pub failure: Option<Failure>,
    /// What it takes or gives back.
    pub effect: Option<Effect>,
}

/// What an import is.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// A function to be wrapped.
    Function(Function),
    /// Data, or a function without any dealings with the kernel: left alone.
    LeftAlone,
}

/// Looks a name up.
pub fn find(name: &str) -> Option<Known> {
    if LEFT_ALONE.contains(&name) {
        return Some(Known::LeftAlone);
    }
    let listed = |list: &[&'static str]| list.iter().find(|&&listed| listed == name).copied();
    let failure = |list, failure| listed(list).map(|name| (name, failure));
    let (name, failure) = failure(FAIL_FOR_RESOURCES, Some(Failure::Status(NO_RESOURCES)))
        .or_else(|| failure(FAIL_AT_TRANSFER, Some(Failure::Status(IO_ERROR))))
        .or_else(|| failure(FAIL_WITH_ZERO, Some(Failure::Zero)))
        .or_else(|| failure(CANNOT_FAIL, None))?;
    let effect = EFFECTS.iter().find(|(function, _)| *function == name);
    Some(Known::Function(Function {
        name,
        failure,
        effect: effect.map(|(_, effect)| *effect),
    }))
}

/// Answer STATUS_INSUFFICIENT_RESOURCES.
const FAIL_FOR_RESOURCES: &[&str] = &[
    "EtwRegister",
    "EtwSetInformation",
    "EtwWrite",
    "EtwWriteTransfer",
    "ExUuidCreate",
    "FltAllocateContext",
    "FltCreateFileEx2",
    "FltGetEcpListFromCallbackData",
    "FltGetFileNameInformation",
    "FltGetFileNameInformationUnsafe",
    "FltFindExtraCreateParameter",
    "FltGetStreamContext",
    "FltGetStreamHandleContext",
    "FltObjectReference",
    "FltParseFileNameInformation",
    "FltRegisterFilter",
    "FltSetStreamContext",
    "FltSetStreamHandleContext",
    "FltStartFiltering",
    "IoCreateDevice",
    "IoCreateFile",
    "IoCreateSymbolicLink",
    "IoGetDeviceObjectPointer",
    "IoQueryFileDosDeviceName",
    "IoRegisterShutdownNotification",
    "KeExpandKernelStackAndCallout",
    "KeExpandKernelStackAndCalloutEx",
    "ObOpenObjectByPointer",
    "ObQueryNameString",
    "ObReferenceObjectByHandle",
    "ObReferenceObjectByPointer",
    "PsCreateSystemThread",
    "PsLookupProcessByProcessId",
    "PsSetCreateProcessNotifyRoutine",
    "PsSetLoadImageNotifyRoutine",
    "PsSetLoadImageNotifyRoutineEx",
    "RtlAnsiStringToUnicodeString",
    "RtlQueryRegistryValues",
    "RtlUpcaseUnicodeString",
    "ZwCreateEvent",
    "ZwCreateFile",
    "ZwCreateKey",
    "ZwDeleteFile",
    "ZwDeleteKey",
    "ZwDeleteValueKey",
    "ZwEnumerateKey",
    "ZwOpenDirectoryObject",
    "ZwOpenFile",
    "ZwOpenKey",
    "ZwOpenProcess",
    "ZwOpenSymbolicLinkObject",
    "ZwOpenThreadTokenEx",
    "ZwQueryKey",
    "ZwQuerySymbolicLinkObject",
    "ZwQuerySystemInformation",
    "ZwQueryValueKey",
    "ZwSetSecurityObject",
    "ZwSetValueKey",
];

/// Answer STATUS_IO_DEVICE_ERROR.
const FAIL_AT_TRANSFER: &[&str] = &[
    "FltFsControlFile",
    "FltQueryInformationFile",
    "FltQueryVolumeInformation",
    "FltReadFile",
    "ZwFlushBuffersFile",
    "ZwFlushKey",
    "ZwFsControlFile",
    "ZwQueryDirectoryFile",
    "ZwQueryInformationFile",
    "ZwQueryVolumeInformationFile",
    "ZwReadFile",
    "ZwSetInformationFile",
    "ZwWriteFile",
];

/// Answer null or FALSE.
const FAIL_WITH_ZERO: &[&str] = &[
    "ExAllocatePool2",
    "ExAllocatePoolWithTag",
    "FltAllocatePoolAlignedWithTag",
    "FltGetRoutineAddress",
    "IoAllocateWorkItem",
    "MmGetSystemRoutineAddress",
    "SeSinglePrivilegeCheck",
];

/// Give nothing back; or cannot fail for a caller that keeps their contract; or fail in a way that leaves a driver nothing to do:
/// taking a notify routine or a link away, closing a valid handle, waiting without a limit. They are counted.
const CANNOT_FAIL: &[&str] = &[
    "DbgPrint",
    "EtwEventEnabled",
    "EtwProviderEnabled",
    "EtwUnregister",
    "ExAcquireFastMutex",
    "ExAcquireFastMutexUnsafe",
    "ExAcquireResourceExclusiveLite",
    "ExAcquireResourceSharedLite",
    "ExDeleteResourceLite",
    "ExFreePool",
    "ExFreePoolWithTag",
    "ExGetPreviousMode",
    "ExInitializeResourceLite",
    "ExReleaseFastMutex",
    "ExReleaseFastMutexUnsafe",
    "ExReleaseResourceLite",
    "FltFreePoolAlignedWithTag",
    "FltGetRequestorProcess",
    "FltGetRequestorProcessId",
    "FltIsEcpFromUserMode",
    "FltObjectDereference",
    "FltReferenceFileNameInformation",
    "FltReleaseContext",
    "FltReleaseFileNameInformation",
    "FltUnregisterFilter",
    "IoAcquireCancelSpinLock",
    "IoDeleteDevice",
    "IoDeleteSymbolicLink",
    "IoFreeWorkItem",
    "IoGetCurrentProcess",
    "IoGetRelatedDeviceObject",
    "IoGetRequestorProcess",
    "IoGetStackLimits",
    "IoGetTopLevelIrp",
    "IoIsWdmVersionAvailable",
    "IoQueueWorkItem",
    "IoRegisterDriverReinitialization",
    "IoReleaseCancelSpinLock",
    "IoThreadToProcess",
    "IoUnregisterShutdownNotification",
    "IofCompleteRequest",
    "KeAcquireInStackQueuedSpinLock",
    "KeAcquireSpinLockAtDpcLevel",
    "KeAcquireSpinLockRaiseToDpc",
    "KeAreAllApcsDisabled",
    "KeAreApcsDisabled",
    "KeBugCheckEx",
    "KeCancelTimer",
    "KeClearEvent",
    "KeDelayExecutionThread",
    "KeEnterCriticalRegion",
    "KeGetCurrentIrql",
    "KeGetCurrentThread",
    "KeInitializeDpc",
    "KeInitializeEvent",
    "KeInitializeGuardedMutex",
    "KeInitializeMutex",
    "KeInitializeSemaphore",
    "KeInitializeTimer",
    "KeInitializeTimerEx",
    "KeLeaveCriticalRegion",
    "KeQueryPerformanceCounter",
    "KeQuerySystemTimePrecise",
    "KeQueryTimeIncrement",
    "KeQueryUnbiasedInterruptTime",
    "KeReadStateEvent",
    "KeReleaseInStackQueuedSpinLock",
    "KeReleaseMutex",
    "KeReleaseSemaphore",
    "KeReleaseSpinLock",
    "KeReleaseSpinLockFromDpcLevel",
    "KeResetEvent",
    "KeSetEvent",
    "KeSetPriorityThread",
    "KeSetTimerEx",
    "KeStackAttachProcess",
    "KeUnstackDetachProcess",
    "KeWaitForMultipleObjects",
    "KeWaitForSingleObject",
    "MmDoesFileHaveUserWritableReferences",
    "MmIsAddressValid",
    "ObfDereferenceObject",
    "ObfReferenceObject",
    "PsGetCurrentProcess",
    "PsGetCurrentProcessId",
    "PsGetCurrentThread",
    "PsGetCurrentThreadId",
    "PsGetProcessId",
    "PsGetVersion",
    "PsIsSystemThread",
    "PsRemoveLoadImageNotifyRoutine",
    "PsTerminateSystemThread",
    "RtlAbsoluteToSelfRelativeSD",
    "RtlAddAccessAllowedAce",
    "RtlCreateAcl",
    "RtlCreateSecurityDescriptor",
    "RtlGetVersion",
    "RtlSetDaclSecurityDescriptor",
    "ZwClose",
    "ZwWaitForSingleObject",
];

/// Data, and functions that only compute.
const LEFT_ALONE: &[&str] = &[
    "FsRtlIsNameInExpression",
    "InitSafeBootMode",
    "IoDriverObjectType",
    "IoFileObjectType",
    "NtBuildNumber",
    "PsInitialSystemProcess",
    "PsThreadType",
    "RtlCompareMemory",
    "RtlCompareUnicodeString",
    "RtlCopyUnicodeString",
    "RtlEqualUnicodeString",
    "RtlFreeUnicodeString",
    "RtlImageNtHeader",
    "RtlInitAnsiString",
    "RtlInitUnicodeString",
    "RtlLengthRequiredSid",
    "RtlLengthSid",
    "RtlRandomEx",
    "RtlUpcaseUnicodeChar",
    "__C_specific_handler",
    "__chkstk",
    "_vsnprintf",
    "memcmp",
    "memcpy",
    "memmove",
    "memset",
    "strlen",
    "wcslen",
];
