/* SPDX-License-Identifier: MIT
 * A square of exact sums that is added to at random. What is touched each time is small: time and
 * number share a word, and words are emptied into the sums before any of them could be full.
 */
#ifndef GS_SQUARE_SUMS_H
#define GS_SQUARE_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/idmap.h"

#define GS_SQUARE_COUNT_BITS 20u

struct gs_square_sums {
    size_t width;
    struct gs_sum *sums; /* width * width, valid when the words are empty */
    uint64_t *words;     /* ns << GS_SQUARE_COUNT_BITS | count */
    uint64_t count, ns;  /* that any word can have at most */
    bool is_long;        /* what is added now fits no word */
};
void gs_square_sums_open(struct gs_square_sums *s, size_t width);
void gs_square_sums_empty_words(struct gs_square_sums *s);
void gs_square_sums_close(struct gs_square_sums *s);

void gs__square_sums_make_room(struct gs_square_sums *s, uint64_t count, uint64_t ns);
/* To be said before `count` times are added that are `ns` together. */
static inline void gs_square_sums_reserve(struct gs_square_sums *s, uint64_t count, uint64_t ns)
{
    s->count += count;
    s->ns += ns;
    if (s->is_long || s->count >> GS_SQUARE_COUNT_BITS || ns >> 32 ||
        s->ns >> (64 - GS_SQUARE_COUNT_BITS))
        gs__square_sums_make_room(s, count, ns);
}

/* What a time adds to a word: of 0 ns, nothing. */
static inline uint64_t gs_square_word(uint64_t ns)
{
    return (ns << GS_SQUARE_COUNT_BITS) + (ns != 0);
}

/* Of 0 ns: nothing. */
static inline void gs_square_sums_add(struct gs_square_sums *s, size_t at, uint64_t ns)
{
    if (!s->is_long) {
        s->words[at] += gs_square_word(ns);
    } else {
        s->sums[at].ns += ns;
        s->sums[at].count += ns != 0;
    }
}

#endif
