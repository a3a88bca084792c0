/* SPDX-License-Identifier: MIT
 * Order: rows, chains, and the heaviest stacks of the whole job.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/profile_process.h"
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

static int row_order(const void *pa, const void *pb)
{
    const struct gs_prof_row *a = pa, *b = pb;
    ASCENDING(a, b, process);
    ASCENDING(a, b, thread);
    ASCENDING(a, b, node);
    return 0;
}

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

static size_t total_by_node(const struct gs_profile *p, struct gs_prof_stack_total *out)
{
    struct gs_idmap map = {0};
    for (size_t i = 0; i < p->n_rows; i++) {
        const struct gs_prof_row *row = &p->rows[i];
        struct gs_prof_stack_total *t = &out[gs_idmap_add(&map, row->node)];
        t->node = row->node;
        t->hold_ns += row->hold_ns;
        t->hold_est_ns += row->hold_est_ns;
        t->blamed_ns += row->blamed_ns;
        t->wait_ns += row->wait_ns;
        t->hold_count += row->hold_count;
        t->wait_count += row->wait_count;
    }
    size_t n = map.n;
    gs_idmap_free(&map);
    return n;
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
    struct gs_prof_stack_total *out = gs_xmalloc(n, sizeof(*out));
    *n_out = 0;
    for (size_t i = 0; i < n; i++)
        if (wanted(&all[i]))
            out[(*n_out)++] = all[i];
    if (*n_out)
        qsort(out, *n_out, sizeof(*out), order);
    if (*n_out > MAX_TOPS)
        *n_out = MAX_TOPS;
    return out;
}

void gs_profile_rank(struct gs_profile *p)
{
    struct gs_prof_stack_total *all = gs_xcalloc(p->n_rows, sizeof(*all));
    if (p->n_rows)
        qsort(p->rows, p->n_rows, sizeof(*p->rows), row_order);
    size_t n = total_by_node(p, all);
    p->holders = select_tops(all, n, is_holder, holder_order, &p->n_holders);
    p->waiters = select_tops(all, n, is_waiter, waiter_order, &p->n_waiters);
    free(all);
}
