//! The driver's memory: Microsoft's pool allocator, counted.

use core::alloc::GlobalAlloc;
use core::alloc::Layout;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering;
use gate::host::PoolUse;
use wdk_alloc::WdkAllocator;

/// Largest alignment that pool memory is sure to have on 64-bit Windows, in bytes.
///
/// Source: Microsoft, ExAllocatePool2, remarks on alignment.
const POOL_ALIGNMENT: usize = 16;

/// [`WdkAllocator`], with counts of what is held.
pub struct CountedPool {
    blocks: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
}

impl CountedPool {
    /// Nothing allocated yet.
    pub const fn new() -> Self {
        Self {
            blocks: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// What is held now.
    ///
    /// IRQL: any.
    pub fn in_use(&self) -> PoolUse {
        PoolUse {
            blocks: self.blocks.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}

// SAFETY: memory comes from and goes back to `WdkAllocator`, whose contract is `GlobalAlloc`'s except for alignments above the
// pool's own, which are refused here.
unsafe impl GlobalAlloc for CountedPool {
    /// IRQL: at most DISPATCH_LEVEL.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = if layout.align() > POOL_ALIGNMENT {
            core::ptr::null_mut()
        } else {
            // SAFETY: the caller keeps `alloc`'s contract, which is handed on unchanged.
            unsafe { WdkAllocator.alloc(layout) }
        };
        if block.is_null() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        } else {
            self.blocks.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(layout.size() as u64, Ordering::Relaxed);
        }
        block
    }

    /// IRQL: at most DISPATCH_LEVEL.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.blocks.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract: the block came from `alloc` above, that is, from `WdkAllocator`.
        unsafe { WdkAllocator.dealloc(block, layout) };
    }
}
