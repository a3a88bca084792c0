/* SPDX-License-Identifier: MIT
 * Room for twice as many as are wanted: when it is full the better half stays, and from then on the
 * last of it turns most of what comes away. Each sort is paid for by k elements, whatever they are.
 */
#include "analyzer/top.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

void gs_top_open(struct gs_top *t, size_t k, size_t size,
                 int (*order)(const void *a, const void *b))
{
    *t = (struct gs_top){.k = k, .size = size, .order = order};
    t->at = gs_xmalloc(2 * k, size);
}

static char *element_at(const struct gs_top *t, size_t i)
{
    return (char *)t->at + i * t->size;
}

static void sort_and_cut(struct gs_top *t)
{
    qsort(t->at, t->n, t->size, t->order);
    t->is_cut |= t->n > t->k;
    if (t->n > t->k)
        t->n = t->k;
}

void gs_top_offer(struct gs_top *t, const void *element)
{
    if (t->n == 2 * t->k)
        sort_and_cut(t);
    if (t->is_cut && t->order(element, element_at(t, t->k - 1)) > 0)
        return;
    memcpy(element_at(t, t->n++), element, t->size);
}

void gs_top_finish(struct gs_top *t)
{
    sort_and_cut(t);
}
