@ Waits for IPCC1 channel 1, acknowledges it and sets its own channel 2. RESULTS[0] messages, [1] the last exception number.
        .include "macros.inc"
        .equ    IPCC1, 0x40490000
        vectors
start:  addr    r0, RESULTS
        addr    r6, IPCC1
        movs    r1, #1
        str     r1, [r6, #0x10]     @ C2CR: receive interrupt
        mvn     r1, #1
        str     r1, [r6, #0x14]     @ C2MR: channel 1 open
        addr    r2, 0xE000E110      @ ISER4 and ISER5: IRQ 128 to 191, the mailbox of every board among them
        mvn     r1, #0
        str     r1, [r2]
        str     r1, [r2, #4]
1:      wfi
        b       1b
irq:    addr    r6, IPCC1
        movs    r1, #1
        str     r1, [r6, #0x18]     @ C2SCR: clear channel 1
        addr    r0, RESULTS
        ldr     r1, [r0]
        adds    r1, #1
        str     r1, [r0]
        mrs     r1, ipsr
        str     r1, [r0, #4]
        addr    r1, 0x00020000
        str     r1, [r6, #0x18]     @ C2SCR: set channel 2
        dsb
        bx      lr
fault: svc: pendsv: tick: stuck: b stuck
