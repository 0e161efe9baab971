//! Leaves the refused images for the system tests, which want the same result codes from real OP-TEE.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

use std::path::Path;

use rproc_abi::Refusal;

/// The folder to leave them in; unset, nothing is left.
const FOLDER: &str = "RPROC_EXPORT_REFUSALS";

/// The first image of each test for each reason: the image, and beside it the result code and the words.
pub fn refused(image: &[u8], refusal: &Refusal) {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let thread = std::thread::current();
    let name = format!("{}-{:?}", thread.name().unwrap(), refusal.reason);
    let path = Path::new(&folder).join(name);
    let image_path = path.with_extension("img");
    if !image_path.exists() {
        std::fs::write(image_path, image).unwrap();
        std::fs::write(path.with_extension("expect"), format!("{:08x} {refusal}\n", refusal.result().0))
            .unwrap();
    }
}
