/* SPDX-License-Identifier: MIT */
#include "analyzer/columns.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/utf8.h"
#include "analyzer/xalloc.h"

#define MAX_NOTES          16384 /* bytes; a capture full of events must not fill memory */
#define GIL_SEEN_WITHIN_NS 1000000000u

uint32_t gs_recording_thread(struct gs_recording *r, uint32_t id)
{
    uint32_t at = gs_idmap_add(&r->thread_map, id);
    if (at == r->n_threads) {
        struct gs_rec_thread t = {.id = id, .first_ns = UINT64_MAX};
        GS_PUSH(r->threads, r->n_threads, r->cap_threads, t);
    }
    return at;
}

uint32_t gs_recording_gil(struct gs_recording *r, uint32_t id)
{
    uint32_t at = gs_idmap_add(&r->gil_map, id);
    if (at == r->n_gils) {
        struct gs_gil_columns g = {.id = id, .interpreter = id == 0 ? 0 : -1};
        GS_PUSH(r->gils, r->n_gils, r->cap_gils, g);
    }
    return at;
}

struct gs_rec_totals *gs_recording_totals(struct gs_recording *r, uint32_t thread, uint32_t gil)
{
    uint32_t at = gs_idmap_add(&r->totals_map, gs_pack32(thread, gil));
    if (at == r->n_totals) {
        struct gs_rec_totals t = {.thread = thread, .gil = gil};
        GS_PUSH(r->totals, r->n_totals, r->cap_totals, t);
    }
    return &r->totals[at];
}

void gs_recording_saw(struct gs_recording *r, uint64_t t_ns)
{
    if (t_ns > r->end_ns)
        r->end_ns = t_ns;
    if (t_ns < r->min_ns)
        r->min_ns = t_ns;
}

void gs_recording_note(struct gs_recording *r, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    gs_utf8_defuse(line);
    if (r->notes && (strlen(r->notes) > MAX_NOTES || strstr(r->notes, line)))
        return; /* said already */
    char *all = r->notes ? gs_xasprintf("%s\n%s", r->notes, line) : gs_xasprintf("%s", line);
    free(r->notes);
    r->notes = all;
}

uint64_t gs_recording_setting(const struct gs_recording *r, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < r->n_settings; i++)
        if (strncmp(r->settings[i], key, len) == 0 && r->settings[i][len] == '=')
            return strtoull(r->settings[i] + len + 1, NULL, 10);
    return 0;
}

/* Said to be deleted: its rows are in the sums of BASE and ENDED, also where the file is still
 * there.
 */
static bool is_deleted(const struct gs_recording *r, const struct gs_chunk_ref *c)
{
    return c->hdr.chunk_no >= 1 && c->hdr.chunk_no < r->first_chunk;
}

static bool is_sound(const struct gs_recording *r, const struct gs_chunk_ref *c, bool records)
{
    return c->state == GS_CHUNK_SOUND && (c->hdr.stream == GS_STREAM_RECORDS) == records &&
           !is_deleted(r, c);
}

void gs_recording_open(struct gs_recording *r, const struct gs_chunk_ref *chunks, size_t n)
{
    bool ticks_are_ns = false;
    memset(r, 0, sizeof(*r));
    r->key = chunks[0].hdr.process_key;
    r->min_ns = UINT64_MAX;
    gs_definitions_init(&r->defs);
    for (size_t i = n; i-- > 0;) /* the newest says most */
        if (is_sound(r, &chunks[i], true))
            gs__records_segments(r, &chunks[i]);
    for (size_t i = 0; i < n; i++)
        if (is_sound(r, &chunks[i], true))
            gs__records_first_pass(r, &chunks[i], &ticks_are_ns);
    gs_clock_build(&r->clock, ticks_are_ns, gs_recording_setting(r, "tick_hz"));
}

/* Chunks from `from` on that are missing before `to`, and not because they were deleted. */
static uint64_t missing(const struct gs_recording *r, uint64_t from, uint64_t to)
{
    uint64_t lo = from > 1 ? from : 1, hi = to < r->first_chunk ? to : r->first_chunk;
    return to - from - (hi > lo ? hi - lo : 0);
}

/* Numbers run from 0; one that is not here is a chunk that was written and is gone. */
static void count_losses(struct gs_recording *r, const struct gs_chunk_ref *chunks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct gs_chunk_head *h = &chunks[i].hdr;
        r->lost_chunks += missing(r, i ? (uint64_t)chunks[i - 1].hdr.chunk_no + 1 : 0, h->chunk_no);
        if (is_deleted(r, &chunks[i]))
            continue;
        r->dropped_rows += h->lost_before;
        r->unsound_chunks += chunks[i].state == GS_CHUNK_DAMAGED;
        if (chunks[i].state == GS_CHUNK_DAMAGED && h->stream != GS_STREAM_RECORDS)
            r->damaged_rows += h->n_rows;
    }
    if (r->lost_chunks)
        gs_recording_note(r, "%llu chunks of the capture are missing",
                          (unsigned long long)r->lost_chunks);
}

static void name_ended_threads(struct gs_recording *r)
{
    uint64_t n = 0;
    uint32_t thread = gs_idmap_find(&r->thread_map, GS_THREAD_ENDED);
    if (thread == GS_IDMAP_NONE)
        return;
    for (size_t i = 0; i < r->n_totals; i++)
        if (r->totals[i].thread == thread)
            n += r->totals[i].n_ended;
    free(r->threads[thread].os_name);
    r->threads[thread].os_name =
        gs_xasprintf("(%s threads that ended before the detail)", gs_fmt_count(n).s);
    r->threads[thread].end_ns = r->detail_ns;
}

/* What the newest segments hold, and of how much. */
static void describe_detail(struct gs_recording *r)
{
    if (r->first_segment < 2)
        return;
    uint64_t from = gs_clock_ns(&r->clock, 0, r->first_ticks);
    r->detail_ns = from < r->start_ns ? r->start_ns : from > r->end_ns ? r->end_ns : from;
    gs_recording_note(r, "detail: the last %s of %s; totals cover all of it",
                      gs_fmt_ns(r->end_ns - r->detail_ns).s, gs_fmt_ns(r->end_ns - r->start_ns).s);
    name_ended_threads(r);
}

bool gs_recording_is_whole(const struct gs_recording *r)
{
    return !r->lost_chunks && !r->unsound_chunks && !r->damaged_chunks && !r->damaged_records;
}

/* An interpreter that starts takes its GIL at once; one whose turns nobody saw looks like a program
 * without trouble. Not said where the GIL's record may be what is missing. */
static void note_unseen_gil(struct gs_recording *r)
{
    bool whole = gs_recording_is_whole(r);
    bool long_enough = r->ended || r->end_ns - r->start_ns >= GIL_SEEN_WITHIN_NS;
    if (r->python_hex && !r->free_threaded && !r->n_gils && whole && long_enough)
        gs_recording_note(r, "no turn of the GIL was seen: this process did not start its Python, "
                             "or a library preloaded before the agent wraps pthread_cond_signal "
                             "(ThreadSanitizer does): put the agent first in LD_PRELOAD");
}

/* The file that names the capture holds next to nothing: it was copied without the others. */
static void note_missing_segments(struct gs_recording *r, size_t n_chunks)
{
    if (n_chunks == 1 && !r->segment && gs_recording_setting(r, "on_full_ring"))
        gs_recording_note(r, "its segments are not here: copy NAME.seg*.gsc beside NAME.gsc, and "
                             "read again");
}

static void survey_gil(struct gs_recording *r, const struct gs_stacks *stacks,
                       struct gs_gil_columns *g)
{
    struct gs_windows *w = &g->rows;
    gs_windows_open(w, &g->slice_chunks, &g->sample_chunks, r, stacks, r->window_rows, r->jobs);
    r->damaged_chunks += w->damaged_chunks;
    r->damaged_rows += w->damaged_rows;
    for (size_t i = 0; i < w->threads.n; i++)
        gs_recording_thread(r, (uint32_t)w->threads.keys[i]);
    if (w->n_rows) {
        gs_recording_saw(r, w->min_ns);
        gs_recording_saw(r, w->max_ns);
    }
}

void gs_recording_read(struct gs_recording *r, struct gs_stacks *stacks,
                       const struct gs_chunk_ref *chunks, size_t n)
{
    uint64_t *scratch = gs_xmalloc(GS_CHUNK_MAX_COLS * GS_CHUNK_MAX_ROWS, sizeof(*scratch));
    count_losses(r, chunks, n);
    for (size_t i = 0; i < n; i++)
        if (is_sound(r, &chunks[i], true))
            gs__records_definitions(r, stacks, &chunks[i]);
    gs_definitions_finish(&r->defs, stacks);
    gs__columns_begin(r, stacks);
    for (size_t i = 0; i < n; i++)
        if (is_sound(r, &chunks[i], false))
            gs__chunk_columns(r, stacks, &chunks[i], scratch);
    free(scratch);
    for (size_t i = 0; i < r->n_gils; i++)
        survey_gil(r, stacks, &r->gils[i]);
    if (r->in_exec)
        gs_recording_note(r, "exec: %s", r->exec_path);
    if (r->failed_execs)
        gs_recording_note(r, "exec failed, %llu times%s%s", (unsigned long long)r->failed_execs,
                          r->in_exec ? "" : "; the last: ", r->in_exec ? "" : r->exec_path);
    if (r->clock.guessed)
        gs_recording_note(r, "the clock was recorded only once; times are scaled by its "
                             "nominal rate");
    if (!r->clock_started)
        r->start_ns = r->min_ns < r->end_ns ? r->min_ns : r->end_ns;
    if (r->end_ns < r->start_ns)
        r->end_ns = r->start_ns;
    describe_detail(r);
    note_missing_segments(r, n);
    note_unseen_gil(r);
}

static void free_strings(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

static void free_gil(struct gs_gil_columns *g)
{
    gs_windows_close(&g->rows);
    free(g->slice_chunks.at);
    free(g->sample_chunks.at);
    gs_summap_free(&g->weights);
}

void gs_recording_free(struct gs_recording *r)
{
    free(r->exe);
    free(r->hostname);
    free(r->exec_path);
    free(r->agent_version);
    free_strings(r->cmdline, r->n_cmdline);
    free_strings(r->settings, r->n_settings);
    free_strings(r->modules, r->n_modules);
    free(r->notes);
    free(r->no_locks_why);
    free(r->gcs);
    free(r->no_gc);
    gs_counters_free(r->counters);
    gs_counted_free(&r->counted);
    gs_clock_free(&r->clock);
    gs_definitions_free(&r->defs);
    for (size_t i = 0; i < r->n_threads; i++) {
        free(r->threads[i].os_name);
        free(r->threads[i].python_name);
    }
    free(r->threads);
    for (size_t i = 0; i < r->n_gils; i++)
        free_gil(&r->gils[i]);
    free(r->gils);
    free(r->totals);
    gs_idmap_free(&r->thread_map);
    gs_idmap_free(&r->gil_map);
    gs_idmap_free(&r->totals_map);
    gs_summap_free(&r->edges);
    gs_memory_rows_free(&r->memory);
    gs_cuda_rows_free(&r->cuda);
    memset(r, 0, sizeof(*r));
}
