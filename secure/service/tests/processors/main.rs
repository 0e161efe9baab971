//! One service, many processors: every command in every state that two of them can reach together, and random commands to
//! three, against a model that is written down here by itself.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod exhaustive;
mod firmware;
mod interference;
mod model;
mod random;
mod world;
