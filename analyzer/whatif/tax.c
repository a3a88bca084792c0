/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/tax.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/whatif/stack_frame.h"
#include "analyzer/xalloc.h"

typedef unsigned __int128 u128;

#define UNSEEN_MOST 2u /* 1/2 of the time that the GIL was held may be without stacks */

/* ---- what frames do ---- */

static const struct pattern {
    uint8_t tax_class;
    const char *file, *function;
} patterns[] = {
#define GS_TAX(tax_class, file, function) {GS_TAX_##tax_class, file, function},
#include "analyzer/whatif/tax_patterns.def"
#undef GS_TAX
};

static uint8_t class_of_name(const char *file, const char *function)
{
    function = gs__bare_name(function);
    if (strcmp(function, "<module>") == 0)
        return GS_TAX_NONE; /* importing it is not using it */
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
        const struct pattern *p = &patterns[i];
        bool fits = p->function[0] == '*' || strcmp(p->function, function) == 0;
        if (fits && gs__path_ends(file, p->file))
            return p->tax_class;
    }
    return GS_TAX_NONE;
}

/* A node comes after its parent. */
uint8_t *gs_tax_classes(const struct gs_stacks *s)
{
    uint8_t *classes = gs_xcalloc(s->n_nodes + 1, 1);
    for (size_t i = 1; i < s->n_nodes; i++) {
        struct gs__frame f = gs__frame_of(s, (uint32_t)i);
        classes[i] = class_of_name(f.path, f.function);
        if (classes[i] == GS_TAX_NONE)
            classes[i] = classes[s->nodes[i].parent];
    }
    classes[0] = GS_TAX_UNSEEN;
    classes[s->no_stack] = classes[s->not_sampled] = GS_TAX_UNSEEN;
    classes[s->lost] = classes[s->earlier] = GS_TAX_UNSEEN;
    return classes;
}

bool gs_tax_is_spawned(const struct gs_recording *r)
{
    static const char *const words[] = {"multiprocessing.spawn", "multiprocessing.forkserver",
                                        "multiprocessing.resource_tracker",
                                        "--multiprocessing-fork", "externals.loky.backend"};
    for (size_t i = 0; i < r->n_cmdline; i++)
        for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++)
            if (strstr(r->cmdline[i], words[k]))
                return true;
    return false;
}

/* ---- one process ---- */

static enum gs_tax_class class_in(const struct gs_tax_reader *x, uint32_t thread, uint32_t node)
{
    enum gs_tax_class k = node == GS_TAX_NO_NODE ? GS_TAX_UNSEEN : x->classes[node];
    bool begins = k == GS_TAX_NONE && x->spawned && x->r->threads[thread].tid == x->r->pid;
    return begins ? GS_TAX_START : k;
}

static bool is_tax(enum gs_tax_class k)
{
    return k == GS_TAX_PICKLE || k == GS_TAX_IPC || k == GS_TAX_START;
}

/* ---- turns ---- */

static uint32_t common_caller(const struct gs_stacks *s, uint32_t a, uint32_t b)
{
    while (a != b) /* parents come first */
        *(a > b ? &a : &b) = s->nodes[a > b ? a : b].parent;
    return a;
}

/* A turn that nobody looked into ended in a call that took no time of it, as it began in one. What
 * lies between is known where both calls were made by the same work: the tax's, or the program's
 * own. (Pipes and pickling are not without a call that lets the GIL go.) */
static enum gs_tax_class between(const struct gs_tax_reader *x, uint32_t thread, uint32_t began,
                                 uint32_t ended)
{
    enum gs_tax_class a = class_in(x, thread, began), b = class_in(x, thread, ended);
    if (began == GS_TAX_NO_NODE)
        return is_tax(b) && b != GS_TAX_START ? GS_TAX_UNSEEN : b;
    if (!is_tax(a) && !is_tax(b))
        return b;
    enum gs_tax_class both = class_in(x, thread, common_caller(x->stacks, began, ended));
    return is_tax(a) && is_tax(b) && is_tax(both) ? both : GS_TAX_UNSEEN;
}

static uint32_t *last_node_of(struct gs_tax_reader *x, uint32_t thread)
{
    size_t had = x->cap_last;
    GS_RESERVE(x->last_node, (size_t)thread + 1, x->cap_last);
    for (size_t i = had; i < x->cap_last; i++)
        x->last_node[i] = GS_TAX_NO_NODE;
    return &x->last_node[thread];
}

static uint64_t add(struct gs_tax_reader *x, enum gs_tax_class k, uint64_t ns, bool is_estimate)
{
    x->sums->held_ns[k] += ns;
    x->sums->estimated_ns += is_estimate && is_tax(k) ? ns : 0;
    return k == GS_TAX_PICKLE || k == GS_TAX_START ? ns : 0;
}

static uint64_t add_segments(struct gs_tax_reader *x, uint32_t thread, const struct gs_decoder *d,
                             const struct gs_slice *turn, size_t n)
{
    uint64_t from_ns = turn->acq_ns, dropped_ns = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t end_ns = i + 1 < n ? x->segments[i].end_ns : turn->rel_ns;
        end_ns = end_ns < turn->rel_ns ? end_ns : turn->rel_ns;
        if (end_ns <= from_ns)
            continue;
        uint32_t node = gs_actor_node(&d->actors, x->segments[i].actor);
        dropped_ns += add(x, class_in(x, thread, node), end_ns - from_ns, true);
        from_ns = end_ns;
    }
    return dropped_ns;
}

uint64_t gs_tax_add_turn(struct gs_tax_reader *x, uint32_t thread, struct gs_decoder *d,
                         const struct gs_typicals *typicals, const struct gs_slice *turn,
                         const struct gs_holder_sample *samples, size_t n_samples)
{
    struct gs_typical typical = gs_typical_find(typicals, d, turn->hold_actor);
    uint32_t ended = gs_actor_node(&d->actors, turn->hold_actor), *last = last_node_of(x, thread);
    uint32_t began = x->has_all_rows ? *last : GS_TAX_NO_NODE;
    *last = ended;
    if (n_samples == 0 && typical.n == 0 && gs_turn_ended_unasked(turn))
        return add(x, between(x, thread, began, ended), turn->rel_ns - turn->acq_ns, false);
    GS_RESERVE(x->segments, n_samples + GS_TYPICAL_MAX, x->cap_segments);
    size_t n = gs_turn_segments(turn, samples, n_samples, &typical, x->segments);
    return add_segments(x, thread, d, turn, n);
}

/* ---- turns that have no rows ---- */

/* Of one thread and GIL: what points say of where it was. They are of the ends of turns. */
static void add_shares(struct gs_tax_reader *x, const struct gs_rec_totals *t)
{
    const struct gs_summap *w = &x->r->gils[t->gil].weights;
    uint64_t points[GS_N_TAX] = {0}, all = 0;
    uint64_t folded_ns = t->folded_ns > t->gone_folded_ns ? t->folded_ns - t->gone_folded_ns : 0;
    add(x, GS_TAX_UNSEEN, t->folded_ns - folded_ns + t->lost_ns, false);
    for (size_t i = 0; i < w->map.n; i++) {
        if (w->map.keys[i] >> 32 != t->thread)
            continue;
        uint32_t node = (uint32_t)w->map.keys[i];
        points[between(x, t->thread, GS_TAX_NO_NODE, node)] += w->sums[i].count;
        all += w->sums[i].count;
    }
    if (all == 0)
        add(x, GS_TAX_UNSEEN, folded_ns, false);
    for (unsigned k = 0; k < GS_N_TAX && all; k++)
        add(x, k, (uint64_t)((u128)folded_ns * points[k] / all), true);
}

void gs_tax_reader_open(struct gs_tax_reader *x, const struct gs_recording *r,
                        const struct gs_stacks *stacks, const uint8_t *classes,
                        struct gs_tax_sums *sums)
{
    *x = (struct gs_tax_reader){.r = r, .stacks = stacks, .classes = classes, .sums = sums};
    x->spawned = gs_tax_is_spawned(r);
    x->has_all_rows = true;
    for (size_t i = 0; i < r->n_totals; i++)
        x->has_all_rows &= r->totals[i].folded_n + r->totals[i].lost_n == 0;
}

void gs_tax_reader_close(struct gs_tax_reader *x)
{
    free(x->segments);
    free(x->last_node);
}

void gs_tax_add_folded(struct gs_tax_reader *x)
{
    for (size_t i = 0; i < x->r->n_totals; i++)
        if (x->r->totals[i].seen && x->r->totals[i].thread < x->r->n_threads)
            add_shares(x, &x->r->totals[i]);
}

/* ---- the job ---- */

static uint64_t sum_held(const struct gs_tax_sums *s)
{
    uint64_t all = 0;
    for (unsigned k = 0; k < GS_N_TAX; k++)
        all += s->held_ns[k];
    return all;
}

static char *against(const struct gs_recording *r, const struct gs_tax_sums *s)
{
    uint64_t all = sum_held(s), unseen = s->held_ns[GS_TAX_UNSEEN];
    if (r->free_threaded)
        return gs_xasprintf("it is free-threaded: it has no turns");
    if (all == 0)
        return gs_xasprintf("it has no turns of the GIL");
    if (unseen > all / UNSEEN_MOST)
        return gs_xasprintf("for %s of the time that it held the GIL no stack was taken",
                            gs_fmt_percent(unseen, all).s);
    return NULL;
}

void gs_tax_add_process(struct gs_tax *t, const struct gs_recording *r,
                        const struct gs_tax_sums *sums)
{
    struct gs_tax_process p = {
        .pid = r->pid, .cpu_ns = r->process_cpu_ns, .sums = *sums, .why_not = against(r, sums)};
    GS_PUSH(t->processes, t->n_processes, t->cap_processes, p);
}

struct gs_tax_total gs_tax_total(const struct gs_tax *t)
{
    struct gs_tax_total all = {.has_ipc_off = true};
    for (size_t i = 0; i < t->n_processes; i++) {
        const struct gs_tax_process *p = &t->processes[i];
        const struct gs_tax_sums *s = &p->sums;
        if (p->why_not)
            continue;
        all.n_known++;
        all.has_ipc_off &= s->has_ipc_off;
        all.pickle_ns += s->held_ns[GS_TAX_PICKLE];
        all.ipc_ns += s->held_ns[GS_TAX_IPC] + s->ipc_cpu_ns;
        all.ipc_wait_ns += s->ipc_wait_ns;
        all.start_ns += s->held_ns[GS_TAX_START];
        all.estimated_ns += s->estimated_ns;
        all.unseen_ns += s->held_ns[GS_TAX_UNSEEN];
        all.cpu_ns += p->cpu_ns;
        uint64_t held_ns = sum_held(s) + s->ipc_cpu_ns;
        all.time_ns += held_ns > p->cpu_ns ? held_ns : p->cpu_ns;
    }
    return all;
}

void gs_tax_free(struct gs_tax *t)
{
    for (size_t i = 0; i < t->n_processes; i++)
        free(t->processes[i].why_not);
    free(t->processes);
    memset(t, 0, sizeof(*t));
}
