/* SPDX-License-Identifier: MIT
 * The clock of every stamp: the TSC where it is invariant, cheap and the kernel's own choice, else
 * CLOCK_MONOTONIC in ns. Decided once, in the constructor.
 */
#ifndef GS_AGENT_CLOCK_H
#define GS_AGENT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

#include "preload/raw_sys.h"

struct gs_agent_clock {
    bool use_tsc;
    uint64_t hz;          /* ticks a second: rough at first, refined by gs_clock_refine() */
    uint64_t first_ticks; /* pair taken in the constructor */
    uint64_t first_mono_ns;
    int (*vdso_gettime)(clockid_t, struct timespec *); /* the kernel's own; NULL: by system call */
};
extern struct gs_agent_clock gs_clock __attribute__((visibility("hidden")));

/* (ticks, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME) read together, best of 5 brackets. */
struct gs_clock_triple {
    uint64_t ticks, mono_raw_ns;
    int64_t unix_ns;
};

void gs_clock_init(void);
void gs_clock_sync(struct gs_clock_triple *out);
void gs_clock_refine(const struct gs_clock_triple *now);

/* Not libc's clock_gettime(): another preload (libfaketime) may tell the program a time of its own.
 */
static inline uint64_t gs_clock_ns(clockid_t id)
{
    struct timespec ts;
    if (!gs_clock.vdso_gettime || gs_clock.vdso_gettime(id, &ts) != 0)
        gs_sys2(SYS_clock_gettime, id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* CTX: any hook. */
static inline uint64_t gs_now(void)
{
    return __builtin_expect(gs_clock.use_tsc, 1) ? __rdtsc() : gs_clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t gs_ticks_of_ns(uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * gs_clock.hz / 1000000000u);
}

static inline uint64_t gs_ns_of_ticks(uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * 1000000000u / gs_clock.hz);
}

#endif
