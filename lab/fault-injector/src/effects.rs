//! What the kernel's functions take, and what they give back.

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

/// What is taken and given back, by function. Parameters are counted from 0.
pub const EFFECTS: &[(&str, Effect)] = &[
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
