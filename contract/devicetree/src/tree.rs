//! The device tree in memory: nodes, their properties, paths and phandles.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::blob;

/// One property: its name and its bytes as the blob has them (big-endian).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PropertyData {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// One node: indices are positions in [`Tree::nodes`], the root is 0 and parents come before children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NodeData {
    pub(crate) name: String,
    pub(crate) parent: Option<usize>,
    pub(crate) children: Vec<usize>,
    pub(crate) properties: Vec<PropertyData>,
}

/// A decoded device tree. Its shape is proved (one root, bounded depth, names are text); its contents are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<NodeData>,
    phandles: BTreeMap<u32, usize>,
}

impl Tree {
    /// Decodes a device tree blob of format version 17, at most [`blob::MAXIMUM_SIZE`] bytes. Takes any bytes without a panic.
    ///
    /// # Errors
    /// Says which part of the blob is broken, with offsets in bytes from its start.
    pub fn parse(blob: &[u8]) -> Result<Tree, blob::Error> {
        blob::decode(blob)
    }

    /// Takes nodes in the order of the blob; there is at least the root.
    pub(crate) fn new(nodes: Vec<NodeData>) -> Tree {
        let mut tree = Tree { nodes, phandles: BTreeMap::new() };
        for index in 0..tree.nodes.len() {
            let node = NodeRef { tree: &tree, index };
            let phandle = node.raw("phandle").or_else(|| node.raw("linux,phandle"));
            if let Some(phandle) = phandle.and_then(|value| value.try_into().ok()).map(u32::from_be_bytes) {
                // The first node with a phandle keeps it, as a search from the root would find it.
                tree.phandles.entry(phandle).or_insert(index);
            }
        }
        tree
    }

    /// The root node.
    #[must_use]
    pub fn root(&self) -> NodeRef<'_> {
        NodeRef { tree: self, index: 0 }
    }

    /// The node at an absolute path such as `/firmware/optee`; every component is the full name with its unit address.
    #[must_use]
    pub fn node(&self, path: &str) -> Option<NodeRef<'_>> {
        let components = path.strip_prefix('/')?.split('/').filter(|name| !name.is_empty());
        components.into_iter().try_fold(self.root(), |node, name| node.child(name))
    }

    /// Every node in the order of the blob, parents before their children.
    pub fn nodes(&self) -> impl Iterator<Item = NodeRef<'_>> {
        (0..self.nodes.len()).map(|index| NodeRef { tree: self, index })
    }

    /// The same tree with a property of the node at `path` set to a string; nothing when there is no such node. The property
    /// is added where it is not there yet.
    #[must_use]
    pub fn with_string(&self, path: &str, property: &str, value: &str) -> Option<Tree> {
        self.with_property(path, property, Some(&[value.as_bytes(), b"\0"].concat()))
    }

    /// The same tree with a property of the node at `path` set to these bytes, or without it; `None` without such a node.
    #[must_use]
    pub fn with_property(&self, path: &str, property: &str, value: Option<&[u8]>) -> Option<Tree> {
        let index = self.node(path)?.index;
        let mut nodes = self.nodes.clone();
        let properties = &mut nodes.get_mut(index)?.properties;
        let place = properties.iter().position(|one| one.name == property);
        match (place.and_then(|place| properties.get_mut(place)), value) {
            (Some(one), Some(value)) => one.value = value.to_vec(),
            (None, Some(value)) => {
                properties.push(PropertyData { name: property.to_owned(), value: value.to_vec() });
            }
            (_, None) => properties.retain(|one| one.name != property),
        }
        Some(Tree::new(nodes))
    }

    /// The node that bears `phandle`.
    #[must_use]
    pub fn by_phandle(&self, phandle: u32) -> Option<NodeRef<'_>> {
        self.phandles.get(&phandle).map(|index| NodeRef { tree: self, index: *index })
    }
}

/// One node of a [`Tree`].
#[derive(Debug, Clone, Copy)]
pub struct NodeRef<'a> {
    tree: &'a Tree,
    index: usize,
}

impl<'a> NodeRef<'a> {
    fn data(self) -> Option<&'a NodeData> {
        self.tree.nodes.get(self.index)
    }

    /// The tree that holds this node.
    pub(crate) fn tree(self) -> &'a Tree {
        self.tree
    }

    /// The name with its unit address, such as `m33@1`; empty for the root.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.data().map_or("", |node| &node.name)
    }

    /// The name without its unit address, such as `m33`: what Linux calls a memory region by.
    #[must_use]
    pub fn base_name(self) -> &'a str {
        self.name().split('@').next().unwrap_or_default()
    }

    /// The text after `@` in the name.
    #[must_use]
    pub fn unit_address(self) -> Option<&'a str> {
        self.name().split_once('@').map(|(_, address)| address)
    }

    /// The absolute path, such as `/firmware/optee`.
    #[must_use]
    pub fn path(self) -> String {
        let mut names: Vec<&str> =
            core::iter::successors(Some(self), |node| node.parent()).map(NodeRef::name).collect();
        names.reverse();
        if names.len() == 1 { "/".to_owned() } else { names.join("/") }
    }

    /// The node that holds this one.
    #[must_use]
    pub fn parent(self) -> Option<NodeRef<'a>> {
        self.data()?.parent.map(|index| NodeRef { tree: self.tree, index })
    }

    /// The child nodes in the order of the blob.
    pub fn children(self) -> impl Iterator<Item = NodeRef<'a>> {
        let children = self.data().map(|node| node.children.as_slice()).unwrap_or_default();
        children.iter().map(move |index| NodeRef { tree: self.tree, index: *index })
    }

    /// The child of that full name.
    #[must_use]
    pub fn child(self, name: &str) -> Option<NodeRef<'a>> {
        self.children().find(|child| child.name() == name)
    }

    /// Names and undecoded values of all properties, in the order of the blob.
    pub fn properties(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let properties = self.data().map(|node| node.properties.as_slice()).unwrap_or_default();
        properties.iter().map(|property| (property.name.as_str(), property.value.as_slice()))
    }

    /// The undecoded value of a property.
    #[must_use]
    pub fn raw(self, property: &str) -> Option<&'a [u8]> {
        self.properties().find(|(name, _)| *name == property).map(|(_, value)| value)
    }
}

impl PartialEq for NodeRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.tree, other.tree) && self.index == other.index
    }
}

impl Eq for NodeRef<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::EXAMPLE;
    use std::prelude::rust_2024::*;
    use std::vec;

    #[test]
    fn paths_lead_back_to_their_nodes() {
        let tree = Tree::parse(EXAMPLE).unwrap();
        let mut waiting = vec![tree.root()];
        let mut seen = 0;
        while let Some(node) = waiting.pop() {
            assert!(tree.node(&node.path()) == Some(node), "{}", node.path());
            waiting.extend(node.children());
            seen += 1;
        }
        assert!(seen > 10);
        assert!(tree.node("/no/such").is_none() && tree.node("firmware").is_none());
    }
}
