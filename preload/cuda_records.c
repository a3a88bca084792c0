/* SPDX-License-Identifier: MIT */
#include "preload/cuda_records.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/cuda_context.h"
#include "preload/cuda_live.h"
#include "preload/cuda_lookup.h"
#include "preload/cuda_span.h"
#include "preload/nvml.h"
#include "preload/trace/trace_format.h"
#include "preload/trace_records.h"
#include "preload/trace_segments.h"
#include "preload/trace_writer.h"

#define FIRST_LOOK_NS 50000000u /* of NVML; then twice as long each time, up to */
#define LOOKS_NS      1000000000u
#define BUDGET        100u /* of these looks: one part in this of the time */
#define BYTES_PER_ROW 32u  /* about, as written */

static struct {
    bool driver, no_memory, more_contexts, device[GS_CUDA_DEVICES];
    uint64_t calls[GS_CUDA_CALLS]; /* as last told */
    struct gs_cuda_sums sums[GS_CUDA_CONTEXTS][GS_CUDA_KINDS];
    struct gs_cuda_sums devices;
    struct gs_cuda_row_counts rows;
    uint64_t untold; /* that lived as the newest segment began, and had no room in it */
    uint64_t untracked;
} told;

static struct {
    uint64_t next_t, spacing_ns;
    const char *told_why;
} nvml;

void gs_cuda_records_forget(void)
{
    memset(&told, 0, sizeof(told));
    memset(&nvml, 0, sizeof(nvml));
    gs_nvml_forget();
}

static struct gs_record_writer *begin(uint32_t tag)
{
    struct gs_record_writer *w = gs_writer_records(1024);
    gs_record_begin(w, tag);
    return w;
}

static void put_all(struct gs_record_writer *w, const uint64_t *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gs_record_put_u(w, fields[i]);
    gs_writer_record_done();
}
#define PUT_ALL(w, ...)                                                                            \
    put_all(w, (const uint64_t[]){__VA_ARGS__},                                                    \
            sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void put_text(struct gs_record_writer *w, const char *s)
{
    size_t len = strlen(s);
    gs_record_put_bytes(w, s, len < 512 ? len : 512);
}

/* ---- the driver, devices, contexts ---- */

/* Asked by the program's own thread, as it made a context: never by this one, whose descriptors are
 * its own. */
static void put_driver(void)
{
    const struct gs_cuda_driver *d = gs_cuda_driver();
    if (told.driver || !d)
        return;
    struct gs_record_writer *w = begin(GS_RECORD_CUDA_DRIVER);
    told.driver = true;
    gs_record_put_u(w, d->t);
    gs_record_put_u(w, d->version);
    gs_record_put_u(w, d->loading);
    put_text(w, d->path);
    gs_writer_record_done();
}

static void put_device(uint32_t device)
{
    const struct gs_cuda_device *d = gs_cuda_device_at(device);
    if (!d || told.device[device % GS_CUDA_DEVICES])
        return;
    struct gs_record_writer *w = begin(GS_RECORD_CUDA_DEVICE);
    told.device[device % GS_CUDA_DEVICES] = true;
    gs_record_put_u(w, device);
    put_text(w, d->name);
    put_text(w, d->bus_id);
    gs_record_put_u(w, d->total_bytes);
    gs_writer_record_done();
}

static void put_context(uint32_t i)
{
    struct gs_cuda_context *c = gs_cuda_context_at(i);
    uint32_t version = __atomic_load_n(&c->version, __ATOMIC_ACQUIRE);
    if (version == c->told_version)
        return;
    c->told_version = version;
    put_device(c->device);
    PUT_ALL(begin(GS_RECORD_CUDA_CONTEXT), i, c->born_t, c->device, c->flags, c->duration,
            c->free_before_bytes, c->free_after_bytes, c->total_bytes, c->thread, c->stack);
    if (c->ended)
        PUT_ALL(begin(GS_RECORD_CUDA_CONTEXT_END), i, c->died_t);
}

/* ---- sums ---- */

static void put_call(unsigned call, uint64_t now)
{
    struct gs_cuda_call_sums c = gs_cuda_call_sums(call);
    if (c.calls == told.calls[call])
        return;
    told.calls[call] = c.calls;
    struct gs_record_writer *w = begin(GS_RECORD_CUDA_CALL);
    gs_record_put_u(w, call);
    gs_record_put_u(w, gs_cuda_ops[call]);
    put_text(w, gs_cuda_symbols[call]);
    PUT_ALL(w, now, c.calls, c.failed, c.ticks, c.held_calls, c.held_ticks);
}

static void put_live(uint32_t context, unsigned kind, uint64_t now)
{
    struct gs_cuda_sums s = *gs_cuda_sums_of(context, kind), *last = &told.sums[context][kind];
    if (!memcmp(&s, last, sizeof(s)))
        return;
    *last = s;
    PUT_ALL(begin(GS_RECORD_CUDA_LIVE), now, context, kind, s.allocs, s.frees, s.failed,
            s.live_bytes, s.peak_bytes);
}

static void put_state(uint64_t now, struct gs_cuda_row_counts rows)
{
    struct gs_cuda_sums devices = *gs_cuda_sums_of_devices();
    uint64_t untracked = gs_cuda_untracked() + told.untold;
    if (!memcmp(&rows, &told.rows, sizeof(rows)) && untracked == told.untracked &&
        !memcmp(&devices, &told.devices, sizeof(devices)))
        return;
    told.rows = rows;
    told.devices = devices;
    told.untracked = untracked;
    PUT_ALL(begin(GS_RECORD_CUDA_STATE), now, rows.rows, rows.lost, rows.unknown_frees, untracked,
            devices.live_bytes, devices.peak_bytes);
}

static void put_sums(bool all)
{
    uint64_t now = gs_now();
    uint32_t n = gs_cuda_n_contexts();
    for (uint32_t i = 0; i <= n; i++)
        for (unsigned kind = 1; kind < GS_CUDA_KINDS; kind++)
            put_live(i, kind, now);
    for (unsigned call = 0; all && call < GS_CUDA_CALLS; call++)
        put_call(call, now);
    put_state(now, gs_cuda_row_counts());
}

static void tell_once(bool *already, bool is_so, const char *why)
{
    if (is_so && !*already)
        gs_records_event(GS_EVENT_NO_CUDA, 0, why);
    *already |= is_so;
}

void gs_cuda_records(bool all)
{
    tell_once(&told.no_memory, gs_cuda_had_no_memory(), "no memory for what lives");
    tell_once(&told.more_contexts, gs_cuda_has_more_contexts(),
              "more contexts than are told apart: memory of the later ones counts as nobody's");
    if (!gs_cuda_is_met())
        return;
    put_driver();
    for (uint32_t i = 1; i <= gs_cuda_n_contexts(); i++)
        put_context(i);
    put_sums(all);
}

static uint64_t unwritten(const struct gs_cuda_row_counts *rows)
{
    return rows->rows - gs_writer.cuda_rows;
}

bool gs_cuda_records_settled(void)
{
    struct gs_cuda_row_counts rows = gs_cuda_row_counts();
    return unwritten(&rows) <= rows.lost;
}

void gs_cuda_records_end(void)
{
    struct gs_cuda_row_counts rows = gs_cuda_row_counts();
    if (!gs_cuda_is_met())
        return;
    rows.lost = unwritten(&rows);
    put_state(gs_now(), rows);
}

/* ---- what the machine says ---- */

static bool is_used(uint32_t device)
{
    for (uint32_t i = gs_cuda_n_contexts(); i; i--)
        if (gs_cuda_context_at(i)->device == device && !gs_cuda_context_at(i)->ended)
            return true;
    return false;
}

static void look_at(uint32_t device)
{
    const struct gs_cuda_device *d = gs_cuda_device_at(device);
    uint64_t used = 0;
    if (!d || !is_used(device))
        return;
    if (gs_nvml_used(d->bus_id, &used)) {
        PUT_ALL(begin(GS_RECORD_CUDA_USED), gs_now(), device, used);
    } else if (nvml.told_why != gs_nvml_why_not()) {
        nvml.told_why = gs_nvml_why_not();
        gs_records_event(GS_EVENT_NO_NVML, device, nvml.told_why);
    }
}

static uint64_t next_spacing_ns(uint64_t cpu_ns)
{
    uint64_t spacing_ns = nvml.spacing_ns ? 2 * nvml.spacing_ns : FIRST_LOOK_NS;
    nvml.spacing_ns = spacing_ns < LOOKS_NS ? spacing_ns : LOOKS_NS;
    return cpu_ns * BUDGET > nvml.spacing_ns ? cpu_ns * BUDGET : nvml.spacing_ns;
}

void gs_cuda_tick(uint64_t now)
{
    if (!gs_cuda_n_contexts() || now < nvml.next_t)
        return;
    uint64_t cpu_ns = gs_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t device = 0; device < GS_CUDA_DEVICES; device++)
        look_at(device);
    cpu_ns = gs_clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    nvml.next_t = now + gs_ticks_of_ns(next_spacing_ns(cpu_ns));
}

/* ---- a new segment ---- */

static void fill_row(uint32_t n, const struct gs_cuda_block *b)
{
    const uint64_t fields[GS_CHUNK_MAX_COLS] = {
        b->t,
        b->seq,
        GS_CUDA_WHAT(b->kind == GS_CUDA_KIND_MODULE ? GS_CUDA_OP_LOAD : GS_CUDA_OP_ALLOC, b->kind,
                     GS_CUDA_AGAIN, b->call),
        b->thread,
        b->context,
        0,
        0,
        b->bytes,
        b->address,
        b->stack};
    for (unsigned i = 0; i < GS_CHUNK_MAX_COLS; i++)
        gs_writer_column(i)[n] = fields[i];
}

/* With the stacks they had: those of segments that are kept are known, others are not. */
static void put_live_again(void)
{
    uint32_t n = 0, most = gs_segments_rows_again(BYTES_PER_ROW);
    struct gs_cuda_block b;
    for (uint32_t slot = 0; slot < GS_CUDA_SLOTS; slot++) {
        if (!gs_cuda_live_read(slot, &b) || b.kind == GS_CUDA_KIND_NONE || !b.seq)
            continue;
        if (!most) {
            told.untold++;
            continue;
        }
        fill_row(n++, &b);
        most--;
        if (n == GS_CHUNK_MAX_ROWS) {
            gs_writer_chunk(GS_STREAM_CUDA, GS_NO_GIL, n);
            n = 0;
        }
    }
    if (n)
        gs_writer_chunk(GS_STREAM_CUDA, GS_NO_GIL, n);
}

void gs_cuda_records_again(void)
{
    if (!gs_cuda_is_met())
        return;
    memset(&told, 0, sizeof(told));
    for (uint32_t i = 1; i <= gs_cuda_n_contexts(); i++)
        gs_cuda_context_at(i)->told_version = 0;
    gs_cuda_records(true);
    gs_writer_flush_records();
    put_live_again();
}
