/* SPDX-License-Identifier: MIT
 * Captures -> profile: groups chunks by process, puts the processes in order, builds each, then
 * everything that spans them.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/arena_map.h"
#include "analyzer/profile_build.h"
#include "analyzer/profile_process.h"
#include "analyzer/xalloc.h"

struct process_chunks {
    struct gs_recording rec;
    const struct gs_chunk_ref *chunks;
    size_t n;
};

static int process_order(const void *pa, const void *pb)
{
    const struct gs_recording *a = &(*(struct process_chunks *const *)pa)->rec;
    const struct gs_recording *b = &(*(struct process_chunks *const *)pb)->rec;
    if (a->start_unix_ns != b->start_unix_ns)
        return a->start_unix_ns < b->start_unix_ns ? -1 : 1;
    if (a->pid != b->pid)
        return a->pid < b->pid ? -1 : 1;
    return a->key < b->key ? -1 : a->key > b->key;
}

/* Chunks are sorted by process key: one run each. */
static struct process_chunks **open_processes(const struct gs_captures *c, size_t *n_out)
{
    struct process_chunks **all = NULL;
    size_t n = 0, cap = 0;
    for (size_t i = 0, end; i < c->n_chunks; i = end) {
        struct process_chunks *p = gs_xcalloc(1, sizeof(*p));
        for (end = i; end < c->n_chunks; end++)
            if (c->chunks[end].hdr.process_key != c->chunks[i].hdr.process_key)
                break;
        p->chunks = c->chunks + i;
        p->n = end - i;
        gs_recording_open(&p->rec, p->chunks, p->n);
        GS_PUSH(all, n, cap, p);
    }
    if (n)
        qsort(all, n, sizeof(*all), process_order);
    *n_out = n;
    return all;
}

static void name_engine(const struct gs_engine_ops *ops, const struct gs_engine *engine,
                        struct gs_profile *out)
{
    const char *why_not = NULL;
    out->engine = ops->used ? ops->used(engine, &why_not) : ops->name;
    out->engine_why_not = why_not ? gs_xstrndup(why_not, strlen(why_not)) : NULL;
    out->engine_devices = ops->devices ? ops->devices(engine) : NULL;
}

struct build {
    const struct gs_load_options *options;
    const struct gs_engine_ops *ops;
    struct gs_engine *engine;
    struct gs_stacks *stacks;
    struct gs_profile *out;
};

static void read_process(struct build *b, struct process_chunks *p)
{
    p->rec.jobs = b->options->jobs;
    p->rec.window_rows = b->options->window_rows;
    p->rec.no_pairs = b->options->no_pairs;
    gs_recording_read(&p->rec, b->stacks, p->chunks, p->n);
    b->out->damaged_chunks += p->rec.damaged_chunks + p->rec.damaged_records;
}

/* Some processes, whose GILs are counted side by side. */
static enum gs_status build_some(struct build *b, struct process_chunks **some, size_t n,
                                 struct gs_error *err)
{
    struct gs_process_builder *builders = gs_xcalloc(n, sizeof(*builders));
    for (size_t i = 0; i < n; i++) {
        read_process(b, some[i]);
        gs_process_open(&builders[i], &some[i]->rec, b->stacks,
                        &b->out->processes[b->out->n_processes++]);
    }
    enum gs_status s = gs_processes_count(builders, n, b->ops, b->engine, err);
    for (size_t i = 0; i < n; i++) {
        gs_process_close(&builders[i], b->out, s == GS_OK);
        gs_recording_free(&some[i]->rec);
    }
    free(builders);
    return s;
}

/* Only one process's rows are in memory at a time, or those of as many as there are devices. */
static size_t how_many(const struct build *b, size_t left)
{
    size_t n = left > 1 && b->ops->at_once ? b->ops->at_once(b->engine) : 1;
    return n < left ? n : left;
}

static enum gs_status build_processes(struct process_chunks **all, size_t n, struct build *b,
                                      struct gs_error *err)
{
    enum gs_status s = b->ops->open(&b->engine, err);
    if (s != GS_OK)
        return s;
    b->out->processes = gs_xcalloc(n, sizeof(*b->out->processes));
    for (size_t i = 0, some; i < n && s == GS_OK; i += some) {
        some = how_many(b, n - i);
        s = build_some(b, all + i, some, err);
    }
    name_engine(b->ops, b->engine, b->out);
    b->ops->close(b->engine);
    return s;
}

static void close_processes(struct process_chunks **all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gs_recording_free(&all[i]->rec);
        free(all[i]);
    }
    free(all);
}

static int64_t end_unix_ns(const struct gs_prof_process *p)
{
    int64_t end, ns = p->duration_ns < INT64_MAX ? (int64_t)p->duration_ns : INT64_MAX;
    return __builtin_add_overflow(p->start_unix_ns, ns, &end) ? INT64_MAX : end;
}

static void sum_processes(struct gs_profile *p)
{
    int64_t first = INT64_MAX, last = INT64_MIN, span;
    p->ended = p->complete = p->n_processes > 0;
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_process *q = &p->processes[i];
        p->ended &= q->ended;
        p->complete &= q->complete;
        p->lost_events += q->lost_events;
        p->overhead_ns += q->overhead_ns;
        p->process_cpu_ns += q->process_cpu_ns;
        if (q->start_unix_ns < first)
            first = q->start_unix_ns;
        if (end_unix_ns(q) > last)
            last = end_unix_ns(q);
    }
    if (p->n_processes == 1)
        p->duration_ns = p->processes[0].duration_ns;
    else if (p->n_processes > 1)
        p->duration_ns = __builtin_sub_overflow(last, first, &span) ? INT64_MAX : (uint64_t)span;
}

static enum gs_status build(const struct gs_captures *c, const struct gs_load_options *options,
                            const struct gs_engine_ops *ops, struct gs_profile *out,
                            struct gs_error *err)
{
    struct gs_stacks stacks;
    size_t n;
    struct process_chunks **all = open_processes(c, &n);
    out->format_major = c->major;
    out->format_minor = c->minor;
    out->n_files = n; /* one a recorded process image, however the chunks lie in files now */
    out->damaged_chunks = c->damaged_runs;
    out->skipped_bytes = c->skipped_bytes;
    gs_stacks_init(&stacks);
    stacks.view = options->stacks;
    struct build b = {.options = options, .ops = ops, .stacks = &stacks, .out = out};
    enum gs_status s = build_processes(all, n, &b, err);
    close_processes(all, n);
    gs_stacks_move(&stacks, out);
    if (s != GS_OK)
        return s;
    sum_processes(out);
    gs_profile_rank(out);
    gs_arena_maps_fit(out->arena_maps, out->n_arena_maps);
    s = gs_profile_check(out, err);
    if (s == GS_OK)
        gs_findings_make(out);
    return s;
}

enum gs_status gs_profile_build(const struct gs_captures *c, const struct gs_load_options *options,
                                struct gs_profile *out, struct gs_error *err)
{
    static const struct gs_load_options defaults = {0};
    const struct gs_engine_ops *ops;
    memset(out, 0, sizeof(*out));
    if (!options)
        options = &defaults;
    enum gs_status s = gs_engine_select(options->engine, &ops, err);
    if (s == GS_OK)
        s = build(c, options, ops, out, err);
    if (s != GS_OK)
        gs_profile_free(out);
    return s;
}

enum gs_status gs_profile_load(const char *const *paths, size_t n_paths,
                               const struct gs_load_options *options, struct gs_profile *out,
                               struct gs_error *err)
{
    struct gs_captures captures;
    memset(out, 0, sizeof(*out));
    enum gs_status s = gs_captures_open(&captures, paths, n_paths, err);
    if (s != GS_OK)
        return s;
    s = gs_profile_build(&captures, options, out, err);
    gs_captures_close(&captures);
    return s;
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

static void free_gil(struct gs_prof_gil *g)
{
    free(g->wait_hist.buckets);
    free(g->hold_hist.buckets);
}

static void free_process(struct gs_prof_process *p)
{
    free(p->exe);
    free(p->hostname);
    free(p->python);
    free(p->agent_version);
    free_list(p->cmdline, p->n_cmdline);
    free_list(p->settings, p->n_settings);
    free_gil(&p->gil);
    for (size_t i = 0; i < p->n_gils; i++)
        free_gil(&p->gils[i]);
    free(p->gils);
    for (size_t i = 0; i < p->n_threads; i++)
        free(p->threads[i].name);
    free(p->threads);
    free(p->blame);
    free(p->edges);
    free(p->timeline.hold_ns);
    free(p->timeline.wait_ns);
    gs_memory_free(p->memory);
    gs_cuda_free(p->cuda);
    gs_counters_free(p->counters);
    free(p->notes);
}

void gs_profile_free(struct gs_profile *p)
{
    for (size_t i = 0; i < p->n_processes; i++)
        free_process(&p->processes[i]);
    free(p->processes);
    free(p->frames);
    free(p->nodes);
    free(p->rows);
    free(p->chains);
    free(p->alloc_rows);
    for (size_t i = 0; i < p->n_arena_maps; i++)
        gs_arena_map_free(&p->arena_maps[i]);
    free(p->arena_maps);
    free(p->cuda_rows);
    free(p->cuda_held_rows);
    free(p->count_rows);
    free(p->holders);
    free(p->waiters);
    for (size_t i = 0; i < p->n_findings; i++) {
        free(p->findings[i].claim);
        free(p->findings[i].suggestion);
    }
    free(p->findings);
    free(p->verdict);
    free(p->engine_why_not);
    free(p->engine_devices);
    free_list(p->strings, p->n_strings);
    memset(p, 0, sizeof(*p));
}
