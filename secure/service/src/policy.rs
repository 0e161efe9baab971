//! What an image must bind before it is loaded.

/// How much of an image must be authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Also images that bind less than they could, such as those of upstream's and ST's signing scripts. Nothing that
    /// is not authenticated is used: the segments come from the signed table and the resource table is looked for in
    /// their content. What the image does not bind is reported.
    Compatible,
    /// Only images that bind target, security counter, ELF metadata and resource table.
    Strict,
}
