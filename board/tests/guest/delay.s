@ HAL-like delay: SysTick every 400000 cycles (1 ms at 400 MHz), spins until 500 ticks have passed. RESULTS[0] ticks, [1] 0x600D.
        .include "macros.inc"
        vectors
start:  addr    r0, RESULTS
        addr    r2, SYST
        addr    r1, 399999
        str     r1, [r2, #4]
        movs    r1, #0
        str     r1, [r2, #8]
        movs    r1, #7
        str     r1, [r2]
        movw    r5, #500
1:      bl      get
        cmp     r1, r5
        blo     1b
        movw    r1, #0x600D
        str     r1, [r0, #4]
2:      wfi
        b       2b
get:    push    {r4, lr}
        ldr     r1, [r0]
        pop     {r4, pc}
tick:   ldr     r1, [r0]
        adds    r1, #1
        str     r1, [r0]
        bx      lr
fault: svc: pendsv: irq: stuck: b stuck
