//! The garden of the house: a virtual STM32MP15 or STM32MP25 that runs real firmware against real registers, in virtual time.
//!
//! [`Board`] holds it together. [`bus`] carries every access past the [`firewall`]; [`peripherals`] are the registers; [`core`] runs the
//! firmware; [`log`] remembers what happened. On Linux, `serve` joins the board to a machine that QEMU emulates.

pub mod board;
pub mod boards;
mod boot_firmware;
pub mod boot_stage;
pub mod bus;
pub mod clock;
pub mod clocks;
pub mod core;
pub mod description;
pub mod firewall;
pub mod log;
pub mod peripherals;
pub mod ram;
#[cfg(target_os = "linux")]
pub mod serve;
pub mod soc;
pub mod system;
pub mod tee;

pub use board::{Board, BoardError, CoreView, Wake};
pub use bus::{AccessError, Bus, Cause, Direction, Initiator, Port};
pub use description::{CoreKind, CoreName, Description};
pub use log::{Event, Happening};
