/* SPDX-License-Identifier: MIT */
#include "analyzer/square_sums.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

void gs_square_sums_open(struct gs_square_sums *s, size_t width)
{
    memset(s, 0, sizeof(*s));
    s->width = width;
    s->sums = gs_xcalloc(width * width, sizeof(*s->sums));
    s->words = gs_xcalloc(width * width, sizeof(*s->words));
}

void gs_square_sums_empty_words(struct gs_square_sums *s)
{
    for (size_t i = 0; i < s->width * s->width; i++) {
        if (s->words[i] == 0)
            continue;
        s->sums[i].ns += s->words[i] >> GS_SQUARE_COUNT_BITS;
        s->sums[i].count += s->words[i] & ((UINT64_C(1) << GS_SQUARE_COUNT_BITS) - 1);
        s->words[i] = 0;
    }
    s->count = s->ns = 0;
}

/* Seldom: a million times, or hours, after the last. What is long by itself goes to the sums. */
void gs__square_sums_make_room(struct gs_square_sums *s, uint64_t count, uint64_t ns)
{
    s->is_long = count >> (GS_SQUARE_COUNT_BITS - 1) || ns >> 32;
    s->count -= count;
    s->ns -= ns;
    if (s->is_long)
        return;
    if ((s->count + count) >> GS_SQUARE_COUNT_BITS || (s->ns + ns) >> (64 - GS_SQUARE_COUNT_BITS))
        gs_square_sums_empty_words(s);
    s->count += count;
    s->ns += ns;
}

void gs_square_sums_close(struct gs_square_sums *s)
{
    free(s->sums);
    free(s->words);
    memset(s, 0, sizeof(*s));
}
