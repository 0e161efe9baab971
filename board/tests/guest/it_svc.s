@ SVC as the first of an IT block whose second instruction is in the other arm: it must not run after the return.
@ RESULTS[0] the other arm's count, [1] SVC calls, [2] 0x600D at the end.
        .include "macros.inc"
        vectors
start:  addr    r0, RESULTS
        movs    r4, #0
        movs    r5, #0
        cmp     r4, #0
        ite     eq
        svceq   #1
        addne   r4, r4, #1
        str     r4, [r0]
        str     r5, [r0, #4]
        movw    r1, #0x600D
        str     r1, [r0, #8]
2:      wfi
        b       2b
svc:    adds    r5, #1
        bx      lr
fault: pendsv: tick: irq: stuck: b stuck
