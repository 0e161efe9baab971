@ First boot: enables IRQ 3, SysTick and the FPU, then asks for a reset. Second boot: reports what is left of them.
@ RESULTS[0] boots, [1] ISER0, [2] SYST_CSR, [3] CPACR, [4] 0x600D.
        .include "macros.inc"
        vectors
start:  addr    r0, RESULTS
        addr    r1, NVIC
        addr    r2, SYST
        addr    r3, SCB
        ldr     r4, [r0]
        adds    r4, #1
        str     r4, [r0]
        cmp     r4, #2
        beq     again
        movs    r5, #8
        str     r5, [r1]
        movw    r5, #0xFFFF
        str     r5, [r2, #4]
        movs    r5, #5
        str     r5, [r2]
        movw    r5, #0
        movt    r5, #0xF0
        str     r5, [r3, #0x88]
        addr    r5, 0x05FA0004
        str     r5, [r3, #0x0C]
stuck:  b       stuck
again:  ldr     r5, [r1]
        str     r5, [r0, #4]
        ldr     r5, [r2]
        str     r5, [r0, #8]
        ldr     r5, [r3, #0x88]
        str     r5, [r0, #12]
        movw    r5, #0x600D
        str     r5, [r0, #16]
1:      wfi
        b       1b
fault: svc: pendsv: tick: irq: b stuck
