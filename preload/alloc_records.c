/* SPDX-License-Identifier: MIT */
#include "preload/alloc_records.h"

#include <stdbool.h>
#include <stdint.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/alloc_hook.h"
#include "preload/alloc_table.h"
#include "preload/gil.h"
#include "preload/trace/trace_format.h"
#include "preload/trace_records.h"
#include "preload/trace_segments.h"
#include "preload/trace_writer.h"

#define SILENT_LOOKS  10u /* with turns of the GIL and without allocations, until it is told */
#define BYTES_PER_ROW 16u /* about, as written */

static struct {
    uint64_t turns, samples;
    int64_t countdown;
    uint32_t silent;
    bool seen;       /* an allocation has come through */
    bool told;       /* that none are recorded */
    uint64_t untold; /* live samples the newest segment had no room for */
} look;

void gs_alloc_records_forget(void)
{
    __builtin_memset(&look, 0, sizeof(look));
    look.countdown = gs_alloc_countdown();
}

static uint64_t all_turns(void)
{
    uint64_t turns = 0;
    for (uint32_t i = 0; i < GS_MAX_GILS; i++)
        turns += __atomic_load_n(&gs_gils[i].seq, __ATOMIC_RELAXED);
    return turns;
}

/* Turns of the GIL since the last look, and not one allocation? */
static bool was_silent(uint64_t samples)
{
    uint64_t turns = all_turns();
    int64_t countdown = gs_alloc_countdown();
    bool came = countdown != look.countdown || samples != look.samples;
    bool silent = turns != look.turns && !came;
    look.turns = turns;
    look.countdown = countdown;
    look.samples = samples;
    look.seen |= came;
    return silent;
}

/* PYTHONMALLOC and -X dev take their effect after us. Who wraps our hooks (tracemalloc) hides them,
 * too, but then allocations come through: only a program that makes none for many turns tells
 * nothing. Never are the hooks installed again: whoever took their place knows of no others. */
static const char *replaced(bool silent)
{
    if (!silent)
        look.silent = 0;
    else if (!gs_alloc_is_installed())
        look.silent++;
    if (look.silent && !look.seen)
        return "Python was told to use another allocator (PYTHONMALLOC, -X dev)";
    return look.silent >= SILENT_LOOKS ? "another allocator seems to have taken the place of ours"
                                       : NULL;
}

static void put_state(const struct gs_alloc_counts *c)
{
    struct gs_record_writer *w = gs_writer_records(64);
    gs_record_begin(w, GS_RECORD_ALLOC_STATE);
    gs_record_put_u(w, gs_now());
    gs_record_put_u(w, gs_agent.config.alloc_interval_bytes);
    gs_record_put_u(w, c->samples);
    gs_record_put_u(w, c->lost_allocs + look.untold);
    gs_record_put_u(w, c->lost_frees);
    gs_writer_record_done();
}

void gs_alloc_records(void)
{
    struct gs_alloc_counts c = gs_alloc_counts();
    const char *why = gs_alloc_why_not();
    if (!gs_agent.config.alloc)
        return;
    if (!why) {
        put_state(&c);
        why = replaced(was_silent(c.samples));
    }
    if (why && !look.told)
        gs_records_event(GS_EVENT_NO_ALLOCS, 0, why);
    look.told |= why != NULL;
}

/* ---- a new segment ---- */

static void fill_row(uint32_t n, uintptr_t address, const struct gs_alloc_sample *s)
{
    const uint64_t fields[] = {s->t,      s->id,     address,   s->bytes,
                               s->points, s->domain, s->thread, s->stack};
    for (unsigned i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        gs_writer_column(i)[n] = fields[i];
}

/* With the stacks they had: those of segments that are kept are known, others are not. */
void gs_alloc_records_again(void)
{
    uint32_t n = 0, told = 0, most = gs_segments_rows_again(BYTES_PER_ROW);
    uintptr_t address;
    struct gs_alloc_sample s;
    if (!gs_agent.config.alloc || gs_alloc_why_not())
        return;
    look.told = false;
    look.untold = 0;
    for (uint32_t slot = 0; slot < GS_ALLOC_SLOTS; slot++) {
        if (!gs_alloc_table_read(slot, &address, &s))
            continue;
        if (told == most) {
            look.untold++;
            continue;
        }
        fill_row(n++, address, &s);
        told++;
        if (n == GS_CHUNK_MAX_ROWS) {
            gs_writer_chunk(GS_STREAM_ALLOC, GS_NO_GIL, n);
            n = 0;
        }
    }
    if (n)
        gs_writer_chunk(GS_STREAM_ALLOC, GS_NO_GIL, n);
}
