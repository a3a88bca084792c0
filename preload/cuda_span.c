/* SPDX-License-Identifier: MIT */
#include "preload/cuda_span.h"

#include <errno.h>
#include <stddef.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/cuda_context.h"
#include "preload/cuda_live.h"
#include "preload/gil.h"
#include "preload/own_maps.h"
#include "preload/ring_spill.h"
#include "preload/stack_take.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"

#define LONG_NS 10000u /* calls that only wait have a row, and all have a stack, from here on */

_Static_assert(GS_CUDA_CALLS < 256, "a call fits in a byte");

/* A thread's own, mapped at its first call; the last one is of all threads without state. */
struct gs_cuda_calls {
    struct gs_cuda_call_sums of[GS_CUDA_CALLS];
};

static struct gs_cuda_calls *strangers;
static struct gs_cuda_row_counts counts;
static bool met, no_memory;
static uint64_t long_ticks;

/* The driver may call its own exports by name. */
static __thread bool inside __attribute__((tls_model("initial-exec")));

/* ---- the first call ---- */

static bool map_calls(struct gs_cuda_calls **at)
{
    struct gs_cuda_calls *none = NULL, *mine = gs_map(sizeof(*mine));
    if (mine &&
        !__atomic_compare_exchange_n(at, &none, mine, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        gs_unmap(mine, sizeof(*mine));
    return *at != NULL;
}

static __attribute__((noinline, cold)) bool meet(void)
{
    if (no_memory)
        return false;
    long_ticks = gs_ticks_of_ns(LONG_NS);
    no_memory = !gs_cuda_live_init() || !map_calls(&strangers);
    met = !no_memory;
    return met;
}

bool gs_cuda_is_met(void)
{
    return met;
}

bool gs_cuda_had_no_memory(void)
{
    return no_memory;
}

void gs_cuda_forget(void)
{
    met = no_memory = false;
    strangers = NULL;
    counts = (struct gs_cuda_row_counts){0};
    gs_cuda_live_forget();
    gs_cuda_contexts_forget();
}

/* ---- begin and end ---- */

static bool holds_gil(const struct gs_thread *t)
{
    return t && t->open_kind == GS_OPEN_HOLDING && t->gil->holder == t;
}

bool gs_cuda_begin(struct gs_cuda_span *s, enum gs_cuda_call call)
{
    if (gs_live.mode == GS_LIVE_NO || inside || !(gs_agent.config.what & GS_WHAT_cuda) ||
        (!met && !meet()))
        return false;
    struct gs_thread *t = gs_thread_self();
    inside = true;
    s->thread = t;
    s->call = (uint8_t)call;
    s->seq = 0;
    s->had_gil = holds_gil(t);
    s->acq_seq = s->had_gil ? t->acq_seq : 0;
    s->t0 = gs_now();
    return true;
}

static bool held_all_along(const struct gs_cuda_span *s)
{
    const struct gs_thread *t = s->thread;
    return s->had_gil && t == gs_thread_self() && holds_gil(t) && t->acq_seq == s->acq_seq;
}

static void bump(uint64_t *to, uint64_t n, bool shared)
{
    if (shared)
        __atomic_fetch_add(to, n, __ATOMIC_RELEASE);
    else
        __atomic_store_n(to, *to + n, __ATOMIC_RELEASE);
}

static void add_up(const struct gs_cuda_span *s, CUresult rc, uint64_t ticks, bool held)
{
    struct gs_thread *t = s->thread;
    bool own = t && (t->cuda || map_calls(&t->cuda));
    struct gs_cuda_call_sums *c = &(own ? t->cuda : strangers)->of[s->call];
    bump(&c->ticks, ticks, !own);
    if (rc != GS_CUDA_SUCCESS)
        bump(&c->failed, 1, !own);
    if (held) {
        bump(&c->held_calls, 1, !own);
        bump(&c->held_ticks, ticks, !own);
    }
    bump(&c->calls, 1, !own); /* last: the drain thread tells what it has not told by it */
}

uint64_t gs_cuda_next_seq(void)
{
    return __atomic_add_fetch(&counts.rows, 1, __ATOMIC_RELAXED);
}

uint32_t gs_cuda_stack(const struct gs_cuda_span *s)
{
    return s->thread && gs_agent.stacks ? gs_current_stack_native(s->thread) : GS_STACK_NONE;
}

uint32_t gs_cuda_thread_index(const struct gs_cuda_span *s)
{
    return s->thread ? s->thread->idx : GS_NO_THREAD;
}

/* ---- rows ---- */

struct row {
    uint64_t t, seq, duration;
    uint32_t stack;
    CUresult rc;
    uint16_t flags;
};

static void put(const struct gs_cuda_span *s, const struct row *r, const struct gs_cuda_facts *f)
{
    struct gs_thread *t = s->thread;
    const struct gs_slot slots[2] = {{.t = r->t,
                                      .dur = r->duration,
                                      .seq = (uint32_t)r->rc,
                                      .stack = r->stack,
                                      .a = f->context,
                                      .flags = r->flags | f->flags,
                                      .kind = GS_SLOT_CUDA},
                                     {.t = f->address,
                                      .dur = f->bytes,
                                      .seq = (uint32_t)r->seq,
                                      .stack = (uint32_t)(r->seq >> 32),
                                      .a = f->op | (uint32_t)f->kind << 8,
                                      .flags = s->call,
                                      .kind = GS_SLOT_CUDA_MORE}};
    if (t ? gs_row_has_room(t) && gs_row_put(t, slots, 2) : gs_row_put_stranger(slots, 2))
        return;
    __atomic_fetch_add(&counts.lost, 1, __ATOMIC_RELAXED);
    if (t)
        t->dropped++;
}

static bool wants_stack(const struct gs_cuda_facts *f, CUresult rc, uint64_t ticks)
{
    return f->op == GS_CUDA_OP_ALLOC || f->op == GS_CUDA_OP_CONTEXT || f->op == GS_CUDA_OP_LOAD ||
           rc != GS_CUDA_SUCCESS || ticks >= long_ticks;
}

static void put_row(struct gs_cuda_span *s, struct row *r, const struct gs_cuda_facts *f)
{
    if (gs_agent.level == 0) {
        if (s->seq) /* it was greater as the call began */
            __atomic_fetch_add(&counts.lost, 1, __ATOMIC_RELAXED);
        return;
    }
    if (!s->seq)
        s->seq = gs_cuda_next_seq();
    r->seq = s->seq;
    if (wants_stack(f, r->rc, r->duration))
        r->stack = gs_cuda_stack(s);
    if (f->flags & GS_CUDA_UNKNOWN)
        __atomic_fetch_add(&counts.unknown_frees, 1, __ATOMIC_RELAXED);
    put(s, r, f);
}

static uint32_t end_with_row(struct gs_cuda_span *s, CUresult rc, const struct gs_cuda_facts *f,
                             uint64_t ticks)
{
    bool held = held_all_along(s);
    struct row r = {.t = s->t0,
                    .duration = ticks,
                    .rc = rc,
                    .flags =
                        (uint16_t)((held ? GS_CUDA_HELD : 0) | (s->had_gil ? GS_CUDA_HAD : 0))};
    add_up(s, rc, ticks, held);
    put_row(s, &r, f);
    inside = false; /* a signal's handler meanwhile would come between the halves of a row */
    return r.stack;
}

uint32_t gs_cuda_end(struct gs_cuda_span *s, CUresult rc, const struct gs_cuda_facts *f)
{
    return end_with_row(s, rc, f, gs_now() - s->t0);
}

void gs_cuda_end_silent(struct gs_cuda_span *s, CUresult rc)
{
    add_up(s, rc, gs_now() - s->t0, held_all_along(s));
    inside = false;
}

/* Launches are too many for rows. */
void gs_cuda_end_timed(struct gs_cuda_span *s, CUresult rc, uint64_t bytes)
{
    uint8_t op = gs_cuda_ops[s->call];
    uint64_t ticks = gs_now() - s->t0;
    bool has_row = ticks >= long_ticks || rc != GS_CUDA_SUCCESS || op == GS_CUDA_OP_POOL;
    if (op == GS_CUDA_OP_LAUNCH || !has_row) {
        add_up(s, rc, ticks, held_all_along(s));
        inside = false;
        return;
    }
    int saved = errno;
    end_with_row(
        s, rc,
        &(struct gs_cuda_facts){.op = op, .context = gs_cuda_context_current(), .bytes = bytes},
        ticks);
    errno = saved;
}

void gs_cuda_also(const struct gs_cuda_span *s, const struct gs_cuda_facts *f)
{
    if (gs_agent.level == 0)
        return;
    const struct row r = {.t = gs_now(), .seq = gs_cuda_next_seq()};
    put(s, &r, f);
}

/* ---- for the drain thread ---- */

static void add_sums(struct gs_cuda_call_sums *to, const struct gs_cuda_calls *from, unsigned call)
{
    if (!from)
        return;
    to->calls += __atomic_load_n(&from->of[call].calls, __ATOMIC_ACQUIRE);
    to->failed += from->of[call].failed;
    to->ticks += from->of[call].ticks;
    to->held_calls += from->of[call].held_calls;
    to->held_ticks += from->of[call].held_ticks;
}

struct gs_cuda_call_sums gs_cuda_call_sums(enum gs_cuda_call call)
{
    struct gs_cuda_call_sums sums = {0};
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    for (; t; t = t->next)
        add_sums(&sums, __atomic_load_n(&t->cuda, __ATOMIC_ACQUIRE), call);
    add_sums(&sums, strangers, call);
    return sums;
}

struct gs_cuda_row_counts gs_cuda_row_counts(void)
{
    return counts;
}
