/* SPDX-License-Identifier: MIT
 * Which stacks are told apart in "this stack waited for that one". Every stack may have waited for
 * every other, so there must be a choice, and it must not depend on the order of the work: the
 * stacks that waited most and those that held longest, by the rows of 256 to 512 chunks spread over
 * the GIL's life (all of them where there are no more).
 */
#ifndef GS_CHAIN_STACKS_H
#define GS_CHAIN_STACKS_H

#include <stddef.h>
#include <stdint.h>

#include "analyzer/slices.h"
#include "analyzer/turns.h"

#define GS_CHAIN_STACKS 255u
#define GS_CHAIN_NONE   255u /* the stack is not among them */

struct gs_chain_stacks {
    struct gs_idmap waiters, holders; /* node -> 0 to GS_CHAIN_STACKS - 1 */
};
/* What one decoder has seen: by its actors. */
struct gs_chain_weight {
    uint64_t hold_ns, wait_ns; /* by the stack at the release; that waited */
    uint64_t inside_ns;        /* in sampled turns */
};
struct gs_chain_weights {
    struct gs_chain_weight *at; /* the first n actors; the others weigh nothing */
    size_t n;
};
/* Every n-th chunk of a list of so many is weighed. */
size_t gs_chain_stride(size_t n_chunks);
struct gs_chain_weight *gs_chain_weight(struct gs_chain_weights *w, uint32_t actor);
/* Rows of a decoder that has met n_actors. */
void gs_chain_weigh(struct gs_chain_weights *w, size_t n_actors, const struct gs_row_columns *rows,
                    size_t from, size_t end);
/* Of n decoders; typicals: how the turns that end at a stack spend their time. */
void gs_chain_stacks_choose(struct gs_chain_stacks *out, const struct gs_decoder *const *decoders,
                            const struct gs_chain_weights *weights, size_t n,
                            const struct gs_typicals *typicals);
static inline unsigned gs_chain_index(const struct gs_idmap *stacks, uint32_t node)
{
    uint32_t at = gs_idmap_find(stacks, node);
    return at == GS_IDMAP_NONE ? GS_CHAIN_NONE : at;
}
void gs_chain_weights_free(struct gs_chain_weights *w);
void gs_chain_stacks_free(struct gs_chain_stacks *s);

#endif
