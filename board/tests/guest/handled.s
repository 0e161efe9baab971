@ Reads the address in RESULTS[1] with a BusFault handler that skips the instruction. RESULTS[2] 0x600D.
        .include "macros.inc"
        vectors
start:  addr    r0, RESULTS
        addr    r3, SCB
        movs    r1, #1
        lsls    r1, r1, #17         @ BUSFAULTENA
        str     r1, [r3, #0x24]
        dsb
        isb
        ldr     r1, [r0, #4]
        ldr     r2, [r1]
        movw    r2, #0x600D
        str     r2, [r0, #8]
1:      wfi
        b       1b
fault:  ldr     r1, [sp, #24]
        adds    r1, #2
        str     r1, [sp, #24]
        bx      lr
svc: pendsv: tick: irq: stuck: b stuck
