/* SPDX-License-Identifier: MIT
 * Order: rows, chains, and the heaviest stacks of the whole job.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/profile_process.h"
#include "analyzer/radix.h"
#include "analyzer/top.h"
#include "analyzer/xalloc.h"

#define MAX_CHAINS 1000
#define MAX_TOPS   1000

#define DESCENDING(a, b, field)                                                                    \
    if ((a)->field != (b)->field)                                                                  \
    return (a)->field > (b)->field ? -1 : 1
#define ASCENDING(a, b, field)                                                                     \
    if ((a)->field != (b)->field)                                                                  \
    return (a)->field < (b)->field ? -1 : 1

static int chain_order(const void *pa, const void *pb)
{
    const struct gs_prof_chain *a = pa, *b = pb;
    DESCENDING(a, b, ns);
    ASCENDING(a, b, process);
    ASCENDING(a, b, waiter_node);
    ASCENDING(a, b, holder_node);
    return 0;
}

void gs_chains_sort_and_cut(struct gs_profile *p)
{
    if (p->n_chains)
        qsort(p->chains, p->n_chains, sizeof(*p->chains), chain_order);
    if (p->n_chains > MAX_CHAINS)
        p->n_chains = MAX_CHAINS;
}

/* ---- rows ---- */

struct row_key {
    uint64_t key;
    uint32_t row;
};

static bool is_sorted(const struct gs_prof_row *rows, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (gs_pack32(rows[i].thread, rows[i].node) <
            gs_pack32(rows[i - 1].thread, rows[i - 1].node))
            return false;
    return true;
}

/* Of one process, by thread and node. */
static void sort_rows(struct gs_prof_row *rows, size_t n, size_t n_nodes)
{
    if (is_sorted(rows, n))
        return;
    struct row_key *keys = gs_xmalloc(n, sizeof(*keys));
    struct gs_prof_row *old = gs_xmalloc(n, sizeof(*old));
    for (size_t i = 0; i < n; i++)
        keys[i] = (struct row_key){rows[i].thread * n_nodes + rows[i].node, (uint32_t)i};
    keys = gs_radix_sort(keys, n, sizeof(*keys));
    memcpy(old, rows, n * sizeof(*old));
    for (size_t i = 0; i < n; i++)
        rows[i] = old[keys[i].row];
    free(old);
    free(keys);
}

/* Processes have their rows one after another. */
static void sort_all_rows(struct gs_profile *p)
{
    for (size_t i = 0, end; i < p->n_rows; i = end) {
        for (end = i + 1; end < p->n_rows && p->rows[end].process == p->rows[i].process;)
            end++;
        sort_rows(p->rows + i, end - i, p->n_nodes);
    }
}

/* ---- tops ---- */

static int holder_order(const void *pa, const void *pb)
{
    const struct gs_prof_stack_total *a = pa, *b = pb;
    DESCENDING(a, b, blamed_ns);
    DESCENDING(a, b, hold_ns);
    ASCENDING(a, b, node);
    return 0;
}

static int waiter_order(const void *pa, const void *pb)
{
    const struct gs_prof_stack_total *a = pa, *b = pb;
    DESCENDING(a, b, wait_ns);
    DESCENDING(a, b, wait_count);
    ASCENDING(a, b, node);
    return 0;
}

static struct gs_prof_stack_total *total_by_node(const struct gs_profile *p, size_t *n)
{
    struct gs_prof_stack_total *out = gs_xcalloc(p->n_rows, sizeof(*out));
    uint32_t *place = gs_xcalloc(p->n_nodes, sizeof(*place)); /* in out[], from 1; 0: none */
    *n = 0;
    for (size_t i = 0; i < p->n_rows; i++) {
        const struct gs_prof_row *row = &p->rows[i];
        if (!place[row->node])
            place[row->node] = (uint32_t)++ * n;
        struct gs_prof_stack_total *t = &out[place[row->node] - 1];
        t->node = row->node;
        t->hold_ns += row->hold_ns;
        t->hold_est_ns += row->hold_est_ns;
        t->blamed_ns += row->blamed_ns;
        t->wait_ns += row->wait_ns;
        t->hold_count += row->hold_count;
        t->wait_count += row->wait_count;
    }
    free(place);
    return out;
}

static bool is_holder(const struct gs_prof_stack_total *t)
{
    return t->blamed_ns || t->hold_ns || t->hold_count;
}

static bool is_waiter(const struct gs_prof_stack_total *t)
{
    return t->wait_ns || t->wait_count;
}

static struct gs_prof_stack_total *select_tops(const struct gs_prof_stack_total *all, size_t n,
                                               bool (*wanted)(const struct gs_prof_stack_total *),
                                               int (*order)(const void *, const void *),
                                               size_t *n_out)
{
    struct gs_top top;
    gs_top_open(&top, MAX_TOPS, sizeof(*all), order);
    for (size_t i = 0; i < n; i++)
        if (wanted(&all[i]))
            gs_top_offer(&top, &all[i]);
    gs_top_finish(&top);
    *n_out = top.n;
    return top.at;
}

void gs_profile_rank(struct gs_profile *p)
{
    size_t n;
    sort_all_rows(p);
    struct gs_prof_stack_total *all = total_by_node(p, &n);
    p->holders = select_tops(all, n, is_holder, holder_order, &p->n_holders);
    p->waiters = select_tops(all, n, is_waiter, waiter_order, &p->n_waiters);
    free(all);
}
