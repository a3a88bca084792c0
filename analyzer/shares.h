/* SPDX-License-Identifier: MIT
 * A total that is known exactly, shared among stacks by weights that were sampled: the
 * largest-remainder method, so that the parts add up to the total.
 */
#ifndef GS_SHARES_H
#define GS_SHARES_H

#include <stddef.h>
#include <stdint.h>

struct gs_share {
    uint32_t thread, node;
    uint64_t weight;     /* >= 1 */
    uint64_t part, rest; /* of the value now being shared */
};

/* Sets part in all n shares, which are of different nodes. Reorders them. */
void gs_shares_divide(struct gs_share *s, size_t n, uint64_t total);

#endif
