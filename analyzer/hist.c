/* SPDX-License-Identifier: MIT */
#include "analyzer/hist.h"

#include <stdlib.h>

#include "analyzer/xalloc.h"

void gs_hist_compact(const uint64_t *counts, struct gs_hist *out)
{
    size_t cap = 0;
    out->buckets = NULL;
    out->n = 0;
    for (unsigned i = 0; i < GS_HIST_BUCKETS; i++)
        if (counts[i]) {
            struct gs_hist_bucket b = {gs_hist_lower_ns(i), counts[i]};
            GS_PUSH(out->buckets, out->n, cap, b);
        }
}

void gs_hist_merge(struct gs_hist *into, const struct gs_hist *from)
{
    struct gs_hist_bucket *sum = gs_xcalloc(into->n + from->n, sizeof(*sum));
    size_t i = 0, j = 0, n = 0;
    while (i < into->n || j < from->n) {
        bool a =
            j == from->n || (i < into->n && into->buckets[i].lower_ns <= from->buckets[j].lower_ns);
        struct gs_hist_bucket b = a ? into->buckets[i++] : from->buckets[j++];
        if (n > 0 && sum[n - 1].lower_ns == b.lower_ns)
            sum[n - 1].count += b.count;
        else
            sum[n++] = b;
    }
    free(into->buckets);
    into->buckets = sum;
    into->n = n;
}

uint64_t gs_hist_count(const struct gs_hist *h)
{
    uint64_t n = 0;
    for (size_t i = 0; i < h->n; i++)
        n += h->buckets[i].count;
    return n;
}

uint64_t gs_hist_percentile(const struct gs_hist *h, unsigned percent)
{
    uint64_t n = gs_hist_count(h), seen = 0;
    uint64_t rank = (uint64_t)(((unsigned __int128)n * percent + 99) / 100);
    for (size_t i = 0; i < h->n; i++) {
        seen += h->buckets[i].count;
        if (seen >= rank)
            return h->buckets[i].lower_ns;
    }
    return 0;
}
