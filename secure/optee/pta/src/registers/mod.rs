//! Where the SoC's registers and memories are: in a PCI device of QEMU, or at their own addresses.

#[cfg(all(feature = "qemu", feature = "silicon"))]
compile_error!(
    "choose one of the features qemu and silicon: build with --no-default-features --features silicon"
);
#[cfg(not(any(feature = "qemu", feature = "silicon")))]
compile_error!("choose one of the features qemu and silicon");

#[cfg(feature = "qemu")]
mod pci;
#[cfg(feature = "qemu")]
mod qemu;
#[cfg(feature = "qemu")]
pub use qemu::{Registers, SocName};

#[cfg(feature = "silicon")]
mod silicon;
#[cfg(feature = "silicon")]
pub use silicon::{Registers, SocName};
