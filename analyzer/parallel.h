/* SPDX-License-Identifier: MIT
 * The same work on many items, side by side. Which worker does which item is chance: results must
 * not depend on it.
 */
#ifndef GS_PARALLEL_H
#define GS_PARALLEL_H

#include <stddef.h>

/* How many workers n items deserve: at most `jobs`; 0: as many as this process has cores. */
unsigned gs_parallel_workers(unsigned jobs, size_t n);
/* fn(ctx, worker, i) once for each i below n; worker is below n_workers, and no two calls with one
 * worker run at a time. Returns when all have ended. */
void gs_parallel(unsigned n_workers, size_t n, void (*fn)(void *ctx, unsigned worker, size_t i),
                 void *ctx);

#endif
