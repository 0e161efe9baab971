//! The memory of each processor's firmware, and the processors that are Linux's, as the build script read them.

use rproc_platform::{Region, RegionKind};

include!(concat!(env!("OUT_DIR"), "/regions.rs"));
