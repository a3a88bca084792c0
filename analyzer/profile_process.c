/* SPDX-License-Identifier: MIT
 * One recording -> one process of the profile.
 */
#include "analyzer/profile_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

#define TIMELINE_BINS 600
#define MAX_PAIRS     1000
#define MAX_CHAINS    1000

struct gs_prof_row *gs_row_add(struct gs_row_table *t, uint32_t thread_row, uint32_t node)
{
    struct gs_prof_row row = {.thread = thread_row, .node = node};
    GS_PUSH(t->rows, t->n, t->cap, row);
    return &t->rows[t->n - 1];
}

struct gs_prof_row *gs_row_at(struct gs_row_table *t, uint32_t thread_row, uint32_t node)
{
    while (t->map.n < t->n) {
        const struct gs_prof_row *row = &t->rows[t->map.n];
        gs_idmap_add(&t->map, gs_pack32(row->thread, row->node));
    }
    uint32_t at = gs_idmap_add(&t->map, gs_pack32(thread_row, node));
    return at < t->n ? &t->rows[at] : gs_row_add(t, thread_row, node);
}

void gs_row_table_free(struct gs_row_table *t)
{
    gs_idmap_free(&t->map);
    free(t->rows);
    memset(t, 0, sizeof(*t));
}

uint32_t gs_builder_thread(struct gs_process_builder *b, uint32_t thread, uint32_t gil)
{
    uint32_t at = gs_idmap_add(&b->thread_rows, gs_pack32(thread, gil));
    if (at == b->n_threads) {
        struct gs_prof_thread t = {.thread = b->r->threads[thread].id, .gil = b->gil_rank[gil]};
        GS_PUSH(b->threads, b->n_threads, b->cap_threads, t);
    }
    return at;
}

/* ---- GILs and timeline ---- */

struct gil_order {
    uint32_t id, dense;
};

static int by_gil_id(const void *pa, const void *pb)
{
    const struct gil_order *a = pa, *b = pb;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void rank_gils(struct gs_process_builder *b)
{
    size_t n = b->r->n_gils;
    struct gil_order *order = gs_xmalloc(n, sizeof(*order));
    for (size_t i = 0; i < n; i++)
        order[i] = (struct gil_order){b->r->gils[i].id, (uint32_t)i};
    if (n)
        qsort(order, n, sizeof(*order), by_gil_id);
    b->gil_rank = gs_xmalloc(n, sizeof(*b->gil_rank));
    for (size_t i = 0; i < n; i++)
        b->gil_rank[order[i].dense] = (uint32_t)i;
    free(order);
    b->out->gils = gs_xcalloc(n, sizeof(*b->out->gils));
    b->out->n_gils = n;
}

/* A counting sort, stable. */
static void sort_totals(struct gs_process_builder *b)
{
    const struct gs_recording *r = b->r;
    size_t *next = gs_xcalloc(r->n_gils + 2, sizeof(*next));
    b->totals = gs_xmalloc(r->n_totals, sizeof(*b->totals));
    b->totals_from = next;
    for (size_t i = 0; i < r->n_totals; i++)
        next[r->totals[i].gil + 2]++;
    for (size_t g = 2; g < r->n_gils + 2; g++)
        next[g] += next[g - 1];
    for (size_t i = 0; i < r->n_totals; i++) /* moves [gil + 1] to where the next GIL begins */
        b->totals[next[r->totals[i].gil + 1]++] = &r->totals[i];
}

static void open_timeline(struct gs_process_builder *b)
{
    struct gs_prof_timeline *t = &b->out->timeline;
    uint64_t ns = b->out->duration_ns;
    t->bin_ns = ns / TIMELINE_BINS + 1;
    t->n = (size_t)((ns + t->bin_ns - 1) / t->bin_ns);
    t->hold_ns = gs_xcalloc(t->n, sizeof(*t->hold_ns));
    t->wait_ns = gs_xcalloc(t->n, sizeof(*t->wait_ns));
    b->bins = (struct gs_bins){b->r->start_ns, t->bin_ns,  t->n,
                               t->hold_ns,     t->wait_ns, 1 / (double)t->bin_ns};
}

static void sum_gils(struct gs_prof_process *p)
{
    p->gil.interpreter = -1;
    for (size_t i = 0; i < p->n_gils; i++) {
        const struct gs_prof_gil *g = &p->gils[i];
        p->gil.hold_ns += g->hold_ns;
        p->gil.wait_ns += g->wait_ns;
        p->gil.open_hold_ns += g->open_hold_ns;
        p->gil.open_wait_ns += g->open_wait_ns;
        p->gil.acquisitions += g->acquisitions;
        p->gil.contended += g->contended;
        p->gil.forced_drops += g->forced_drops;
        p->gil.unknown_holder_ns += g->unknown_holder_ns;
        gs_hist_merge(&p->gil.hold_hist, &g->hold_hist);
        gs_hist_merge(&p->gil.wait_hist, &g->wait_hist);
    }
}

/* ---- threads and rows ---- */

static uint64_t since_start(const struct gs_recording *r, uint64_t ns)
{
    return ns > r->start_ns ? ns - r->start_ns : 0;
}

static char *thread_name(const struct gs_rec_thread *t)
{
    const char *s = t->python_name ? t->python_name : t->os_name;
    return s ? gs_xstrndup(s, strlen(s)) : gs_xasprintf("thread-%u", t->id);
}

/* first: the thread's row with most acquisitions; it carries what belongs to the thread itself. */
static void describe_thread(const struct gs_recording *r, struct gs_prof_thread *out,
                            uint32_t thread, bool first)
{
    const struct gs_rec_thread *t = &r->threads[thread];
    out->tid = t->tid;
    out->name = thread_name(t);
    out->first_ns = t->first_ns == UINT64_MAX ? 0 : since_start(r, t->first_ns);
    out->last_ns = since_start(r, t->end_ns ? t->end_ns : r->end_ns);
    if (first) {
        out->cpu_ns = t->cpu_ns;
        out->runqueue_ns = t->runqueue_ns;
    }
}

static int by_thread_and_gil(const void *pa, const void *pb)
{
    const struct gs_prof_thread *a = *(struct gs_prof_thread *const *)pa;
    const struct gs_prof_thread *b = *(struct gs_prof_thread *const *)pb;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return a->gil < b->gil ? -1 : a->gil > b->gil;
}

static bool is_used(const struct gs_prof_thread *t)
{
    return t->acquisitions | t->contended | t->hold_ns | t->wait_ns | t->open_hold_ns |
           t->open_wait_ns;
}

/* Thread rows in order of (thread, GIL); *position[i] is where row i of the builder went. */
static void place_threads(struct gs_process_builder *b, uint32_t *position)
{
    struct gs_prof_thread **order = gs_xmalloc(b->n_threads, sizeof(*order));
    size_t n = 0;
    for (size_t i = 0; i < b->n_threads; i++)
        if (is_used(&b->threads[i]))
            order[n++] = &b->threads[i];
    if (n)
        qsort(order, n, sizeof(*order), by_thread_and_gil);
    b->out->threads = gs_xcalloc(n, sizeof(*b->out->threads));
    b->out->n_threads = n;
    for (size_t i = 0, first = 0; i < n; i++) {
        size_t at = (size_t)(order[i] - b->threads);
        position[at] = (uint32_t)i;
        b->out->threads[i] = *order[i];
        if (i > 0 && order[i]->thread != order[i - 1]->thread)
            first = i;
        describe_thread(b->r, &b->out->threads[i], (uint32_t)(b->thread_rows.keys[at] >> 32),
                        i == first);
    }
    free(order);
}

/* The first process's rows become the profile's. */
static void append_rows(struct gs_process_builder *b, struct gs_profile *profile,
                        const uint32_t *position)
{
    uint32_t process = (uint32_t)(b->out - profile->processes);
    struct gs_row_table *from = &b->rows;
    struct gs_prof_row *rows = from->rows, *to = rows;
    for (size_t i = 0; i < from->n; i++) {
        if (!is_used(&b->threads[rows[i].thread]))
            continue; /* no time, no count: nothing to show */
        *to = rows[i];
        to->process = process;
        to->thread = position[to->thread];
        to++;
    }
    size_t n = (size_t)(to - rows);
    if (profile->n_rows == 0) {
        free(profile->rows);
        profile->rows = rows;
        from->rows = NULL;
    } else if (n) {
        profile->rows = gs_xrealloc(profile->rows, profile->n_rows + n, sizeof(*profile->rows));
        memcpy(profile->rows + profile->n_rows, rows, n * sizeof(*rows));
    }
    profile->n_rows += n;
}

/* ---- pairs, chains, edges ---- */

struct keyed_sum {
    uint64_t key, ns, count;
};

static int heaviest_first(const void *pa, const void *pb)
{
    const struct keyed_sum *a = pa, *b = pb;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    return a->key < b->key ? -1 : a->key > b->key;
}

static struct keyed_sum *sorted_sums(const struct gs_summap *m)
{
    struct keyed_sum *all = gs_xmalloc(m->map.n, sizeof(*all));
    for (size_t i = 0; i < m->map.n; i++)
        all[i] = (struct keyed_sum){m->map.keys[i], m->sums[i].ns, m->sums[i].count};
    if (m->map.n)
        qsort(all, m->map.n, sizeof(*all), heaviest_first);
    return all;
}

static void put_pairs(struct gs_process_builder *b)
{
    struct keyed_sum *all = sorted_sums(&b->pairs);
    size_t n = b->pairs.map.n, shown = n < MAX_PAIRS ? n : MAX_PAIRS;
    struct gs_prof_pair *out = gs_xcalloc(shown + 1, sizeof(*out));
    for (size_t i = 0; i < shown; i++)
        out[i] =
            (struct gs_prof_pair){(int64_t)(all[i].key >> 32), (uint32_t)all[i].key, all[i].ns};
    out[shown] = (struct gs_prof_pair){GS_THREAD_NONE, GS_THREAD_NONE, 0};
    out[shown].ns = b->pairs_rest_ns;
    for (size_t i = shown; i < n; i++)
        out[shown].ns += all[i].ns;
    b->out->blame = out;
    b->out->n_blame = shown + (n > shown || b->pairs_rest_ns > 0);
    free(all);
}

static void append_chains(struct gs_process_builder *b, struct gs_profile *profile)
{
    struct keyed_sum *all = sorted_sums(&b->chains);
    size_t n = b->chains.map.n < MAX_CHAINS ? b->chains.map.n : MAX_CHAINS;
    uint32_t process = (uint32_t)(b->out - profile->processes);
    profile->chains = gs_xrealloc(profile->chains, profile->n_chains + n, sizeof(*profile->chains));
    for (size_t i = 0; i < n; i++)
        profile->chains[profile->n_chains++] = (struct gs_prof_chain){
            .process = process,
            .waiter_node = (uint32_t)(all[i].key >> 32),
            .holder_node = (uint32_t)all[i].key,
            .ns = all[i].ns,
            .count = all[i].count,
        };
    free(all);
    gs_chains_sort_and_cut(profile);
}

static int64_t edge_end(uint32_t thread)
{
    return thread == GS_EDGE_NO_WAKER ? GS_THREAD_NONE : (int64_t)thread;
}

static void put_edges(struct gs_process_builder *b)
{
    struct keyed_sum *all = sorted_sums(&b->r->edges);
    size_t n = b->r->edges.map.n < MAX_PAIRS ? b->r->edges.map.n : MAX_PAIRS;
    b->out->edges = gs_xcalloc(n, sizeof(*b->out->edges));
    b->out->n_edges = n;
    for (size_t i = 0; i < n; i++)
        b->out->edges[i] =
            (struct gs_prof_edge){edge_end((uint32_t)(all[i].key >> 32)),
                                  edge_end((uint32_t)all[i].key), all[i].ns, all[i].count};
    free(all);
}

/* ---- the process itself ---- */

static char *python_version(uint32_t hex)
{
    unsigned level = hex >> 4 & 15;
    char *base = gs_xasprintf("%u.%u.%u", hex >> 24, hex >> 16 & 255, hex >> 8 & 255), *all;
    if (level == 15 || hex == 0)
        return base;
    all = gs_xasprintf("%s%s%u", base, level == 10 ? "a" : level == 11 ? "b" : "rc", hex & 15);
    free(base);
    return all;
}

static void take_string(char **to, char **from)
{
    *to = *from ? *from : gs_xstrndup("", 0);
    *from = NULL;
}

static void take_strings(char ***to, size_t *n_to, char ***from, size_t *n_from)
{
    *to = *from;
    *n_to = *n_from;
    *from = NULL;
    *n_from = 0;
}

static void describe_process(struct gs_recording *r, struct gs_prof_process *out)
{
    out->key = r->key;
    out->pid = r->pid;
    out->ppid = r->ppid;
    out->python_hex = r->python_hex;
    out->free_threaded = r->free_threaded;
    out->start_unix_ns = r->start_unix_ns;
    out->duration_ns = r->end_ns - r->start_ns;
    out->python = python_version(r->python_hex);
    out->detail_from_ns = r->detail_ns ? r->detail_ns - r->start_ns : 0;
    out->lost_events =
        (r->lost_slots > r->dropped_rows ? r->lost_slots : r->dropped_rows) + r->damaged_rows;
    out->lost_chunks = r->lost_chunks;
    out->lost_definitions = r->lost_definitions + r->lost_stacks;
    out->overhead_ns = r->overhead_ns;
    out->process_cpu_ns = r->process_cpu_ns;
    out->level = r->level;
    out->level_end = r->level_end;
    out->ended = r->ended;
    out->complete = r->ended && r->has_process && gs_recording_is_whole(r);
    if (!r->has_process)
        gs_recording_note(r, "the record that describes the process is missing");
    take_string(&out->exe, &r->exe);
    take_string(&out->hostname, &r->hostname);
    take_string(&out->agent_version, &r->agent_version);
    take_strings(&out->cmdline, &out->n_cmdline, &r->cmdline, &r->n_cmdline);
    take_strings(&out->settings, &out->n_settings, &r->settings, &r->n_settings);
}

static void sum_gc(const struct gs_recording *r, struct gs_prof_gc *out)
{
    out->is_measured = true;
    for (size_t i = 0; i < r->n_gcs; i++) {
        const struct gs_rec_gc *gc = &r->gcs[i];
        if (!gc->seen)
            continue;
        out->seen = true;
        out->interpreters++;
        out->is_measured &= gc->has_duration;
        out->time_ns += gc->has_duration ? gc->duration_ns : gc->hit_ns;
        out->looks += gc->looks;
        out->hits += gc->hits;
        out->live += gc->live;
        for (size_t g = 0; g < GS_PROF_GENERATIONS; g++) {
            out->collections[g] += gc->generations[g].collections;
            out->collected += gc->generations[g].collected;
            out->uncollectable += gc->generations[g].uncollectable;
        }
    }
    out->is_measured &= out->seen;
}

static void take_notes(struct gs_process_builder *b)
{
    if (b->r->no_gc)
        gs_recording_note(b->r, "garbage collections are not recorded: %s", b->r->no_gc);
    if (b->pairs_rest_ns && !b->r->no_pairs)
        gs_recording_note(b->r, "more threads and stacks waited for each other than can be told "
                                "apart: some pairs and chains are left out");
    b->out->notes = b->r->notes;
    b->r->notes = NULL;
}

static void builder_free(struct gs_process_builder *b)
{
    free(b->gil_rank);
    free(b->totals);
    free(b->totals_from);
    gs_idmap_free(&b->thread_rows);
    free(b->threads);
    gs_row_table_free(&b->rows);
    gs_summap_free(&b->pairs);
    gs_summap_free(&b->chains);
}

void gs_process_open(struct gs_process_builder *b, struct gs_recording *r,
                     const struct gs_stacks *stacks, struct gs_prof_process *out)
{
    *b = (struct gs_process_builder){.r = r, .stacks = stacks, .out = out};
    describe_process(r, out);
    sum_gc(r, &out->gc);
    rank_gils(b);
    sort_totals(b);
    open_timeline(b);
}

static void put_all(struct gs_process_builder *b, struct gs_profile *profile)
{
    uint32_t *position = gs_xmalloc(b->n_threads, sizeof(*position));
    sum_gils(b->out);
    place_threads(b, position);
    append_rows(b, profile, position);
    free(position);
    put_pairs(b);
    put_edges(b);
    append_chains(b, profile);
    gs_memory_build(b->r, b->stacks, profile, b->out);
    gs_cuda_build(b->r, b->stacks, profile, b->out);
    gs_counters_build(b->r, b->out);
    gs_counted_build(b->r, b->stacks, profile, b->out);
}

void gs_process_close(struct gs_process_builder *b, struct gs_profile *profile, bool is_counted)
{
    if (is_counted)
        put_all(b, profile);
    take_notes(b);
    builder_free(b);
}
