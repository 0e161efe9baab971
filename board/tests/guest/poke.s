@ Reads the address in RESULTS[1]; its fault handlers spin.
        .include "macros.inc"
        vectors
start:  addr    r0, RESULTS
        ldr     r1, [r0, #4]
        ldr     r2, [r1]
        str     r2, [r0, #8]
1:      wfi
        b       1b
fault:  push    {r4, lr}
2:      b       2b
svc: pendsv: tick: irq: stuck: b stuck
