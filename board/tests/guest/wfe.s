@ An interrupt has already run when WFE is reached: it must not sleep for ever. RESULTS[0] interrupts, [1] 0x600D behind the WFE.
        .include "macros.inc"
        vectors
start:  addr    r0, RESULTS
        addr    r3, SCB
        movs    r4, #0
        movs    r1, #1
        lsls    r1, r1, #28         @ PENDSVSET
        str     r1, [r3, #4]
        dsb
        isb
        wfe
        movw    r1, #0x600D
        str     r1, [r0, #4]
        wfe.w
        movw    r1, #0x601D
        str     r1, [r0, #8]
1:      wfe
        b       1b
pendsv: adds    r4, #1
        str     r4, [r0]
        bx      lr
fault: svc: tick: irq: stuck: b stuck
