/* SPDX-License-Identifier: MIT */
#include "preload/gc_watch.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/gil.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"
#include "preload/trace_records.h"
#include "preload/trace_writer.h"

#define LOOK_NS          20000000u
#define LONGEST_NS       200000000u /* a look stands for no more: who was stopped does not collect */
#define MAX_INTERPRETERS 64u
#define DOUBTS_MAX       50u /* an interpreter that is just being made has none yet */

enum state { UNKNOWN, SOUND, REFUSED };

struct watched {
    uintptr_t address;
    int64_t id;
    uint32_t state, doubts;
    struct gs_py_gc base, now; /* before the recording; at the last look */
    uint64_t t, looks, hits, looked_ticks, hit_ticks, written_looks;
};

static struct {
    struct watched list[MAX_INTERPRETERS]; /* those that have ended, too */
    uint32_t n;
    uint64_t last_t, next_t;
    bool told_why, refused;
} w;

/* ---- looks ---- */

static struct watched *find(const struct gs_py_interpreter *i)
{
    for (uint32_t k = 0; k < w.n; k++)
        if (w.list[k].id == i->id)
            return &w.list[k];
    if (w.n == MAX_INTERPRETERS)
        return NULL;
    w.list[w.n] = (struct watched){.address = i->address, .id = i->id};
    return &w.list[w.n++];
}

/* Of the interpreter that a GIL was first seen with, or of one that shares it. */
static bool is_gil_of(const struct gs_gil *g, const struct watched *i)
{
    uintptr_t cond = __atomic_load_n(&g->cond, __ATOMIC_ACQUIRE), interp;
    uintptr_t holder;
    if (!cond || cond == GS_GIL_GONE)
        return false;
    if (g->interp == i->address)
        return true;
    return gs_safe_read(&holder, cond + GS_LAST_HOLDER_OFF, sizeof(holder)) &&
           gs_pyabi_interpreter_id(&gs_agent.abi, holder, &interp) == i->id;
}

/* The thread that collects: it holds the GIL. */
static void blame_holder(const struct watched *i, uint64_t ticks)
{
    for (uint32_t k = 0; k < GS_MAX_GILS; k++) {
        if (!is_gil_of(&gs_gils[k], i))
            continue;
        struct gs_thread *t = __atomic_load_n(&gs_gils[k].holder, __ATOMIC_ACQUIRE);
        if (t && __atomic_load_n(&t->open_kind, __ATOMIC_ACQUIRE) == GS_OPEN_HOLDING)
            t->gc_ticks += ticks;
        return;
    }
}

/* A layout that is not what it seems is left alone; while it collects nobody can tell. */
static bool is_sound(struct watched *i, const struct gs_py_gc *gc)
{
    if (i->state == UNKNOWN && !gc->collecting) {
        bool fits = gs_pyabi_gc_hangs_together(&gs_agent.abi, i->address);
        i->state = fits ? SOUND : ++i->doubts == DOUBTS_MAX ? REFUSED : UNKNOWN;
        w.refused |= i->state == REFUSED;
    }
    return i->state == SOUND;
}

static void look_at(struct watched *i, uint64_t now, uint64_t ticks)
{
    struct gs_py_gc gc;
    if (i->state == REFUSED)
        return;
    if (!gs_pyabi_read_gc(&gs_agent.abi, i->address, &gc)) {
        w.refused |= ++i->doubts == DOUBTS_MAX;
        i->state = i->doubts == DOUBTS_MAX ? REFUSED : i->state;
        return;
    }
    if (!is_sound(i, &gc))
        return;
    i->now = gc;
    i->t = now;
    i->looks++;
    i->looked_ticks += ticks;
    i->hits += gc.collecting;
    i->hit_ticks += gc.collecting ? ticks : 0;
    if (gc.collecting)
        blame_holder(i, ticks);
}

void gs_gc_watch(uint64_t now)
{
    struct gs_py_interpreter alive[MAX_INTERPRETERS];
    uint64_t since = w.last_t ? w.last_t : gs_agent.t_start, most = gs_ticks_of_ns(LONGEST_NS);
    uint64_t ticks = now > since ? now - since : 0;
    w.last_t = now;
    w.next_t = now + gs_ticks_of_ns(LOOK_NS);
    if (!gs_agent.abi.has_gc || !gs_n_gils || gs_pyabi_is_over(&gs_agent.abi))
        return;
    size_t n = gs_pyabi_interpreters(&gs_agent.abi, alive, MAX_INTERPRETERS);
    for (size_t k = 0; k < n; k++) {
        struct watched *i = find(&alive[k]);
        if (i)
            look_at(i, now, ticks < most ? ticks : most);
    }
}

void gs_gc_watch_tick(uint64_t now)
{
    if (now >= w.next_t)
        gs_gc_watch(now);
}

/* Kicks come while rows come, that is while nobody collects: the time of a look must not depend on
 * them, or it would find fewer collections than there are. */
uint64_t gs_gc_watch_wait_ns(uint64_t now, uint64_t max)
{
    uint64_t left = w.next_t > now ? gs_ns_of_ticks(w.next_t - now) : 0;
    return left < max ? left : max;
}

/* ---- records ---- */

static const char *why_not(void)
{
    if (gs_agent.abi.free_threaded)
        return "free-threaded Python has another collector";
    if (!gs_n_gils)
        return NULL; /* yet */
    if (!gs_agent.abi.has_gc)
        return "the collector of this version (3.14.0 to 3.14.4 have another one) is not known";
    return w.refused ? "the layout of the collector's state does not verify" : NULL;
}

static void put_generation(const struct watched *i, uint32_t g)
{
    const struct gs_py_gc_generation *now = &i->now.generations[g];
    const struct gs_py_gc_generation *base = &i->base.generations[g];
    struct gs_record_writer *r = gs_writer_records(128);
    gs_record_begin(r, GS_RECORD_GC_GENERATION);
    gs_record_put_u(r, i->t);
    gs_record_put_u(r, (uint64_t)i->id);
    gs_record_put_u(r, g);
    gs_record_put_u(r, now->collections - base->collections);
    gs_record_put_u(r, now->collected - base->collected);
    gs_record_put_u(r, now->uncollectable - base->uncollectable);
    gs_record_put_z(r, now->threshold);
    gs_record_put_z(r, now->count);
    gs_writer_record_done();
}

static void put(const struct watched *i)
{
    const uint64_t fields[] = {
        i->t,
        (uint64_t)i->id,
        i->now.enabled,
        i->now.live,
        i->looks,
        i->looked_ticks,
        i->hits,
        i->hit_ticks,
        i->now.has_duration,
        i->now.duration_ns - i->base.duration_ns,
    };
    struct gs_record_writer *r = gs_writer_records(128);
    gs_record_begin(r, GS_RECORD_GC);
    for (size_t k = 0; k < sizeof(fields) / sizeof(*fields); k++)
        gs_record_put_u(r, fields[k]);
    gs_writer_record_done();
    for (uint32_t g = 0; g < GS_PY_GENERATIONS; g++)
        put_generation(i, g);
}

void gs_gc_watch_tell(void)
{
    const char *why = w.told_why ? NULL : why_not();
    if (why)
        gs_records_event(GS_EVENT_NO_GC, 0, why);
    w.told_why |= why != NULL;
    for (uint32_t k = 0; k < w.n; k++) {
        if (w.list[k].looks != w.list[k].written_looks)
            put(&w.list[k]);
        w.list[k].written_looks = w.list[k].looks;
    }
}

void gs_gc_watch_put_thread(struct gs_thread *t)
{
    if (t->gc_ticks == t->gc_written)
        return;
    t->gc_written = t->gc_ticks;
    struct gs_record_writer *r = gs_writer_records(64);
    gs_record_begin(r, GS_RECORD_GC_THREAD);
    gs_record_put_u(r, t->idx);
    gs_record_put_u(r, t->gc_ticks);
    gs_writer_record_done();
}

void gs_gc_watch_again(void)
{
    w.told_why = false;
    for (uint32_t k = 0; k < w.n; k++)
        w.list[k].written_looks = 0;
}

void gs_gc_watch_forget(void)
{
    struct gs_py_interpreter alive[MAX_INTERPRETERS];
    memset(&w, 0, sizeof(w));
    size_t n = gs_pyabi_interpreters(&gs_agent.abi, alive, MAX_INTERPRETERS);
    for (size_t k = 0; k < n; k++) {
        struct watched *i = find(&alive[k]);
        if (i && gs_pyabi_read_gc(&gs_agent.abi, i->address, &i->base))
            i->now = i->base;
    }
}
