/* SPDX-License-Identifier: MIT
 * A worker of the CPU engine, and what it does with one window: engine_cpu_window.c. Private.
 */
#ifndef GS_ENGINE_CPU_H
#define GS_ENGINE_CPU_H

#include "analyzer/engine.h"

#define GS__NO_ACTOR  UINT32_MAX

/* Tables of a worker's first threads; the others' pairs and histograms are in the maps. */
#define GS__THREADS   256u
#define GS__NOT_AMONG (GS__THREADS - 1)

struct gs__sub {
    uint64_t end_ns;
    uint32_t actor; /* GS__NO_ACTOR: unknown holder */
    int32_t delta;  /* waiters that begin to (+) or no longer (-) wait through the whole of it */
};
struct gs__actor { /* indexes into the worker's tables */
    uint8_t thread, waiter, holder;
};
struct gs__worker {
    struct gs_decoder d;
    struct gs_window_rows rows;
    struct gs_gil_result out; /* actors are the decoder's; no map before the end */
    struct gs_bins bins;
    struct gs_sum *pairs;  /* pair_width squared: waiting, holding */
    struct gs_sum *chains; /* waiters x chain_width holders */
    size_t pair_width, chain_width;
    struct gs__actor *actors;
    struct gs_typical *typicals;
    size_t n_actors, cap_actors, cap_typicals; /* described so far */
    struct gs_idmap threads;                   /* ids; the first GS__THREADS - 1 have tables */
    uint64_t *hists[GS__THREADS];
    struct gs__sub *subs;
    size_t n_subs, cap_subs;
    uint32_t *first_segment; /* of row i: index into subs */
    size_t cap_first;
    struct gs_segment *segments;
    size_t cap_segments;
    bool failed; /* a window with more rows than indexes */
};

void gs__cpu_window(struct gs__worker *w, const struct gs_windows *windows, size_t window);

#endif
