@ Polls the mailbox flag of channel 1 without interrupts. RESULTS[0] 0x600D once it is set.
        .include "macros.inc"
        vectors
start:  addr    r0, RESULTS
        addr    r6, 0x40490000
1:      ldr     r1, [r6, #0x0C]
        tst     r1, #1
        beq     1b
        movw    r1, #0x600D
        str     r1, [r0]
2:      wfi
        b       2b
fault: svc: pendsv: tick: irq: stuck: b stuck
