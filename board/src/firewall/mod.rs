//! The firewall: guards with registers, the permission maps compiled from them, and the controller that reports violations.

mod capture;
mod iac;
mod permissions;
mod risab;
mod risaf;

pub use iac::Iac;
pub use permissions::{PermissionMap, Rights};
pub use risab::Risab;
pub use risaf::Risaf;
