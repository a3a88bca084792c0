/* SPDX-License-Identifier: MIT
 * The first k of many in some order, without sorting all of them.
 */
#ifndef GS_TOP_H
#define GS_TOP_H

#include <stdbool.h>
#include <stddef.h>

struct gs_top {
    void *at; /* after gs_top_finish() the first ones, in order; the caller's to free */
    size_t n, k, size;
    bool is_cut; /* the k-th is the last that can be one of the first */
    int (*order)(const void *a, const void *b); /* as of qsort; 0 only for the same element */
};
void gs_top_open(struct gs_top *t, size_t k, size_t size,
                 int (*order)(const void *a, const void *b));
/* Copies the element if it may be one of the first. */
void gs_top_offer(struct gs_top *t, const void *element);
/* At most k are left, in order. */
void gs_top_finish(struct gs_top *t);

#endif
