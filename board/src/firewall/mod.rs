//! The firewall: guards with registers, the permission maps compiled from them, and the controller that reports violations.

mod capture;
mod etzpc;
mod guard;
mod iac;
mod permissions;
mod risab;
mod risaf;
mod risal;
#[cfg(test)]
mod testing;

pub use etzpc::{Etzpc, Mode};
pub use guard::{Guard, Maps};
pub use iac::Iac;
pub use permissions::{PermissionMap, Rights};
pub use risab::Risab;
pub use risaf::Risaf;
pub use risal::Risal;

use crate::description::Description;

/// Every guard of a board at power-on, not compiled yet.
pub fn guards(description: &Description, maps: &dyn Maps) -> Vec<Box<dyn Guard>> {
    let mut guards: Vec<Box<dyn Guard>> = Vec::new();
    for site in &description.risafs {
        if let Some((map, offset)) = maps.map_at(site.memory) {
            guards.push(Box::new(Risaf::new(*site, offset, map.size().saturating_sub(offset))));
        }
    }
    for site in &description.risabs {
        if let Some((_, offset)) = maps.map_at(site.memory) {
            guards.push(Box::new(Risab::new(*site, offset)));
        }
    }
    if let Some(site) = &description.etzpc {
        guards.push(Box::new(Etzpc::new(site.clone())));
    }
    guards.extend(description.risals.iter().map(|site| Box::new(Risal::new(*site)) as Box<dyn Guard>));
    guards
}
