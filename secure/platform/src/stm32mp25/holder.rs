//! Who may use a range of memory, and by which compartment number the firewalls know them.

/// Who may use a range of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The secure side of the Cortex-A alone.
    SecureCortexA,
    /// The coprocessor alone; it runs in the non-secure state, so the secure attribute must be off.
    Coprocessor,
    /// The Cortex-A, also its normal world, and the coprocessor.
    Everyone,
}

/// Compartment of the Cortex-A35.
pub(super) const CID_A35: u32 = 1;
/// Compartment of the Cortex-M33.
pub(super) const CID_M33: u32 = 2;
/// Compartment of the Cortex-M0+.
pub(super) const CID_M0_PLUS: u32 = 3;

impl Holder {
    /// The compartments that this holder is for the Cortex-M33's memory, a bit a number.
    pub(super) const fn compartments(self) -> u32 {
        match self {
            Self::SecureCortexA => 1 << CID_A35,
            Self::Coprocessor => 1 << CID_M33,
            Self::Everyone => 1 << CID_A35 | 1 << CID_M33,
        }
    }
}
