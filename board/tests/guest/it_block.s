@ SysTick at every phase of an IT block whose first arm must never run and whose second must run once.
@ RESULTS[0] bad arms taken, [1] good arms missed, [2] rounds, [3] 0x600D at the end.
        .include "macros.inc"
        vectors
start:  addr    r0, RESULTS
        movs    r4, #0
        movs    r5, #0
        movs    r6, #0
        addr    r7, SYST
        movw    r8, #101            @ reload: odd numbers slide over every position
round:  str     r8, [r7, #4]
        movs    r1, #0
        str     r1, [r7, #8]
        movs    r1, #7
        str     r1, [r7]
        movs    r9, #0              @ ticks this round, counted by the handler
1:      movs    r2, #0
        movs    r3, #0
        cmp     r2, #1
        ite     eq
        addeq   r2, r2, #1
        addne   r3, r3, #1
        itt     eq
        addeq   r2, r2, #1
        addeq   r2, r2, #1
        add     r4, r4, r2
        cmp     r3, #1
        it      ne
        addne   r5, r5, #1
        adds    r6, #1
        cmp     r9, #20
        blt     1b
        movs    r1, #0
        str     r1, [r7]
        add     r8, r8, #1
        movw    r1, #180
        cmp     r8, r1
        blt     round
        str     r4, [r0]
        str     r5, [r0, #4]
        str     r6, [r0, #8]
        movw    r1, #0x600D
        str     r1, [r0, #12]
2:      wfi
        b       2b
tick:   add     r9, r9, #1
        movs    r1, #1              @ leaves the flags different from the interrupted code's
        cmp     r1, #1
        bx      lr
fault: svc: pendsv: irq: stuck: b stuck
