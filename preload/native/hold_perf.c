/* SPDX-License-Identifier: MIT */
#include "preload/native/hold_perf.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/native/native_stack.h"
#include "preload/perf_events.h"
#include "preload/raw_sys.h"

#define MAX_EVENTS   8u       /* holders at a time: 132 KiB of locked memory each */
#define PERIOD_NS    4000000u /* of the holder's CPU time */
/* Who held for long will again: its next turn is then sampled from its begin. */
#define KEEP_ON_NS   1000000000u
#define STACK_BYTES  (16u << 10)
#define RING_BYTES   (128u << 10)
#define MAP_BYTES    (GS_PAGE_BYTES + RING_BYTES)
#define MAX_SAMPLE   (20u << 10)
#define REGISTERS    (UINT64_C(1) << 6 | UINT64_C(1) << 7 | UINT64_C(1) << 8) /* rbp, rsp, rip */
#define N_REMEMBERED 64u

struct event {
    uint32_t tid; /* 0: free */
    int32_t fd;
    struct perf_event_mmap_page *map;
    uint64_t seq; /* the turn that was watched last */
    uint32_t gil;
    uint64_t used_t;
    bool on;
};

static struct {
    bool own_fds;
    bool is_due; /* the first sample of a turn is awaited */
    long error;
    struct event events[MAX_EVENTS];
    struct remembered {
        uint64_t seq, t;
        uint32_t gil, python, native;
    } remembered[N_REMEMBERED];
    uint32_t n_remembered;
    uint8_t sample[MAX_SAMPLE] __attribute__((aligned(8)));
    uint8_t room[GS_UNWIND_ROOM] __attribute__((aligned(16)));
    struct gs_native_frame frames[GS_NATIVE_MAX_DEPTH];
} p;

void gs_hold_perf_begins(bool own_fds)
{
    p.own_fds = own_fds;
}

/* In a forked child nothing of it is mapped. */
void gs_hold_perf_forget(void)
{
    if (!gs_agent.config.native)
        return; /* a page less that the child has of its own */
    memset(p.events, 0, sizeof(p.events));
    p.n_remembered = 0;
    p.error = 0;
}

static void close_event(struct event *e)
{
    if (!e->tid)
        return;
    gs_sys2(SYS_munmap, e->map, MAP_BYTES);
    gs_close(e->fd);
    *e = (struct event){0};
}

void gs_hold_perf_ends(void)
{
    for (uint32_t i = 0; i < MAX_EVENTS; i++)
        close_event(&p.events[i]);
    p.own_fds = false;
}

const char *gs_hold_perf_refusal(void)
{
    static char text[256];
    return p.error ? gs_perf_refusal(PERF_TYPE_SOFTWARE, p.error, text, sizeof(text)) : NULL;
}

/* ---- events ---- */

static bool open_event(struct event *e, uint32_t tid)
{
    struct perf_event_attr attr = {
        .size = sizeof(attr),
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_TASK_CLOCK,
        .sample_period = PERIOD_NS,
        .sample_type =
            PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC_RAW,
        .sample_regs_user = REGISTERS,
        .sample_stack_user = STACK_BYTES,
        .disabled = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    long fd = gs_syscall6(SYS_perf_event_open, (long)&attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC, 0);
    if (fd < 0) {
        p.error = fd == -ESRCH ? p.error : fd;
        return false;
    }
    long map = gs_syscall6(SYS_mmap, 0, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map < 0 && map > -4096) {
        p.error = map;
        gs_close(fd);
        return false;
    }
    *e = (struct event){.tid = tid, .fd = (int32_t)fd, .map = (void *)map}; /* NOLINT */
    return true;
}

/* The thread's event, made where there is none yet in the place of the one used longest ago. */
static struct event *event_of(uint32_t tid)
{
    struct event *oldest = &p.events[0];
    for (uint32_t i = 0; i < MAX_EVENTS; i++) {
        struct event *e = &p.events[i];
        if (e->tid == tid)
            return e;
        if (!e->tid || (oldest->tid && e->used_t < oldest->used_t))
            oldest = e;
    }
    if (!p.own_fds || p.error)
        return NULL;
    close_event(oldest);
    return open_event(oldest, tid) ? oldest : NULL;
}

static void turn_on(struct event *e, bool on)
{
    if (e->tid && e->on != on)
        gs_sys3(SYS_ioctl, e->fd, on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
    e->on = on;
}

uint64_t gs_hold_perf_wait_ns(uint64_t ns)
{
    uint64_t soon = 2 * PERIOD_NS;
    return p.is_due && soon < ns ? soon : ns;
}

/* ---- samples ---- */

static void copy_out(const struct event *e, uint64_t at, void *to, size_t bytes)
{
    const uint8_t *ring = (const uint8_t *)e->map + GS_PAGE_BYTES;
    size_t from = at % RING_BYTES, first = RING_BYTES - from;
    first = first < bytes ? first : bytes;
    memcpy(to, ring + from, first);
    memcpy((uint8_t *)to + first, ring, bytes - first);
}

/* Behind the header of a sample. The stack's room is followed by its bytes, and how many are there.
 */
struct sample {
    struct perf_event_header header;
    uint32_t pid, tid;
    uint64_t ns; /* CLOCK_MONOTONIC_RAW */
    uint64_t abi, bp, sp, pc, room;
};

/* All there is is taken; the newest sample is copied to p.sample. Its bytes, or 0. */
static size_t take_newest(struct event *e)
{
    uint64_t head = __atomic_load_n(&e->map->data_head, __ATOMIC_ACQUIRE), at = e->map->data_tail;
    uint64_t newest = 0;
    size_t bytes = 0;
    while (at < head) {
        struct perf_event_header h;
        copy_out(e, at, &h, sizeof(h));
        if (h.size < sizeof(h))
            break;
        if (h.type == PERF_RECORD_SAMPLE && h.size <= MAX_SAMPLE) {
            newest = at;
            bytes = h.size;
        }
        at += h.size;
    }
    if (bytes)
        copy_out(e, newest, p.sample, bytes);
    __atomic_store_n(&e->map->data_tail, head, __ATOMIC_RELEASE);
    return bytes;
}

/* Of one that is no older than the turn. */
static size_t unwind(size_t bytes, uint64_t turn_ns, bool *truncated)
{
    struct sample s;
    uint64_t len;
    if (bytes < sizeof(s) + sizeof(len))
        return 0;
    memcpy(&s, p.sample, sizeof(s));
    if (gs_clock_ns(CLOCK_MONOTONIC_RAW) - s.ns > turn_ns)
        return 0;
    if (s.abi != PERF_SAMPLE_REGS_ABI_64 || s.room > bytes - sizeof(s) - sizeof(len))
        return 0;
    memcpy(&len, p.sample + sizeof(s) + s.room, sizeof(len));
    len = len < s.room ? len : s.room;
    struct gs_native_regs regs = {s.pc, s.sp, s.bp};
    struct gs_stack_copy stack = {s.sp, p.sample + sizeof(s), (size_t)len, (size_t)len, false};
    return gs_native_unwind(&regs, &stack, p.frames, GS_NATIVE_MAX_DEPTH, truncated, p.room);
}

static void remember(const struct gs_watched_hold *h, uint32_t native)
{
    p.remembered[p.n_remembered++ % N_REMEMBERED] =
        (struct remembered){h->seq, h->t, h->gil, h->python, native};
}

uint32_t gs_hold_perf_join(const struct gs_watched_hold *h)
{
    bool truncated;
    struct event *e = event_of(h->tid);
    p.is_due = false;
    if (!e)
        return h->python;
    bool is_first = !e->on || e->seq != h->seq || e->gil != h->gil;
    gs_native_modules_look(); /* what it runs may have been opened just now */
    e->seq = h->seq;
    e->gil = h->gil;
    e->used_t = h->t;
    turn_on(e, true);
    size_t bytes = take_newest(e);
    size_t n = bytes ? unwind(bytes, gs_ns_of_ticks(h->t - h->since_t), &truncated) : 0;
    p.is_due = is_first && n == 0;
    if (n == 0)
        return h->python;
    uint32_t native = gs_native_join(h->python, h->py, h->n_py, p.frames, n, truncated);
    remember(h, native);
    return native;
}

/* What is not taken fills the ring, and the newest would find no room. */
void gs_hold_perf_tick(uint64_t now)
{
    bool joined = false;
    for (uint32_t i = 0; i < MAX_EVENTS; i++) {
        struct event *e = &p.events[i];
        if (e->tid && e->used_t == now)
            joined = true;
        else if (e->on) {
            take_newest(e);
            turn_on(e, now - e->used_t < gs_ticks_of_ns(KEEP_ON_NS));
        }
    }
    p.is_due &= joined;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

uint32_t gs_hold_perf_stack(uint32_t gil, uint64_t seq, uint64_t t, uint32_t python)
{
    const struct remembered *best = NULL;
    uint32_t n = p.n_remembered < N_REMEMBERED ? p.n_remembered : N_REMEMBERED;
    for (uint32_t i = 0; i < n; i++) {
        const struct remembered *r = &p.remembered[i];
        if (r->seq == seq && r->gil == gil && r->python == python &&
            (!best || apart(r->t, t) < apart(best->t, t)))
            best = r;
    }
    return best ? best->native : python;
}
