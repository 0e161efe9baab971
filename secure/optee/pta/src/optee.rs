//! What OP-TEE's core offers, made from its headers when this library is built (`build/headers.rs`).
#![allow(
    missing_docs,
    dead_code,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::allow_attributes_without_reason,
    reason = "the names and shapes are the headers'"
)]

include!(concat!(env!("OUT_DIR"), "/optee.rs"));
