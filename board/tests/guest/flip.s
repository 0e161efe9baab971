@ Flips RESULTS[0] between 0 and all ones, and prints one line on a UART first.
        .include "macros.inc"
        vectors
start:  addr    r0, RESULTS
        addr    r6, 0x400E0000
        movs    r1, #'h'
        strb    r1, [r6, #0x28]
        movs    r1, #'i'
        strb    r1, [r6, #0x28]
        movs    r1, #10
        strb    r1, [r6, #0x28]
        movs    r1, #0
        mvns    r2, r1
1:      str     r1, [r0]
        str     r2, [r0]
        b       1b
fault: svc: pendsv: tick: irq: stuck: b stuck
