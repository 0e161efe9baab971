//! Reads arbitrary bytes as the messages that QEMU sends to the virtual board.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let good = rproc_board::serve::decode_stream(bytes);
    // Every message has a header.
    assert!(good <= bytes.len() / 16);
});
