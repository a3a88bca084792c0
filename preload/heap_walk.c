/* SPDX-License-Identifier: MIT */
#include "preload/heap_walk.h"

#include <string.h>

#include "preload/agent_clock.h"
#include "preload/pyabi/pyabi.h"

/* A chunk of glibc's (malloc/malloc.c, unchanged since 2.0): the size of the one before it, its own
 * size with three flags below, then what the program has. Chunks follow one another without gaps;
 * whether one is in use stands in the flags of the next. The last one, "top", is free. */
#define SIZE_OFF     8u
#define FLAGS        7u
#define PREV_IN_USE  1u
#define NOT_THE_MAIN 6u /* flags a chunk of this heap cannot have */
#define LEAST_BYTES  32u
#define TRIES        3
#define ALIGNMENT    16u

struct walk {
    uintptr_t hi;
    uint64_t end_t;
    uint8_t *window;
    size_t cap, len; /* of the window */
    uintptr_t base;  /* what it is a copy of */
};

/* The size word of the chunk at `at`; the window moves there when it lies outside. */
static bool size_word(struct walk *w, uintptr_t at, uint64_t *out)
{
    if (at < w->base || at + 2 * SIZE_OFF > w->base + w->len) {
        w->base = at;
        w->len = w->hi - at < w->cap ? w->hi - at : w->cap;
        if (gs_now() > w->end_t || w->len < 2 * SIZE_OFF || !gs_safe_read(w->window, at, w->len))
            return false;
    }
    memcpy(out, w->window + (at - w->base) + SIZE_OFF, sizeof(*out));
    return true;
}

static bool is_size(const struct walk *w, uintptr_t at, uint64_t word)
{
    uint64_t size = word & ~(uint64_t)FLAGS;
    return size >= LEAST_BYTES && size % ALIGNMENT == 0 && size <= w->hi - at &&
           !(word & NOT_THE_MAIN);
}

static bool walk_once(struct walk *w, uintptr_t lo, struct gs_heap_use *out)
{
    uint64_t word, next;
    *out = (struct gs_heap_use){0};
    w->base = w->len = 0;
    for (uintptr_t at = lo; size_word(w, at, &word) && is_size(w, at, word);) {
        uint64_t size = word & ~(uint64_t)FLAGS;
        uintptr_t behind = at + size;
        if (behind == w->hi) {
            out->retained_bytes += size;
            return true;
        }
        if (!size_word(w, behind, &next))
            return false;
        *(next & PREV_IN_USE ? &out->in_use_bytes : &out->retained_bytes) += size;
        at = behind;
    }
    return false;
}

bool gs_heap_walk(uintptr_t lo, uintptr_t hi, uint64_t max_ns, void *window, size_t window_bytes,
                  struct gs_heap_use *out)
{
    struct walk w = {.hi = hi, .window = window, .cap = window_bytes};
    w.end_t = gs_now() + gs_ticks_of_ns(max_ns);
    lo = (lo + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    for (int i = 0; i < TRIES; i++)
        if (lo < hi && walk_once(&w, lo, out))
            return true;
    return false;
}
