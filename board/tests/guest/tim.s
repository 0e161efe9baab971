@ Waits for TIM6 in three ways. Its ticks are a microsecond long and its rounds a hundred of them. RESULTS[0] the counter as read in a
@ loop until it is 50 or more, [1] the flag as read in a loop, [2] the exception that interrupts it from then on, [3] how often.
        .include "macros.inc"
        .equ    TIM6, 0x40040000
        vectors
start:  addr    r0, RESULTS
        addr    r6, TIM6
        movs    r1, #199            @ PSC: 200 MHz by 200
        str     r1, [r6, #0x28]
        movs    r1, #99             @ ARR
        str     r1, [r6, #0x2C]
        movs    r1, #1
        str     r1, [r6, #0x14]     @ EGR: loads both
        movs    r2, #0
        str     r2, [r6, #0x10]     @ SR
        str     r1, [r6, #0x00]     @ CR1: on
1:      ldr     r2, [r6, #0x24]     @ CNT
        cmp     r2, #50
        bcc     1b
        str     r2, [r0]
2:      ldr     r2, [r6, #0x10]
        tst     r2, #1
        beq     2b
        str     r2, [r0, #4]
        movs    r2, #0
        str     r2, [r6, #0x10]
        str     r1, [r6, #0x0C]     @ DIER
        addr    r7, NVIC
        str     r1, [r7, #0x10]     @ interrupt 128
3:      wfi
        b       3b
irq:    mrs     r2, ipsr
        str     r2, [r0, #8]
        ldr     r2, [r0, #12]
        adds    r2, #1
        str     r2, [r0, #12]
        movs    r2, #0
        str     r2, [r6, #0x10]
        bx      lr
fault: svc: pendsv: tick: stuck: b stuck
