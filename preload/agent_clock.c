/* SPDX-License-Identifier: MIT */
#include "preload/agent_clock.h"

#include <cpuid.h>
#include <string.h>

#include "preload/elf_symbols.h"
#include "preload/raw_sys.h"

struct gs_agent_clock gs_clock = {.hz = 1000000000u};

#define RDTSC_MAX_NS 60 /* dearer than this, it traps (gVisor, some nested VMs) */

static bool cpu_has_invariant_tsc(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
}

/* The kernel watches the TSC for us: trust it only while the kernel itself does. */
static bool kernel_uses_tsc(void)
{
    char name[64];
    long n = gs_read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", name,
                          sizeof(name));
    if (n <= 0)
        return false;
    return !strncmp(name, "tsc", 3) || !strncmp(name, "kvm-clock", 9) ||
           !strncmp(name, "hyperv_clocksource_tsc_page", 27);
}

static bool rdtsc_is_cheap(void)
{
    uint64_t t0 = gs_clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 1000; i++)
        (void)__rdtsc();
    return gs_clock_ns(CLOCK_MONOTONIC) - t0 < 1000 * RDTSC_MAX_NS;
}

void gs_clock_sync(struct gs_clock_triple *out)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        uint64_t t0 = gs_now(), raw = gs_clock_ns(CLOCK_MONOTONIC_RAW), t1 = gs_now();
        if (t1 - t0 < best) {
            best = t1 - t0;
            out->ticks = t0 + (t1 - t0) / 2;
            out->mono_raw_ns = raw;
        }
    }
    out->unix_ns = (int64_t)(gs_clock_ns(CLOCK_REALTIME) -
                             (gs_clock_ns(CLOCK_MONOTONIC_RAW) - out->mono_raw_ns));
}

void gs_clock_refine(const struct gs_clock_triple *now)
{
    uint64_t ticks = now->ticks - gs_clock.first_ticks;
    uint64_t ns = now->mono_raw_ns - gs_clock.first_mono_ns;
    if (gs_clock.use_tsc && ns > 1000000)
        gs_clock.hz = (uint64_t)((unsigned __int128)ticks * 1000000000u / ns);
}

static void find_vdso(void)
{
    struct gs_elf_object vdso;
    if (gs_elf_find_object("__vdso_clock_gettime", &vdso))
        gs_clock.vdso_gettime =
            (int (*)(clockid_t, struct timespec *))gs_elf_symbol(&vdso, "__vdso_clock_gettime");
}

void gs_clock_init(void)
{
    struct gs_clock_triple first, second;
    find_vdso();
    gs_clock.use_tsc = cpu_has_invariant_tsc() && kernel_uses_tsc() && rdtsc_is_cheap();
    gs_clock_sync(&first);
    gs_clock.first_ticks = first.ticks;
    gs_clock.first_mono_ns = first.mono_raw_ns;
    if (!gs_clock.use_tsc)
        return;
    do /* 50 us give the rate to about 0.1 %, enough for sampling until the first refinement */
        gs_clock_sync(&second);
    while (second.mono_raw_ns - first.mono_raw_ns < 50000);
    gs_clock.hz = (uint64_t)((unsigned __int128)(second.ticks - first.ticks) * 1000000000u /
                             (second.mono_raw_ns - first.mono_raw_ns));
}
