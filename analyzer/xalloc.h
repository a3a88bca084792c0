/* SPDX-License-Identifier: MIT
 * Memory of the analyzer. It is a program that runs and ends: without memory it says so in one line
 * and exits with 1 (never used by the agent). Sizes are checked for overflow.
 */
#ifndef GS_XALLOC_H
#define GS_XALLOC_H

#include <stddef.h>

/* Once, at the start of a program that reads captures. */
void gs_xalloc_init(void);
/* Later, for what makes millions of small blocks in each thread (libdw): they would wait for each
 * other at the one heap. */
void gs_xalloc_heap_per_thread(void);

void *gs_xmalloc(size_t n, size_t size);
void *gs_xcalloc(size_t n, size_t size);
void *gs_xrealloc(void *p, size_t n, size_t size);
/* At the beginning of a cache line; not for gs_xrealloc(). */
void *gs_xaligned(size_t n, size_t size);
char *gs_xstrndup(const char *s, size_t len);
char *gs_xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for element n of a growing array; returns the (possibly moved) array. */
void *gs_xgrow(void *p, size_t n, size_t *cap, size_t size);

/* Room for at least `need` elements. */
#define GS_RESERVE(array, need, cap)                                                               \
    do {                                                                                           \
        if ((need) > (cap)) {                                                                      \
            (cap) = (need) + (cap) / 2;                                                            \
            (array) = gs_xrealloc((array), (cap), sizeof(*(array)));                               \
        }                                                                                          \
    } while (0)

/* Appends `value` to `array`, whose fields are array, n_array-like count and capacity. */
#define GS_PUSH(array, n, cap, value)                                                              \
    do {                                                                                           \
        (array) = gs_xgrow((array), (n), &(cap), sizeof(*(array)));                                \
        (array)[(n)++] = (value);                                                                  \
    } while (0)

#endif
