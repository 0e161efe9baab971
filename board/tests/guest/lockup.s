@ An undefined instruction, and another in its handler.
        .include "macros.inc"
        vectors
start:  udf     #0
fault:  udf     #1
svc: pendsv: tick: irq: stuck: b stuck
