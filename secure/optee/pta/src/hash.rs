//! SHA-256: Rust's, or the core's where that is faster.

#[cfg(not(feature = "core-hash"))]
pub use sha2::Sha256 as Hash;

#[cfg(feature = "core-hash")]
pub use of_the_core::Hash;

#[cfg(feature = "core-hash")]
mod of_the_core {
    use core::ffi::c_void;
    use core::ptr::{NonNull, null_mut};

    use rproc_image::Sha256;

    use crate::optee;

    /// A SHA-256 that the core computes.
    ///
    /// The core can fail where this trait cannot say so, when its heap is full. Then the digest is zero: no data has
    /// it, so whatever is compared with it is refused.
    pub struct Hash {
        context: Option<NonNull<c_void>>,
        failed: bool,
    }

    impl Default for Hash {
        fn default() -> Self {
            let mut context = null_mut();
            // SAFETY: the core puts a context of its own there, or leaves it null and says so.
            let result = unsafe { optee::crypto_hash_alloc_ctx(&mut context, optee::TEE_ALG_SHA256) };
            let mut hash = Self { context: NonNull::new(context), failed: result != optee::TEE_SUCCESS };
            // SAFETY: the context is the core's own.
            hash.step(|context| unsafe { optee::crypto_hash_init(context) });
            hash
        }
    }

    impl Hash {
        fn step(&mut self, act: impl FnOnce(*mut c_void) -> u32) {
            self.failed |= match self.context {
                Some(context) if !self.failed => act(context.as_ptr()) != optee::TEE_SUCCESS,
                _ => true,
            };
        }
    }

    impl Sha256 for Hash {
        fn update(&mut self, bytes: &[u8]) {
            // SAFETY: the context is the core's own and initialised; the bytes have their length to read.
            self.step(|context| unsafe { optee::crypto_hash_update(context, bytes.as_ptr(), bytes.len()) });
        }

        fn finish(mut self) -> [u8; 32] {
            let mut digest = [0; 32];
            let room = &mut digest;
            // SAFETY: the context is the core's own and initialised; there is room for a SHA-256.
            self.step(|context| unsafe { optee::crypto_hash_final(context, room.as_mut_ptr(), room.len()) });
            if self.failed { [0; 32] } else { digest }
        }
    }

    impl Drop for Hash {
        fn drop(&mut self) {
            if let Some(context) = self.context {
                // SAFETY: allocated in `default`, and freed only here.
                unsafe { optee::crypto_hash_free_ctx(context.as_ptr()) }
            }
        }
    }
}
