//! What is known of the kernel's functions: how each fails, and what it takes or gives back.
//!
//! A function that is in none of the lists is not wrapped, and the report names it: the lists are to be complete for what the
//! driver calls.

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

/// Where the thing that is taken or given back is named in a call.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// The function returns it; null means that nothing was taken.
    Returned,
    /// The function writes it where this parameter points, if it returns success.
    Written(usize),
    /// It is this parameter; taken if the function returns success.
    Parameter(usize),
    /// It is this parameter, and the function cannot fail.
    Always(usize),
    /// There is only one of its kind; taken if the function returns success.
    Single,
    /// There is only one of its kind, and the function cannot fail.
    AlwaysSingle,
}

/// What a call takes or gives back.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    /// Takes a thing of a kind, with its size in bytes where a parameter says it.
    Takes(&'static str, Place, Option<usize>),
    /// Gives one back.
    Gives(&'static str, Place),
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

/// What is taken and given back, by function. Parameters are counted from 0.
const EFFECTS: &[(&str, Effect)] = &[
    (
        "EtwRegister",
        Effect::Takes("event provider", Place::Written(3), None),
    ),
    ("EtwUnregister", Effect::Gives("event provider", Place::Always(0))),
    (
        "ExAcquireFastMutex",
        Effect::Takes("fast mutex", Place::Always(0), None),
    ),
    ("ExAllocatePool2", Effect::Takes("pool", Place::Returned, Some(1))),
    (
        "ExAllocatePoolWithTag",
        Effect::Takes("pool", Place::Returned, Some(1)),
    ),
    ("ExFreePool", Effect::Gives("pool", Place::Always(0))),
    ("ExFreePoolWithTag", Effect::Gives("pool", Place::Always(0))),
    (
        "ExReleaseFastMutex",
        Effect::Gives("fast mutex", Place::Always(0)),
    ),
    (
        "FltAllocateContext",
        Effect::Takes("context", Place::Written(4), None),
    ),
    (
        "FltAllocatePoolAlignedWithTag",
        Effect::Takes("pool", Place::Returned, Some(2)),
    ),
    (
        "FltFreePoolAlignedWithTag",
        Effect::Gives("pool", Place::Always(1)),
    ),
    (
        "FltGetFileNameInformation",
        Effect::Takes("file name", Place::Written(2), None),
    ),
    (
        "FltGetFileNameInformationUnsafe",
        Effect::Takes("file name", Place::Written(3), None),
    ),
    (
        "FltGetStreamHandleContext",
        Effect::Takes("context", Place::Written(2), None),
    ),
    (
        "FltObjectDereference",
        Effect::Gives("filter reference", Place::Always(0)),
    ),
    (
        "FltObjectReference",
        Effect::Takes("filter reference", Place::Parameter(0), None),
    ),
    (
        "FltReferenceFileNameInformation",
        Effect::Takes("file name", Place::Always(0), None),
    ),
    (
        "FltRegisterFilter",
        Effect::Takes("filter", Place::Written(2), None),
    ),
    ("FltReleaseContext", Effect::Gives("context", Place::Always(0))),
    (
        "FltReleaseFileNameInformation",
        Effect::Gives("file name", Place::Always(0)),
    ),
    ("FltUnregisterFilter", Effect::Gives("filter", Place::Always(0))),
    (
        "IoAllocateWorkItem",
        Effect::Takes("work item", Place::Returned, None),
    ),
    ("IoCreateDevice", Effect::Takes("device", Place::Written(6), None)),
    ("IoCreateFile", Effect::Takes("handle", Place::Written(0), None)),
    (
        "IoCreateSymbolicLink",
        Effect::Takes("symbolic link", Place::Single, None),
    ),
    ("IoDeleteDevice", Effect::Gives("device", Place::Always(0))),
    (
        "IoDeleteSymbolicLink",
        Effect::Gives("symbolic link", Place::AlwaysSingle),
    ),
    ("IoFreeWorkItem", Effect::Gives("work item", Place::Always(0))),
    (
        "IoGetDeviceObjectPointer",
        Effect::Takes("object", Place::Written(2), None),
    ),
    (
        "IoRegisterShutdownNotification",
        Effect::Takes("shutdown notification", Place::Parameter(0), None),
    ),
    (
        "IoUnregisterShutdownNotification",
        Effect::Gives("shutdown notification", Place::Always(0)),
    ),
    (
        "KeEnterCriticalRegion",
        Effect::Takes("critical region", Place::AlwaysSingle, None),
    ),
    (
        "KeLeaveCriticalRegion",
        Effect::Gives("critical region", Place::AlwaysSingle),
    ),
    (
        "ObOpenObjectByPointer",
        Effect::Takes("handle", Place::Written(6), None),
    ),
    (
        "ObReferenceObjectByHandle",
        Effect::Takes("object", Place::Written(4), None),
    ),
    (
        "ObReferenceObjectByPointer",
        Effect::Takes("object", Place::Parameter(0), None),
    ),
    ("ObfDereferenceObject", Effect::Gives("object", Place::Always(0))),
    (
        "ObfReferenceObject",
        Effect::Takes("object", Place::Always(0), None),
    ),
    (
        "PsCreateSystemThread",
        Effect::Takes("handle", Place::Written(0), None),
    ),
    (
        "PsLookupProcessByProcessId",
        Effect::Takes("object", Place::Written(1), None),
    ),
    (
        "PsRemoveLoadImageNotifyRoutine",
        Effect::Gives("notify routine", Place::Always(0)),
    ),
    (
        "PsSetLoadImageNotifyRoutine",
        Effect::Takes("notify routine", Place::Parameter(0), None),
    ),
    (
        "PsSetLoadImageNotifyRoutineEx",
        Effect::Takes("notify routine", Place::Parameter(0), None),
    ),
    ("ZwClose", Effect::Gives("handle", Place::Always(0))),
    ("ZwCreateEvent", Effect::Takes("handle", Place::Written(0), None)),
    ("ZwCreateFile", Effect::Takes("handle", Place::Written(0), None)),
    ("ZwCreateKey", Effect::Takes("handle", Place::Written(0), None)),
    (
        "ZwOpenDirectoryObject",
        Effect::Takes("handle", Place::Written(0), None),
    ),
    ("ZwOpenFile", Effect::Takes("handle", Place::Written(0), None)),
    ("ZwOpenKey", Effect::Takes("handle", Place::Written(0), None)),
    ("ZwOpenProcess", Effect::Takes("handle", Place::Written(0), None)),
    (
        "ZwOpenSymbolicLinkObject",
        Effect::Takes("handle", Place::Written(0), None),
    ),
    (
        "ZwOpenThreadTokenEx",
        Effect::Takes("handle", Place::Written(4), None),
    ),
];
