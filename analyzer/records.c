/* SPDX-License-Identifier: MIT
 * Tagged records of one chunk -> the recording. Missing trailing fields read as 0, unknown tags are
 * skipped; ids beyond 32 bits are damage.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/records.h"
#include "analyzer/utf8.h"
#include "analyzer/xalloc.h"

static void for_each_record(struct gs_record_context *ctx, const struct gs_chunk_ref *c,
                            gs_record_fn *const *table, size_t n)
{
    struct gs_chunk_hdr h;
    struct gs_record rec;
    enum gs_status status = gs_chunk_header(c, &h) ? GS_OK : GS_ERR_CORRUPT;
    const uint8_t *cursor = c->data + (status == GS_OK ? h.header_len : c->hdr.total_len);
    const uint8_t *end = c->data + c->hdr.total_len - GS_CHUNK_TAIL_LEN;
    ctx->epoch = c->hdr.clock_epoch;
    ctx->chunk_no = c->hdr.chunk_no;
    while (status == GS_OK && gs_record_next(&cursor, end, &rec, &status))
        if (rec.tag < n && table[rec.tag])
            table[rec.tag](ctx, &rec);
    if (status != GS_OK)
        ctx->r->damaged_records++;
    gs_chunk_forget(c);
}

char *gs__record_string(struct gs_record *rec)
{
    size_t len;
    const uint8_t *p = gs_record_get_bytes(rec, &len);
    return gs_utf8_clean((const char *)p, len, GS_NAME_MAX_BYTES);
}

static void get_strings(struct gs_record *rec, char ***list, size_t *n_out)
{
    size_t cap = 0;
    for (uint64_t n = gs_record_get_u(rec); n > 0 && rec->pos < rec->end; n--)
        GS_PUSH(*list, *n_out, cap, gs__record_string(rec));
}

uint64_t gs__record_ns(struct gs_record_context *ctx, struct gs_record *rec)
{
    return gs_clock_ns(&ctx->r->clock, ctx->epoch, gs_record_get_u(rec));
}

uint64_t gs__record_seen_ns(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint64_t ns = gs__record_ns(ctx, rec);
    gs_recording_saw(ctx->r, ns);
    return ns;
}

uint32_t gs__record_u32(struct gs_record *rec)
{
    uint64_t v = gs_record_get_u(rec);
    return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

/* ---- before all: which chunks are deleted ---- */

static void on_segment(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_recording *r = ctx->r;
    gs_record_get_u(rec); /* t */
    uint64_t segment = gs_record_get_u(rec), first = gs_record_get_u(rec);
    uint64_t chunk = gs_record_get_u(rec);
    if (segment <= r->segment || first > segment || chunk < 1 || chunk > ctx->chunk_no)
        return; /* an older one; or it makes no sense */
    r->segment = segment;
    r->first_segment = first;
    r->first_chunk = chunk;
    r->first_ticks = gs_record_get_u(rec);
}

void gs__records_segments(struct gs_recording *r, const struct gs_chunk_ref *c)
{
    static gs_record_fn *const table[] = {[GS_RECORD_SEGMENT] = on_segment};
    struct gs_record_context ctx = {.r = r};
    for_each_record(&ctx, c, table, sizeof(table) / sizeof(*table));
}

/* ---- first pass: what the clock and the order of processes need ---- */

static void on_process(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_recording *r = ctx->r;
    if (r->has_process)
        return;
    r->has_process = true;
    r->pid = gs__record_u32(rec);
    r->ppid = gs__record_u32(rec);
    r->start_unix_ns = gs_record_get_z(rec);
    r->start_ns = gs_record_get_u(rec); /* ticks until the clock is built */
    r->python_hex = gs__record_u32(rec);
    r->free_threaded = gs_record_get_u(rec) != 0;
    r->exe = gs__record_string(rec);
    get_strings(rec, &r->cmdline, &r->n_cmdline);
    r->hostname = gs__record_string(rec);
    r->agent_version = gs__record_string(rec);
    r->level = r->level_end = gs__record_u32(rec);
    r->n_cpus = gs__record_u32(rec);
    *ctx->ticks_are_ns = gs_record_get_u(rec) == 1;
    get_strings(rec, &r->settings, &r->n_settings);
}

static void on_clock(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint64_t ticks = gs_record_get_u(rec), ns = gs_record_get_u(rec);
    gs_clock_add(&ctx->r->clock, ctx->epoch, ticks, ns);
}

void gs__records_first_pass(struct gs_recording *r, const struct gs_chunk_ref *c,
                            bool *ticks_are_ns)
{
    static gs_record_fn *const table[] = {
        [GS_RECORD_PROCESS] = on_process,
        [GS_RECORD_CLOCK] = on_clock,
    };
    struct gs_record_context ctx = {.r = r, .ticks_are_ns = ticks_are_ns};
    for_each_record(&ctx, c, table, sizeof(table) / sizeof(*table));
}

/* ---- second pass: all the others ---- */

static void on_process_again(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_recording *r = ctx->r;
    if (r->clock_started)
        return;
    r->clock_started = true;
    gs_record_get_u(rec);
    gs_record_get_u(rec);
    gs_record_get_z(rec);
    r->start_ns = gs__record_seen_ns(ctx, rec);
}

static void on_clock_again(struct gs_record_context *ctx, struct gs_record *rec)
{
    gs__record_seen_ns(ctx, rec);
}

static void replace_string(char **into, char *s)
{
    if (!*s) {
        free(s);
        return;
    }
    free(*into);
    *into = s;
}

static void on_thread(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint32_t idx = gs_recording_thread(ctx->r, gs__record_u32(rec)); /* may move threads[] */
    struct gs_rec_thread *t = &ctx->r->threads[idx];
    t->tid = gs__record_u32(rec);
    uint64_t first = gs__record_ns(ctx, rec);
    if (first < t->first_ns)
        t->first_ns = first;
    replace_string(&t->os_name, gs__record_string(rec));
    replace_string(&t->python_name, gs__record_string(rec));
}

static void on_thread_end(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint32_t idx = gs_recording_thread(ctx->r, gs__record_u32(rec)); /* may move threads[] */
    struct gs_rec_thread *t = &ctx->r->threads[idx];
    t->end_ns = gs__record_seen_ns(ctx, rec);
}

static void on_gil(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint32_t idx = gs_recording_gil(ctx->r, gs__record_u32(rec)); /* may move gils[] */
    struct gs_gil_columns *g = &ctx->r->gils[idx];
    g->interpreter = gs_record_get_z(rec);
    gs_record_get_u(rec); /* when it was first seen */
    g->switch_us = gs_record_get_u(rec);
    g->defined = true;
}

static void on_code(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_py_code_info info = {0};
    uint32_t id = gs__record_u32(rec);
    info.filename = (const char *)gs_record_get_bytes(rec, &info.filename_len);
    info.qualname = (const char *)gs_record_get_bytes(rec, &info.qualname_len);
    int64_t first = gs_record_get_z(rec);
    info.first_line = first > INT32_MAX || first < -1 ? -1 : (int32_t)first;
    uint64_t kind = gs_record_get_u(rec);
    info.linetable_kind =
        kind <= GS_LINETABLE_LOCATIONS ? (enum gs_linetable_kind)kind : GS_LINETABLE_NONE;
    info.linetable = gs_record_get_bytes(rec, &info.linetable_len);
    gs_definitions_add_code(&ctx->r->defs, ctx->stacks, id, &info);
}

static void on_stack(struct gs_record_context *ctx, struct gs_record *rec)
{
    gs_definitions_add_stack(&ctx->r->defs, ctx->stacks, rec);
}

static void on_level(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    uint32_t from = gs__record_u32(rec), to = gs__record_u32(rec);
    char *reason = gs__record_string(rec);
    double s = (double)(ns - (ns < ctx->r->start_ns ? ns : ctx->r->start_ns)) / 1e9;
    ctx->r->level_end = to;
    if (from == to)
        gs_recording_note(ctx->r, "after %.3f s less was recorded: %s", s, reason);
    else
        gs_recording_note(ctx->r, "after %.3f s the recording level went from %u to %u: %s", s,
                          from, to, reason);
    free(reason);
}

static uint64_t get_duration_ns(struct gs_record_context *ctx, struct gs_record *rec)
{
    return gs_clock_duration_ns(&ctx->r->clock, gs_record_get_u(rec));
}

static uint64_t get_sum_ns(struct gs_record_context *ctx, uint64_t ticks)
{
    return gs_clock_duration_ns(&ctx->r->clock, ticks);
}

static void get_counts(struct gs_record *rec, struct gs_rec_totals *t)
{
    t->acquisitions = gs_record_get_u(rec);
    t->releases = gs_record_get_u(rec);
    t->contended = gs_record_get_u(rec);
    t->forced = gs_record_get_u(rec);
}

static void get_gone_rows(struct gs_record_context *ctx, struct gs_record *rec,
                          struct gs_rec_totals *t)
{
    t->gone_turns = gs_record_get_u(rec);
    t->gone_hold_ns = get_duration_ns(ctx, rec);
    t->gone_waits = gs_record_get_u(rec);
    t->gone_wait_ns = get_duration_ns(ctx, rec);
}

/* Cumulative: the record with the greatest time says it all; of two alike, the later one. */
static void on_totals(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_recording *r = ctx->r;
    uint32_t thread = gs_recording_thread(r, gs__record_u32(rec));
    uint32_t gil = gs_recording_gil(r, gs__record_u32(rec));
    struct gs_rec_totals *t = gs_recording_totals(r, thread, gil);
    uint64_t ns = gs__record_seen_ns(ctx, rec);
    if (t->seen && ns < t->t_ns)
        return;
    t->seen = true;
    t->t_ns = ns;
    get_counts(rec, t);
    t->folded_n = gs_record_get_u(rec);
    t->folded_ticks = gs_record_get_u(rec);
    t->lost_n = gs_record_get_u(rec);
    t->lost_ticks = gs_record_get_u(rec);
    t->lost_wait_n = gs_record_get_u(rec);
    t->lost_wait_ns = get_duration_ns(ctx, rec);
    t->open_kind = gs_record_get_u(rec);
    t->open_since_ns = gs__record_ns(ctx, rec);
    t->open_stack = gs_record_get_u(rec);
    /* One conversion of the sum, so that folded + lost is what TOTALS means to the tick. */
    uint64_t both = t->folded_ticks + t->lost_ticks;
    if (both < t->folded_ticks)
        both = UINT64_MAX;
    t->lost_ns = get_sum_ns(ctx, t->lost_ticks);
    t->folded_ns = get_sum_ns(ctx, both) - t->lost_ns;
}

static void on_base(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_recording *r = ctx->r;
    if (r->first_segment < 2 || gs_record_get_u(rec) != r->first_segment)
        return;
    uint32_t thread = gs_recording_thread(r, gs__record_u32(rec));
    uint32_t gil = gs_recording_gil(r, gs__record_u32(rec));
    struct gs_rec_totals *t = gs_recording_totals(r, thread, gil);
    t->gone_folded_n = gs_record_get_u(rec);
    t->gone_folded_ns = get_duration_ns(ctx, rec);
    get_gone_rows(ctx, rec, t);
}

/* Sums of all that ended before the detail, so all of it is gone; the last record counts. */
static void on_ended(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_recording *r = ctx->r;
    if (r->first_segment < 2)
        return;
    uint32_t gil = gs_recording_gil(r, gs__record_u32(rec));
    uint32_t thread = gs_recording_thread(r, GS_THREAD_ENDED);
    struct gs_rec_totals *t = gs_recording_totals(r, thread, gil);
    t->seen = true;
    t->n_ended = gs_record_get_u(rec);
    get_counts(rec, t);
    t->folded_n = t->gone_folded_n = gs_record_get_u(rec);
    t->folded_ns = t->gone_folded_ns = get_duration_ns(ctx, rec);
    t->lost_n = gs_record_get_u(rec);
    t->lost_ns = get_duration_ns(ctx, rec);
    t->lost_wait_n = gs_record_get_u(rec);
    t->lost_wait_ns = get_duration_ns(ctx, rec);
    get_gone_rows(ctx, rec, t);
    t->fold_hist = *rec;
}

static void on_fold_hist(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_recording *r = ctx->r;
    uint32_t thread = gs_recording_thread(r, gs__record_u32(rec));
    uint32_t gil = gs_recording_gil(r, gs__record_u32(rec));
    gs_recording_totals(r, thread, gil)->fold_hist = *rec;
}

/* A search through PATH fails many times: one note tells how often, the last exec has its own. */
static void note_exec(struct gs_recording *r, bool begins, char **path)
{
    r->in_exec = begins;
    r->failed_execs += !begins;
    if (!begins)
        return;
    free(r->exec_path);
    r->exec_path = *path;
    *path = NULL;
}

static const char *const event_names[] = {
#define X(NAME, number, text) [number] = text,
    GS_EVENT_LIST(X)
#undef X
};

static void note_locks(struct gs_recording *r, uint64_t kind, uint64_t types, const char *why)
{
    if (kind == GS_EVENT_LOCKS)
        r->locks |= (uint32_t)types;
    if (kind != GS_EVENT_NO_LOCKS)
        return;
    r->no_locks |= (uint32_t)types;
    if (!r->no_locks_why)
        r->no_locks_why = gs_xstrndup(why, strlen(why));
}

static void on_event(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint64_t ns = gs__record_seen_ns(ctx, rec), kind = gs_record_get_u(rec);
    uint64_t value = gs_record_get_u(rec);
    char *text = gs__record_string(rec);
    bool known = kind > 0 && kind < sizeof(event_names) / sizeof(*event_names);
    (void)ns;
    note_locks(ctx->r, kind, value, text);
    if (kind == GS_EVENT_EXEC)
        ctx->r->ended = true;
    else if (kind == GS_EVENT_EXEC_FAILED)
        ctx->r->ended = false;
    if (kind == GS_EVENT_EXEC || kind == GS_EVENT_EXEC_FAILED)
        note_exec(ctx->r, kind == GS_EVENT_EXEC, &text);
    else if (kind == GS_EVENT_NO_ARENAS || kind == GS_EVENT_NO_ALLOCS)
        gs__note_no_memory(ctx->r, kind, &text);
    else if (kind == GS_EVENT_NO_CUDA || kind == GS_EVENT_NO_NVML)
        gs__note_no_cuda(ctx->r, kind, &text);
    else if (kind == GS_EVENT_NO_GC)
        gs__note_no_gc(ctx->r, &text);
    else if (known && kind != GS_EVENT_EXIT && kind != GS_EVENT_FORK &&
             kind != GS_EVENT_ONLY_TASK && kind != GS_EVENT_LOCKS)
        gs_recording_note(ctx->r, "%s%s%s", event_names[kind], *text ? ": " : "", text);
    free(text);
}

static void on_end(struct gs_record_context *ctx, struct gs_record *rec)
{
    gs__record_seen_ns(ctx, rec);
    uint64_t reason = gs_record_get_u(rec);
    ctx->r->ended = true;
    ctx->r->end_reason = (uint32_t)reason;
    if (reason == GS_EVENT_MAX_SIZE || reason == GS_EVENT_DURATION)
        gs_recording_note(ctx->r, "recording ended before the program: %s", event_names[reason]);
}

static void on_overhead(struct gs_record_context *ctx, struct gs_record *rec)
{
    gs__record_seen_ns(ctx, rec);
    uint64_t hook = gs_record_get_u(rec), stack = gs_record_get_u(rec);
    uint64_t drain = gs_record_get_u(rec), cpu = gs_record_get_u(rec);
    ctx->r->hook_ns = hook + stack;
    ctx->r->overhead_ns = hook + stack + drain;
    ctx->r->process_cpu_ns = cpu;
}

static void on_module(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_recording *r = ctx->r;
    gs__record_seen_ns(ctx, rec);
    char *path = gs__record_string(rec);
    GS_PUSH(r->modules, r->n_modules, r->cap_modules, path);
}

static void on_lost(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_recording *r = ctx->r;
    gs__record_seen_ns(ctx, rec);
    r->lost_slots = gs_record_get_u(rec);
    r->lost_definitions = gs_record_get_u(rec);
    r->lost_stacks = gs_record_get_u(rec);
    r->lost_writes = gs_record_get_u(rec);
}

void gs__records_definitions(struct gs_recording *r, struct gs_stacks *s,
                             const struct gs_chunk_ref *c)
{
    static gs_record_fn *const table[] = {
        [GS_RECORD_PROCESS] = on_process_again,
        [GS_RECORD_CLOCK] = on_clock_again,
        [GS_RECORD_THREAD] = on_thread,
        [GS_RECORD_THREAD_END] = on_thread_end,
        [GS_RECORD_GIL] = on_gil,
        [GS_RECORD_CODE] = on_code,
        [GS_RECORD_STACK] = on_stack,
        [GS_RECORD_LEVEL] = on_level,
        [GS_RECORD_TOTALS] = on_totals,
        [GS_RECORD_FOLD_HIST] = on_fold_hist,
        [GS_RECORD_EVENT] = on_event,
        [GS_RECORD_END] = on_end,
        [GS_RECORD_OVERHEAD] = on_overhead,
        [GS_RECORD_LOST] = on_lost,
        [GS_RECORD_BASE] = on_base,
        [GS_RECORD_ENDED] = on_ended,
        [GS_RECORD_ARENA] = gs__on_arena,
        [GS_RECORD_ARENA_END] = gs__on_arena_end,
        [GS_RECORD_MEMORY] = gs__on_memory,
        [GS_RECORD_MAPS] = gs__on_maps,
        [GS_RECORD_HEAP] = gs__on_heap,
        [GS_RECORD_ALLOC_STATE] = gs__on_alloc_state,
        [GS_RECORD_CUDA_DRIVER] = gs__on_cuda_driver,
        [GS_RECORD_CUDA_DEVICE] = gs__on_cuda_device,
        [GS_RECORD_CUDA_CONTEXT] = gs__on_cuda_context,
        [GS_RECORD_CUDA_CONTEXT_END] = gs__on_cuda_context_end,
        [GS_RECORD_CUDA_CALL] = gs__on_cuda_call,
        [GS_RECORD_CUDA_LIVE] = gs__on_cuda_live,
        [GS_RECORD_CUDA_STATE] = gs__on_cuda_state,
        [GS_RECORD_CUDA_USED] = gs__on_cuda_used,
        [GS_RECORD_MODULE] = on_module,
        [GS_RECORD_GC] = gs__on_gc,
        [GS_RECORD_GC_GENERATION] = gs__on_gc_generation,
        [GS_RECORD_GC_THREAD] = gs__on_gc_thread,
        [GS_RECORD_COUNTER] = gs__on_counter,
        [GS_RECORD_COUNTS] = gs__on_counts,
        [GS_RECORD_NATIVE_MODULE] = gs__on_native_module,
        [GS_RECORD_NATIVE_STACK] = gs__on_native_stack,
        [GS_RECORD_SYMBOL] = gs__on_symbol,
    };
    struct gs_record_context ctx = {.r = r, .stacks = s};
    for_each_record(&ctx, c, table, sizeof(table) / sizeof(*table));
}
