//! A reference-counted value whose allocation may fail (`alloc::sync::Arc` cannot be refused memory without a panic).

use alloc::alloc::alloc;
use alloc::alloc::dealloc;
use alloc::boxed::Box;
use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering;
use core::sync::atomic::fence;
use gate::host::NoMemory;

/// Pool memory for a `T` that is yet to be made, so that keeping it cannot fail any more.
pub struct Vacant<T> {
    block: NonNull<T>,
}

impl<T> Vacant<T> {
    /// Memory for one `T`.
    ///
    /// IRQL: at most DISPATCH_LEVEL.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn try_new() -> Result<Self, NoMemory> {
        const { assert!(size_of::<T>() > 0, "a zero-sized value needs no memory") };
        // SAFETY: the layout's size is not zero, as asserted above.
        let block = unsafe { alloc(Layout::new::<T>()) };
        NonNull::new(block.cast())
            .map(|block| Self { block })
            .ok_or(NoMemory)
    }

    /// Moves `value` in. IRQL: at most DISPATCH_LEVEL.
    #[expect(clippy::unnecessary_box_returns, reason = "the box is what this is for")]
    pub fn fill(self, value: T) -> Box<T> {
        let block = ManuallyDrop::new(self).block;
        // SAFETY: `block` is memory of the size and alignment of `T`, owned by `self` alone.
        unsafe { block.write(value) };
        // SAFETY: `block` holds a valid `T` and was allocated by the global allocator with `T`'s layout.
        unsafe { Box::from_raw(block.as_ptr()) }
    }
}

impl<T> Drop for Vacant<T> {
    /// IRQL: at most DISPATCH_LEVEL.
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `try_new`, and never filled.
        unsafe { dealloc(self.block.as_ptr().cast(), Layout::new::<T>()) };
    }
}

/// Moves `value` into pool memory.
///
/// IRQL: at most DISPATCH_LEVEL.
///
/// # Errors
/// [`NoMemory`], with the value dropped.
pub fn try_box<T>(value: T) -> Result<Box<T>, NoMemory> {
    Vacant::try_new().map(|vacant| vacant.fill(value))
}

struct Counted<T> {
    owners: AtomicUsize,
    value: T,
}

/// A value with several owners; the last one to leave drops it.
pub struct Shared<T> {
    counted: NonNull<Counted<T>>,
}

// SAFETY: owners only ever get `&T`, and the last one drops the value wherever it is: both are fine when `T` is `Send + Sync`.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Moves `value` into pool memory, with one owner.
    ///
    /// IRQL: at most DISPATCH_LEVEL.
    ///
    /// # Errors
    /// [`NoMemory`], with the value dropped.
    pub fn try_new(value: T) -> Result<Self, NoMemory> {
        let counted = try_box(Counted {
            owners: AtomicUsize::new(1),
            value,
        })?;
        Ok(Self {
            counted: NonNull::from(Box::leak(counted)),
        })
    }

    fn counted(&self) -> &Counted<T> {
        // SAFETY: `self` is an owner, so the memory is still allocated and initialised.
        unsafe { self.counted.as_ref() }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.counted().value
    }
}

impl<T> Clone for Shared<T> {
    /// IRQL: any.
    fn clone(&self) -> Self {
        // Relaxed: the new owner got its reference from one that is alive. Owners are as many as there are threads holding one,
        // far from overflow.
        self.counted().owners.fetch_add(1, Ordering::Relaxed);
        Self {
            counted: self.counted,
        }
    }
}

impl<T> Drop for Shared<T> {
    /// IRQL: at most DISPATCH_LEVEL, and whatever dropping a `T` asks for.
    fn drop(&mut self) {
        if self.counted().owners.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // All that the other owners did with the value happens before it is dropped.
        fence(Ordering::Acquire);
        // SAFETY: this was the last owner, and the memory came out of a box in `try_new`.
        drop(unsafe { Box::from_raw(self.counted.as_ptr()) });
    }
}
