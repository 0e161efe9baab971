//! The ioctl numbers and structures of Linux's TEE devices (`include/uapi/linux/tee.h`).

use rustix::ioctl::{Opcode, opcode};

const MAGIC: u8 = 0xa4;

/// `TEE_IOC_VERSION`, with [`Version`].
pub const VERSION: Opcode = opcode::read::<Version>(MAGIC, 0);
/// `TEE_IOC_SHM_ALLOC`, with [`SharedAllocation`]; gives a file descriptor.
pub const SHM_ALLOC: Opcode = opcode::read_write::<SharedAllocation>(MAGIC, 1);
/// `TEE_IOC_OPEN_SESSION`, with an [`Argument`] that leads to an [`OpenSession`].
pub const OPEN_SESSION: Opcode = opcode::read::<Argument>(MAGIC, 2);
/// `TEE_IOC_INVOKE`, with an [`Argument`] that leads to an [`Invoke`].
pub const INVOKE: Opcode = opcode::read::<Argument>(MAGIC, 3);
/// `TEE_IOC_CANCEL`, with [`Cancel`].
pub const CANCEL: Opcode = opcode::read::<Cancel>(MAGIC, 4);
/// `TEE_IOC_CLOSE_SESSION`, with [`CloseSession`].
pub const CLOSE_SESSION: Opcode = opcode::read::<CloseSession>(MAGIC, 5);
/// `TEE_IOC_SHM_REGISTER`, with [`SharedRegistration`]; gives a file descriptor.
pub const SHM_REGISTER: Opcode = opcode::read_write::<SharedRegistration>(MAGIC, 9);

// The numbers as a C program computes them from the header on arm64 and x86-64.
const _: () = {
    assert!(VERSION == 0x800c_a400);
    assert!(SHM_ALLOC == 0xc010_a401);
    assert!(OPEN_SESSION == 0x8010_a402);
    assert!(INVOKE == 0x8010_a403);
    assert!(CANCEL == 0x8008_a404);
    assert!(CLOSE_SESSION == 0x8004_a405);
    assert!(SHM_REGISTER == 0xc018_a409);
};

/// `TEE_IMPL_ID_OPTEE`.
pub const IMPLEMENTATION_OPTEE: u32 = 1;
/// `TEE_GEN_CAP_PRIVILEGED`: the device is tee-supplicant's.
pub const CAPABILITY_PRIVILEGED: u32 = 1 << 1;
/// `TEE_GEN_CAP_REG_MEM`: a process may share memory of its own.
pub const CAPABILITY_REGISTER: u32 = 1 << 2;

/// `struct tee_ioctl_version_data`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Version {
    /// `TEE_IMPL_ID_*`.
    pub implementation: u32,
    /// What this implementation can do.
    pub implementation_capabilities: u32,
    /// `TEE_GEN_CAP_*`.
    pub capabilities: u32,
}

/// `struct tee_ioctl_shm_alloc_data`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SharedAllocation {
    /// Bytes wanted, then bytes allocated.
    pub size: u64,
    /// Zero.
    pub flags: u32,
    /// The kernel's number for it.
    pub id: i32,
}

/// `struct tee_ioctl_shm_register_data`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SharedRegistration {
    /// Address of the first byte in this process.
    pub address: u64,
    /// Bytes.
    pub length: u64,
    /// Zero.
    pub flags: u32,
    /// The kernel's number for it.
    pub id: i32,
}

/// `struct tee_ioctl_buf_data`: where a structure of another size is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Address of the structure.
    pub address: u64,
    /// Bytes of the structure.
    pub length: u64,
}

/// `struct tee_ioctl_param`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// `TEE_IOCTL_PARAM_ATTR_TYPE_*`, the numbers of [`rproc_abi::ParamKind`].
    pub kind: u64,
    /// A value's first word; a memory reference's offset.
    pub a: u64,
    /// A value's second word; a memory reference's size in bytes.
    pub b: u64,
    /// A memory reference's number.
    pub c: u64,
}

/// `struct tee_ioctl_open_session_arg` with four parameters.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenSession {
    /// The service, most significant octet first.
    pub service: [u8; 16],
    /// What the login is about: a group's number, in the first 4 bytes as the machine has it
    /// in memory (`tee_session_calc_client_uuid`).
    pub client: [u8; 16],
    /// `TEE_IOCTL_LOGIN_*`.
    pub login: u32,
    /// By which the call can be cancelled.
    pub cancel_id: u32,
    /// The session's number, from the kernel.
    pub session: u32,
    /// The TEE's result.
    pub result: u32,
    /// Who says so.
    pub origin: u32,
    /// How many parameters follow.
    pub count: u32,
    /// The parameters.
    pub parameters: [Parameter; 4],
}

/// `struct tee_ioctl_invoke_arg` with four parameters.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Invoke {
    /// The service's command.
    pub command: u32,
    /// The session's number.
    pub session: u32,
    /// By which the call can be cancelled.
    pub cancel_id: u32,
    /// The TEE's result.
    pub result: u32,
    /// Who says so.
    pub origin: u32,
    /// How many parameters follow.
    pub count: u32,
    /// The parameters.
    pub parameters: [Parameter; 4],
}

/// `struct tee_ioctl_cancel_arg`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Cancel {
    /// Of the call to cancel.
    pub cancel_id: u32,
    /// The session, or 0 while it is being opened.
    pub session: u32,
}

/// `struct tee_ioctl_close_session_arg`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CloseSession {
    /// The session's number.
    pub session: u32,
}

const _: () = {
    assert!(size_of::<Version>() == 12);
    assert!(size_of::<SharedAllocation>() == 16);
    assert!(size_of::<SharedRegistration>() == 24);
    assert!(size_of::<Argument>() == 16);
    assert!(size_of::<Parameter>() == 32);
    assert!(size_of::<OpenSession>() == 56 + 4 * 32);
    assert!(core::mem::offset_of!(OpenSession, parameters) == 56);
    assert!(size_of::<Invoke>() == 24 + 4 * 32);
    assert!(core::mem::offset_of!(Invoke, parameters) == 24);
    assert!(size_of::<Cancel>() == 8);
    assert!(size_of::<CloseSession>() == 4);
};
