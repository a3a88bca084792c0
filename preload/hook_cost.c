/* SPDX-License-Identifier: MIT */
#include "preload/hook_cost.h"

#include "preload/agent_clock.h"
#include "preload/gil_turn.h"
#include "preload/own_maps.h"
#include "preload/raw_sys.h"
#include "preload/thread_state.h"

#define TURNS 64
#define BEST  6 /* an interrupt spoils some of the trials, not all */

struct trial {
    struct gs_thread t;
    struct gs_gil g;
    struct { /* CPython's words, as far as a plain turn looks at them */
        uintptr_t last_holder;
        uint64_t locked, switch_number;
        char cond[48];
    } words;
    uint64_t mutex;
};

static void lock_word(struct trial *x)
{
    __atomic_fetch_add(&x->mutex, 1, __ATOMIC_SEQ_CST); /* what a free mutex costs */
}

static __attribute__((noinline)) void turn(struct trial *x, bool hooked)
{
    lock_word(x);
    x->words.locked = 1;
    lock_word(x);
    if (hooked)
        gs_turn_acquired(&x->t);
    lock_word(x);
    lock_word(x);
    lock_word(x);
    x->words.locked = 0;
    if (hooked)
        gs_turn_released(&x->t);
    lock_word(x);
}

static uint64_t best_of(struct trial *x, bool hooked)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < BEST; i++) {
        uint64_t t0 = gs_now();
        for (int k = 0; k < TURNS; k++)
            turn(x, hooked);
        uint64_t ticks = gs_now() - t0;
        best = ticks < best ? ticks : best;
    }
    return best;
}

/* Where the TSC is not the clock each turn goes by the book, and the clock is what it costs. */
static uint32_t clock_cost(void)
{
    uint64_t t0 = gs_now();
    for (int k = 0; k < TURNS; k++)
        (void)gs_now();
    return (uint32_t)(gs_ns_of_ticks(gs_now() - t0) * 1000 / TURNS);
}

uint32_t gs_hook_cost_measure(void)
{
    if (!gs_clock.use_tsc)
        return clock_cost();
    struct trial *x = gs_map(sizeof(*x));
    if (!x)
        return 0;
    x->g.cond = x->t.cond = (uintptr_t)x->words.cond;
    x->g.sampled_seq = UINT64_MAX;
    x->t.gil = &x->g;
    x->t.py_name_tries = UINT8_MAX;
    x->t.sample_left = INT64_MAX;
    x->words.last_holder = (uintptr_t)x->t.scratch; /* a thread state without frames */
    uint64_t plain = best_of(x, false), hooked = best_of(x, true);
    gs_unmap(x, sizeof(*x));
    return hooked > plain ? (uint32_t)(gs_ns_of_ticks(hooked - plain) * 1000 / (2 * TURNS)) : 0;
}
