//! Says which chip the target stands for, and lets the linker find the memory maps beside this file.

/// Each target has one chip here. The chip is a `cfg` of this crate alone; others read `rproc_runtime::chip`.
const CHIPS: [(&str, &str); 3] = [
    ("thumbv8m.main-none-eabi", "stm32mp25-m33"),
    ("thumbv7em-none-eabi", "stm32mp15-m4"),
    ("thumbv6m-none-eabi", "stm32mp25-m0"),
];

fn main() {
    let target = std::env::var("TARGET").unwrap_or_default();
    match CHIPS.iter().find(|(name, _)| *name == target) {
        Some((_, chip)) => println!("cargo::rustc-cfg=chip=\"{chip}\""),
        None => println!("cargo::error=no chip is known for target {target}: CHIPS in build.rs names them"),
    }
    println!(
        "cargo::rustc-check-cfg=cfg(chip, values(\"stm32mp25-m33\", \"stm32mp15-m4\", \"stm32mp25-m0\"))"
    );
    println!("cargo::rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
    for script in ["sections.ld", "stm32mp25-m33.ld", "stm32mp15-m4.ld", "stm32mp25-m0.ld"] {
        println!("cargo::rerun-if-changed={script}");
    }
}
