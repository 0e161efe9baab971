//! RPMsg echo for any processor with vrings: sends every message back to its sender, sleeping in between.
#![no_std]

mod echo;
mod serve;

pub use serve::{Conduct, serve};
