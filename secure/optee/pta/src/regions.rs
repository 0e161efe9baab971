//! The memory of each processor's firmware, the processors that are Linux's and those that may run already, as the build script
//! read them.

use rproc_platform::{BeforeTee, Region, RegionKind};

include!(concat!(env!("OUT_DIR"), "/regions.rs"));
