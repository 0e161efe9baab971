@ Counts for ever in RESULTS[0].
        .include "macros.inc"
        vectors
start:  addr    r0, RESULTS
        movs    r1, #0
1:      adds    r1, #1
        str     r1, [r0]
        b       1b
fault: svc: pendsv: tick: irq: stuck: b stuck
