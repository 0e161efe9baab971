/* RPMsg echo in plain C, without any library: what ../echo does, for those who write their firmware in C.
 *
 * Announces "rproc-echo-c" and sends every message back to its sender. The host's side of both rings is not trusted: a
 * descriptor outside the shared memory, or an index that jumps, stops the echo with a line in the trace buffer.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- what the chip is: STM32MP25 reference manual RM0457, Armv8-M architecture manual ------------------------------ */

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define IPCC 0x40490000u
#define IPCC_HOST_OCCUPIED REGISTER(IPCC + 0x0C) /* flags that the host has set for us */
#define IPCC_CONTROL REGISTER(IPCC + 0x10)
#define IPCC_MASK REGISTER(IPCC + 0x14)
#define IPCC_SET_CLEAR REGISTER(IPCC + 0x18)
#define IPCC_OCCUPIED REGISTER(IPCC + 0x1C) /* flags that we have set for the host */
#define SYST_CONTROL REGISTER(0xE000E010u)
#define SYST_RELOAD REGISTER(0xE000E014u)
#define SYST_CURRENT REGISTER(0xE000E018u)
#define NVIC_ENABLE(n) REGISTER(0xE000E100u + 4 * ((n) / 32))
#define CFSR REGISTER(0xE000ED28u)

enum {
    CHANNEL_VQ0 = 1 << 0,      /* the ring to the host */
    CHANNEL_VQ1 = 1 << 1,      /* the ring to us */
    CHANNEL_SHUTDOWN = 1 << 2, /* the host wants us to stop */
    CHANNELS = CHANNEL_VQ0 | CHANNEL_VQ1 | CHANNEL_SHUTDOWN,
    EVENT_WAKE = 1 << 16,
    RECEIVE_INTERRUPT = 171,
    FREE_INTERRUPT = 172,
    INTERRUPTS = 320,
    TICK = 400000, /* cycles: a millisecond */
};

/* ---- what both sides agree on: Linux remoteproc.h, virtio_ring.h, rpmsg.h ------------------------------------------ */

enum {
    RESOURCE_TRACE = 2,
    RESOURCE_VDEV = 3,
    VIRTIO_ID_RPMSG = 7,
    FEATURE_NAME_SERVICE = 1,
    STATUS_DRIVER_OK = 4,
    BUFFERS = 16,
    ALIGN = 16,
    DESCRIPTOR_NEXT = 1,
    DESCRIPTOR_WRITE = 2,
    DESCRIPTOR_INDIRECT = 4,
    NO_INTERRUPT = 1,
    NAME_SERVICE = 0x35,
    ENDPOINT = 0x400,
    HEADER_SIZE = 16,
    BUFFER_SIZE = 512,
    TRACE_SIZE = 2048,
};

/* The host's memory for rings and buffers: ipc_shmem after what the linker script places there. */
static const uint32_t SHARED_START = 0x81220000u, SHARED_END = 0x81300000u;

struct vring_entry {
    uint32_t address, align, num, notify_id, physical_address;
};

static char trace[TRACE_SIZE] __attribute__((section(".trace")));

static volatile struct {
    uint32_t version, entries, reserved[2], offsets[2];
    struct {
        uint32_t kind, id, notify_id, device_features, guest_features, config_length;
        uint8_t status, vrings, reserved[2];
        struct vring_entry vring[2];
    } vdev;
    struct {
        uint32_t kind;
        char *buffer;
        uint32_t length, reserved;
        char name[32];
    } trace;
} table __attribute__((section(".resource_table"), used)) = {
    .version = 1,
    .entries = 2,
    .offsets = {24, 92},
    .vdev = {.kind = RESOURCE_VDEV,
             .id = VIRTIO_ID_RPMSG,
             .device_features = FEATURE_NAME_SERVICE,
             .vrings = 2,
             .vring = {{UINT32_MAX, ALIGN, BUFFERS, 0, 0}, {UINT32_MAX, ALIGN, BUFFERS, 1, 0}}},
    .trace = {.kind = RESOURCE_TRACE, .buffer = trace, .length = TRACE_SIZE, .name = "m33_log"},
};
_Static_assert(offsetof(__typeof__(table), vdev) == 24 && offsetof(__typeof__(table), trace) == 92, "offsets");

struct descriptor {
    uint32_t address, address_high, length;
    uint16_t flags, next;
};
struct available {
    uint16_t flags, index, ring[BUFFERS];
};
struct used {
    uint16_t flags, index;
    struct {
        uint32_t id, length;
    } ring[BUFFERS];
};
struct header {
    uint32_t source, destination, reserved;
    uint16_t length, flags;
};

/* ---- trace --------------------------------------------------------------------------------------------------------- */

static uint32_t trace_end;

static void put(char c) {
    if (trace_end >= TRACE_SIZE - 1) { /* full: start over */
        for (uint32_t i = 0; i < TRACE_SIZE; i++)
            ((volatile char *)trace)[i] = 0;
        trace_end = 0;
    }
    ((volatile char *)trace)[trace_end++] = c;
}

static void put_text(const char *text) {
    while (*text)
        put(*text++);
}

static void put_number(uint32_t value, uint32_t base) {
    char digits[10];
    uint32_t count = 0;
    do
        digits[count++] = "0123456789abcdef"[value % base];
    while (value /= base);
    put_text(base == 16 ? "0x" : "");
    while (count)
        put(digits[--count]);
}

/* ---- processor ----------------------------------------------------------------------------------------------------- */

static volatile uint32_t events;

ALWAYS_INLINE void hold_interrupts(void) { __asm volatile("cpsid i" ::: "memory"); }
ALWAYS_INLINE void let_interrupts(void) { __asm volatile("cpsie i\n isb" ::: "memory"); }
ALWAYS_INLINE void barrier(void) { __asm volatile("dmb" ::: "memory"); }
ALWAYS_INLINE void sleep(void) { __asm volatile("dsb\n wfi" ::: "memory"); }

static _Noreturn void stop(void) {
    hold_interrupts();
    SYST_CONTROL = 0;
    for (;;)
        sleep();
}

/* Takes all events; sleeps until there is one if `patient`. WFI wakes for an interrupt that is held back, so one between
 * the question and the sleep is not lost. */
static uint32_t take_events(bool patient) {
    for (;;) {
        hold_interrupts();
        uint32_t found = events;
        events = 0;
        if (!found && patient)
            sleep();
        let_interrupts();
        if (found || !patient)
            return found;
    }
}

static void mailbox_interrupt(void) {
    uint32_t received = IPCC_HOST_OCCUPIED & CHANNELS;
    IPCC_SET_CLEAR = received & ~(uint32_t)CHANNEL_SHUTDOWN;
    /* A shutdown is acknowledged when all is done; free channels are of interest only when signal() says so. */
    IPCC_MASK |= (received & CHANNEL_SHUTDOWN) | 0xFFFF0000u;
    events |= received | EVENT_WAKE;
}

static void tick_interrupt(void) { events |= EVENT_WAKE; }

static void fault(void) {
    put_text("echo-c: fault, CFSR ");
    put_number(CFSR, 16);
    put('\n');
    for (;;)
        ;
}

/* Signals the channels that are free; the others are still to be signalled, when an interrupt says they are free. */
static uint32_t signal(uint32_t channels) {
    hold_interrupts();
    uint32_t busy = IPCC_OCCUPIED & channels;
    IPCC_SET_CLEAR = (channels & ~busy) << 16;
    IPCC_MASK &= ~(busy << 16);
    let_interrupts();
    return busy;
}

/* ---- rings --------------------------------------------------------------------------------------------------------- */

struct ring {
    volatile struct descriptor *descriptors;
    volatile struct available *available;
    volatile struct used *used;
    uint16_t next_available, next_used;
    bool returned;
};

struct buffer {
    uint16_t head;
    uint32_t address, length;
};

static _Noreturn void give_up(const char *why, uint32_t value) {
    put_text("echo-c: stopped: ");
    put_text(why);
    put(' ');
    put_number(value, 16);
    put('\n');
    stop();
}

static void ring_open(struct ring *ring, volatile struct vring_entry *entry) {
    uint32_t address = entry->address;
    uint32_t available = address + sizeof(struct descriptor) * BUFFERS;
    uint32_t used = (available + 4 + 2 * BUFFERS + 2 + ALIGN - 1) & ~(uint32_t)(ALIGN - 1);
    if (address < SHARED_START || address >= SHARED_END - 4096 || address % 16 || entry->num != BUFFERS ||
        entry->align != ALIGN)
        give_up("the host placed a ring at", address);
    *ring = (struct ring){(void *)address, (void *)available, (void *)used, 0, 0, false};
}

static bool ring_pop(struct ring *ring, struct buffer *buffer, uint16_t direction, uint32_t minimum) {
    uint16_t index = ring->available->index;
    if (index == ring->next_available)
        return false;
    barrier(); /* what the index offers is read after it */
    if ((uint16_t)(index - ring->next_available) > BUFFERS)
        give_up("the available ring jumped to", index);
    buffer->head = ring->available->ring[ring->next_available % BUFFERS];
    if (buffer->head >= BUFFERS)
        give_up("the available ring offers descriptor", buffer->head);
    volatile struct descriptor *descriptor = &ring->descriptors[buffer->head];
    uint16_t flags = descriptor->flags;
    uint32_t high = descriptor->address_high;
    buffer->address = descriptor->address;
    buffer->length = descriptor->length;
    if ((flags & (DESCRIPTOR_NEXT | DESCRIPTOR_WRITE | DESCRIPTOR_INDIRECT)) != direction)
        give_up("a descriptor has flags", flags);
    if (high || buffer->address < SHARED_START || buffer->address > SHARED_END ||
        buffer->length > SHARED_END - buffer->address || buffer->length < minimum)
        give_up("a descriptor has address", buffer->address);
    ring->next_available++;
    return true;
}

static void ring_push(struct ring *ring, const struct buffer *buffer, uint32_t written) {
    ring->used->ring[ring->next_used % BUFFERS].id = buffer->head;
    ring->used->ring[ring->next_used % BUFFERS].length = written;
    barrier(); /* the host sees the content before the index */
    ring->used->index = ++ring->next_used;
    ring->returned = true;
}

/* The channel to signal for this ring, or 0. */
static uint32_t ring_notification(struct ring *ring, uint32_t channel) {
    if (!ring->returned)
        return 0;
    ring->returned = false;
    barrier(); /* the index is out before the flag is read */
    return ring->available->flags & NO_INTERRUPT ? 0 : channel;
}

/* ---- echo ---------------------------------------------------------------------------------------------------------- */

static struct ring to_host, to_us;
static struct header owed; /* what is to be sent as soon as the host has a buffer, with `payload` */
static bool is_owed;
static uint8_t payload[BUFFER_SIZE - HEADER_SIZE];

static void owe(uint32_t destination, uint16_t length) {
    owed = (struct header){.source = ENDPOINT, .destination = destination, .length = length};
    is_owed = true;
}

static bool pay(void) {
    struct buffer buffer;
    if (!is_owed)
        return true;
    if (!ring_pop(&to_host, &buffer, DESCRIPTOR_WRITE, HEADER_SIZE + owed.length))
        return false;
    *(volatile struct header *)buffer.address = owed;
    volatile uint8_t *to = (volatile uint8_t *)(buffer.address + HEADER_SIZE);
    for (uint32_t i = 0; i < owed.length; i++)
        to[i] = payload[i];
    ring_push(&to_host, &buffer, HEADER_SIZE + owed.length);
    is_owed = false;
    return true;
}

static bool take(void) {
    struct buffer buffer;
    if (!ring_pop(&to_us, &buffer, 0, HEADER_SIZE))
        return false;
    struct header header = *(volatile struct header *)buffer.address; /* once: the host may change it under us */
    bool fits = header.length <= sizeof payload && header.length <= buffer.length - HEADER_SIZE;
    volatile uint8_t *from = (volatile uint8_t *)(buffer.address + HEADER_SIZE);
    for (uint32_t i = 0; fits && i < header.length; i++)
        payload[i] = from[i];
    ring_push(&to_us, &buffer, 0);
    if (fits && header.destination == ENDPOINT) {
        put_text("echo-c: ");
        put_number(header.length, 10);
        put_text(" bytes from ");
        owe(header.source, header.length);
    } else {
        put_text("echo-c: dropped a message from ");
    }
    put_number(header.source, 16);
    put('\n');
    return true;
}

static void owe_announcement(void) {
    static const char name[] = "rproc-echo-c";
    for (uint32_t i = 0; i < 40; i++)
        payload[i] = i < sizeof name ? (uint8_t)name[i] : 0;
    payload[32] = (uint8_t)ENDPOINT;
    payload[33] = (uint8_t)(ENDPOINT >> 8);
    owe(NAME_SERVICE, 40);
}

static _Noreturn void shut_down(void) {
    put_text("echo-c: shut down\n");
    __asm volatile("dsb" ::: "memory");
    IPCC_SET_CLEAR = CHANNEL_SHUTDOWN;
    stop();
}

static _Noreturn void run(void) {
    IPCC_MASK = ~(uint32_t)CHANNELS;
    IPCC_CONTROL = 1u << 16 | 1u;
    NVIC_ENABLE(RECEIVE_INTERRUPT) = 1u << RECEIVE_INTERRUPT % 32;
    NVIC_ENABLE(FREE_INTERRUPT) = 1u << FREE_INTERRUPT % 32;

    /* Linux kicks after DRIVER_OK; the tick is for hosts that do not. */
    SYST_RELOAD = TICK - 1;
    SYST_CURRENT = 0;
    SYST_CONTROL = 7;
    while (!(table.vdev.status & STATUS_DRIVER_OK))
        if (take_events(true) & CHANNEL_SHUTDOWN)
            shut_down();
    SYST_CONTROL = 0;
    barrier();
    ring_open(&to_host, &table.vdev.vring[0]);
    ring_open(&to_us, &table.vdev.vring[1]);
    if (table.vdev.guest_features & FEATURE_NAME_SERVICE)
        owe_announcement();
    put_text("echo-c: ready\n");

    for (uint32_t unsignalled = 0;;) {
        bool progress = pay() && take();
        unsignalled |= ring_notification(&to_host, CHANNEL_VQ0) | ring_notification(&to_us, CHANNEL_VQ1);
        if (unsignalled)
            unsignalled = signal(unsignalled);
        if (take_events(!progress) & CHANNEL_SHUTDOWN)
            shut_down();
    }
}

/* ---- startup ------------------------------------------------------------------------------------------------------- */

extern uint32_t __stack_top[], __stack_bottom[], __bss_start[], __bss_end[];

_Noreturn void Reset(void) {
    __asm volatile("msr msplim, %0" ::"r"(__stack_bottom));
    for (volatile uint32_t *word = __bss_start; word < __bss_end; word++)
        *word = 0;
    run();
}

typedef void (*vector)(void);
__attribute__((section(".isr_vectors"), used)) static const vector vectors[16 + INTERRUPTS] = {
    [0] = (vector)__stack_top,
    [1] = (vector)Reset,
    [2 ... 7] = fault,
    [11 ... 12] = fault,
    [14] = fault,
    [15] = tick_interrupt,
    [16 ... 16 + INTERRUPTS - 1] = mailbox_interrupt,
};
