//! Who a TEE client says it is, and what the TEE vouches for.

use crate::Uuid;

/// Who a session's client is, as the TEE tells a Trusted Application (`TEE_Identity`, property `gpd.client.identity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// How it logged in.
    pub login: Login,
    /// Which one it is: of a [`Login::Group`] the UUID that the normal world's kernel makes of the group's number, of a
    /// [`Login::TrustedApp`] that application's own, of the kernel nothing in particular.
    pub uuid: Uuid,
}

impl Client {
    /// The normal world's kernel.
    pub const KERNEL: Self = Self { login: Login::ReeKernel, uuid: Uuid::NIL };
}

/// The login method of a session, as the TEE reports it to a Trusted Application (`TEE_LOGIN_*`).
///
/// The normal world's kernel decides which of these a process may present: Linux refuses 0x80000000 and above
/// to user space, even to root (`optee_open_session`), so [`Login::ReeKernel`] means "the kernel itself".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Login {
    /// Anybody, 0x0.
    Public,
    /// A user id, 0x1.
    User,
    /// A group id, 0x2.
    Group,
    /// The normal world's kernel, 0x80000000 (`TEE_LOGIN_REE_KERNEL`).
    ReeKernel,
    /// Another Trusted Application, 0xF0000000 (`TEE_LOGIN_TRUSTED_APP`).
    TrustedApp,
    /// Any other value.
    Other(u32),
}

impl Login {
    /// The number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            Self::Public => 0,
            Self::User => 1,
            Self::Group => 2,
            Self::ReeKernel => 0x8000_0000,
            Self::TrustedApp => 0xf000_0000,
            Self::Other(code) => code,
        }
    }

    /// From the number on the wire.
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Public,
            1 => Self::User,
            2 => Self::Group,
            0x8000_0000 => Self::ReeKernel,
            0xf000_0000 => Self::TrustedApp,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Login;

    proptest::proptest! {
        #[test]
        fn every_code_survives(code: u32) {
            proptest::prop_assert_eq!(Login::from_code(code).code(), code);
        }
    }
}
