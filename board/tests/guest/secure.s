@ Leaves an SVC through 0xFFFFFFFD as Secure (or Armv7-M) code does.
        .include "macros.inc"
        vectors
start:  svc     #0
stuck:  b       stuck
svc:    mvn     lr, #2
        bx      lr
fault:  b       fault
pendsv: tick: irq: b stuck
