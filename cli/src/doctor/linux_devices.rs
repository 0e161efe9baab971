//! Which nodes of the device tree have a driver, as Linux shows it in sysfs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rproc_devicetree::Tree;
use rproc_doctor::Presence;

use crate::board::nodes::{device_of, is_off};

/// The devices of one Linux by the node that they were made from, and whether a driver has them.
#[derive(Default)]
pub struct LinuxDevices {
    bound: BTreeMap<String, bool>,
}

impl LinuxDevices {
    /// Those of every bus below `buses` (`/sys/bus`); `base` is where Linux shows the tree. None where there is no sysfs.
    pub fn read(buses: &Path, base: &Path) -> Self {
        let base = fs::canonicalize(base).unwrap_or_else(|_| base.to_owned());
        let mut bound = BTreeMap::new();
        let devices = entries(buses).into_iter().flat_map(|bus| entries(&bus.join("devices")));
        for device in devices {
            let Ok(node) = fs::canonicalize(device.join("of_node")) else { continue };
            let Ok(path) = node.strip_prefix(&base) else { continue };
            // One node may have devices on several buses; one driver is enough.
            let entry = bound.entry(format!("/{}", path.display())).or_insert(false);
            *entry |= device.join("driver").exists();
        }
        Self { bound }
    }

    /// Whether what the node provides can be used.
    pub fn presence(&self, tree: &Tree, path: &str) -> Presence {
        if is_off(tree, path) {
            return Presence::Never;
        }
        // A node without a compatible has no device: the node above it provides what it describes.
        let Some(node) = device_of(tree, path) else { return Presence::Never };
        match self.bound.get(&node.path()) {
            Some(true) => Presence::There,
            Some(false) => Presence::NotYet,
            // Linux makes a device of each such node of a bus, except of those that it drives before it has devices.
            None if self.bound.is_empty() => Presence::NotYet,
            None => Presence::There,
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_node_is_there_when_a_driver_has_it_or_the_node_that_stands_for_it() {
        let sys = tempfile::tempdir().unwrap();
        let (bus, base) = (sys.path().join("bus"), sys.path().join("tree"));
        for (name, node, driver) in [
            ("40490000.mailbox", "soc@0/mailbox@40490000", true),
            ("46250000.mailbox", "soc@0/mailbox@46250000", false),
            ("psci", "psci", true),
        ] {
            let device = bus.join("platform/devices").join(name);
            fs::create_dir_all(&device).unwrap();
            fs::create_dir_all(base.join(node)).unwrap();
            symlink(base.join(node), device.join("of_node")).unwrap();
            if driver {
                symlink(sys.path(), device.join("driver")).unwrap();
            }
        }
        let ev1 = rproc_board::boards::BOARDS.into_iter().find(|board| board.name == "stm32mp257f-ev1");
        let tree = Tree::parse(ev1.unwrap().linux_tree).unwrap();
        let tree = tree.with_string("/firmware/scmi", "status", "disabled").unwrap();
        let devices = LinuxDevices::read(&bus, &base);
        for (path, presence) in [
            ("/soc@0/mailbox@40490000", Presence::There),
            ("/soc@0/mailbox@46250000", Presence::NotYet),
            ("/psci/power-domain-cluster", Presence::There),
            // Driven early, without a device.
            ("/soc@0/clock-controller@44200000", Presence::There),
            ("/firmware/scmi/protocol@14", Presence::Never),
            ("/no/such/node", Presence::Never),
        ] {
            assert_eq!(devices.presence(&tree, path), presence, "{path}");
        }
        let nothing = LinuxDevices::read(&sys.path().join("none"), &base);
        assert_eq!(nothing.presence(&tree, "/soc@0/mailbox@40490000"), Presence::NotYet);
    }
}
