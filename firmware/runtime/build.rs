//! Lets the linker find the memory map beside this file.

fn main() {
    println!("cargo::rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed=stm32mp25-m33.ld");
}
