//! The service's processors in the device tree, in each form that was published for them.
// SPDX-License-Identifier: GPL-2.0

use kernel::device::property::FwNode;
use kernel::device::Device;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::aref::ARef;
use rproc_abi::{ProcessorId, Uuid};

use crate::ffi;
use crate::service::Text;

/// Where the service's node is: below the TEE's own, as the proposal of a TEE service and version 20 of the series `remoteproc-tee`
/// have it, or beside that one, as versions 21 and 22.
const PLACES: [&CStr; 2] = [c"/firmware/optee", c"/firmware"];
/// The property of a processor's node that stands elsewhere (versions 21 and 22): the service's phandle and the processor's id.
const LINKS: [&CStr; 2] = [c"rproc-tee-phandle", c"st,rproc-tee"];

/// A processor of the device tree.
pub(crate) struct Described {
    pub(crate) node: ARef<FwNode>,
    pub(crate) id: ProcessorId,
}

/// All processors that the device tree gives to the service: the children of its node, then the nodes that refer to it. One that is
/// not enabled is none; one that cannot be used is left out with a line that says why.
///
/// # Errors
/// `ENODEV`, and a line, where the service has no node.
pub(crate) fn described(device: &Device) -> Result<KVec<Described>> {
    let services = services()?;
    let Some((service, others)) = services.split_first() else {
        let uuid = Uuid::REMOTEPROC_TA;
        let [below, beside] = PLACES;
        dev_info!(
            device,
            "the device tree has neither rproc-service-{} below {} nor {} below {}: no processor is registered\n",
            Text(uuid),
            below,
            Text(uuid),
            beside
        );
        return Err(ENODEV);
    };
    for other in others {
        dev_warn!(device, "{} is left out: {} is the service's node already\n", &**other, &**service);
    }
    let mut reader = Reader { device, service, others, found: KVec::new() };
    for child in service.children() {
        reader.child(child)?;
    }
    let mut left = KVec::new();
    left.push(ffi::node(c"/").ok_or(ENODEV)?, GFP_KERNEL)?;
    while let Some(node) = left.pop() {
        for child in node.children() {
            reader.elsewhere(&child)?;
            left.push(child, GFP_KERNEL)?;
        }
    }
    Ok(reader.found)
}

/// All nodes of the service; there should be one.
fn services() -> Result<KVec<ARef<FwNode>>> {
    let uuid = Text(Uuid::REMOTEPROC_TA);
    let names =
        [CString::try_from_fmt(fmt!("rproc-service-{}", uuid))?, CString::try_from_fmt(fmt!("{}", uuid))?];
    let mut services = KVec::new();
    for place in PLACES.into_iter().filter_map(ffi::node) {
        for child in place.children() {
            if names.iter().any(|name| child.property_match_string(c"compatible", name).is_ok()) {
                services.push(child, GFP_KERNEL)?;
            }
        }
    }
    Ok(services)
}

/// Collects processors.
struct Reader<'a> {
    device: &'a Device,
    service: &'a FwNode,
    /// Further nodes of the service, which have been named in the log.
    others: &'a [ARef<FwNode>],
    found: KVec<Described>,
}

impl Reader<'_> {
    /// A child of the service's node. Its id is `reg`, or else the beginning of its name: `m33`, `m33_rproc`.
    fn child(&mut self, node: ARef<FwNode>) -> Result {
        let id = if node.property_present(c"reg") {
            self.cells(&node, c"reg", "the processor's id").map(|[id]| ProcessorId(id))
        } else {
            let name = ffi::node_name(&node)?;
            let id = name.to_str().ok().and_then(ProcessorId::from_name);
            if id.is_none() {
                dev_warn!(
                    self.device,
                    "{} is left out: neither `reg` nor its name says which processor it is\n",
                    &*node
                );
            }
            id
        };
        id.map_or(Ok(()), |id| self.add(node, id))
    }

    /// Any node of the tree, which is a processor's if it refers to the service.
    fn elsewhere(&mut self, node: &ARef<FwNode>) -> Result {
        let mut links = LINKS.into_iter().filter(|link| node.property_present(link));
        let Some(link) = links.next() else { return Ok(()) };
        if let Some(other) = links.next() {
            dev_warn!(self.device, "{} is left out: it has `{}` and `{}`\n", &**node, link, other);
            return Ok(());
        }
        let Some([phandle, id]) = self.cells(node, link, "the service's phandle and the processor's id")
        else {
            return Ok(());
        };
        if refers(phandle, self.service) {
            return self.add(node.clone(), ProcessorId(id));
        }
        if !self.others.iter().any(|other| refers(phandle, other)) {
            dev_warn!(
                self.device,
                "{} is left out: `{}` does not refer to {}\n",
                &**node,
                link,
                self.service
            );
        }
        Ok(())
    }

    /// The cells of a property that must have just so many; if it has not, the log says it.
    fn cells<const N: usize>(&self, node: &FwNode, property: &CStr, meaning: &str) -> Option<[u32; N]> {
        let count = node.property_count_elem::<u32>(property).unwrap_or(0);
        let cells = node.property_read(property).optional().filter(|_| count == N);
        if cells.is_none() {
            dev_warn!(
                self.device,
                "{} is left out: `{}` has {} cells, not {}: {}\n",
                node,
                property,
                count,
                N,
                meaning
            );
        }
        cells
    }

    /// A processor, unless another node is this one's already.
    fn add(&mut self, node: ARef<FwNode>, id: ProcessorId) -> Result {
        if let Some(other) = self.found.iter().find(|other| other.id == id) {
            dev_warn!(self.device, "{} is left out: {} is the {} already\n", &*node, &*other.node, Text(id));
            return Ok(());
        }
        Ok(self.found.push(Described { node, id }, GFP_KERNEL)?)
    }
}

fn refers(phandle: u32, node: &FwNode) -> bool {
    node.property_read::<u32>(c"phandle").optional() == Some(phandle)
}
