/* SPDX-License-Identifier: MIT */
#include "preload/writer_turn.h"

#include <time.h>

#include "preload/agent_clock.h"
#include "preload/raw_sys.h"

#define LOOK_AGAIN_NS 100000000u

static uint32_t taken; /* futex */

bool gs_writer_try_take(void)
{
    uint32_t nobody = 0;
    return __atomic_compare_exchange_n(&taken, &nobody, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

bool gs_writer_take(uint64_t end_ns)
{
    while (!gs_writer_try_take()) {
        uint64_t now = gs_clock_ns(CLOCK_MONOTONIC);
        if (now >= end_ns)
            return false;
        gs_futex_wait(&taken, 1, end_ns - now < LOOK_AGAIN_NS ? end_ns - now : LOOK_AGAIN_NS);
    }
    return true;
}

void gs_writer_give(void)
{
    __atomic_store_n(&taken, 0, __ATOMIC_RELEASE);
    gs_futex_wake(&taken);
}

void gs_writer_turn_forget(void)
{
    taken = 0;
}
