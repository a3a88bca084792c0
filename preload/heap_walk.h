/* SPDX-License-Identifier: MIT
 * How much of the C library's heap is in use. mallinfo2() would tell, but takes malloc's locks and
 * holds them as long as it walks: a thread of the program would wait for us. This reads the sizes
 * that stand in front of all blocks, fault-safely and without a lock, and gives up where they do
 * not fit together.
 */
#ifndef GS_HEAP_WALK_H
#define GS_HEAP_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_heap_use {
    uint64_t in_use_bytes;   /* with what malloc keeps in its caches for small blocks */
    uint64_t retained_bytes; /* free, the unused end included */
};

/* The main heap (that of sbrk), `lo` to `hi`, of glibc's layout. False when it is another's, or
 * changed too fast, or `max_ns` have passed. `window` is room to copy to. */
bool gs_heap_walk(uintptr_t lo, uintptr_t hi, uint64_t max_ns, void *window, size_t window_bytes,
                  struct gs_heap_use *out);

#endif
