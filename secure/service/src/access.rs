//! Who may open the service.

use rproc_abi::refusal::{Fact, Reason};
use rproc_abi::{Client, Login, Refusal, Uuid};

/// The clients that get a session. Always the normal world's kernel; by choice of the product also members of groups.
///
/// A group is known by the UUID that Linux makes of it for `TEE_LOGIN_GROUP`: a version 5 UUID of the text `gid=` and the
/// number in hexadecimal, in the namespace 58ac9ca0-2086-4683-a1b8-ec4bc08e01b6. Linux presents it only for a caller whose
/// effective groups hold it (`drivers/tee/tee_core.c`, `tee_session_calc_client_uuid`).
#[derive(Clone, Copy, Debug)]
pub struct Access {
    groups: &'static [Uuid],
}

impl Access {
    /// The normal world's kernel and nobody else.
    pub const fn kernel_only() -> Self {
        Self { groups: &[] }
    }

    /// The normal world's kernel, and processes of these groups.
    pub const fn kernel_and_groups(groups: &'static [Uuid]) -> Self {
        Self { groups }
    }

    /// Refuses everybody else.
    pub(crate) fn check(&self, client: &Client) -> Result<(), Refusal> {
        match client.login {
            Login::ReeKernel => Ok(()),
            Login::Group if self.groups.contains(&client.uuid) => Ok(()),
            other => Err(Refusal::new(Reason::NotKernel)
                .expected(Fact::Address(u64::from(Login::ReeKernel.code())))
                .found(Fact::Address(u64::from(other.code())))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Uuid = Uuid::from_octets([7; 16]);
    const OTHER: Uuid = Uuid::from_octets([8; 16]);

    #[test]
    fn a_group_is_let_in_by_its_uuid_and_only_as_a_group() {
        let access = Access::kernel_and_groups(&[GROUP]);
        for (login, uuid, allowed) in [
            (Login::ReeKernel, Uuid::NIL, true),
            (Login::Group, GROUP, true),
            (Login::Group, OTHER, false),
            (Login::Group, Uuid::NIL, false),
            (Login::User, GROUP, false),
            (Login::Public, GROUP, false),
            (Login::TrustedApp, GROUP, false),
            (Login::Other(6), GROUP, false),
            (Login::Other(0x8000_0001), GROUP, false),
        ] {
            assert_eq!(access.check(&Client { login, uuid }).is_ok(), allowed, "{login:?} {uuid}");
            let kernel = Access::kernel_only().check(&Client { login, uuid });
            assert_eq!(kernel.is_ok(), login == Login::ReeKernel, "{login:?} {uuid}");
        }
    }
}
