/* SPDX-License-Identifier: MIT
 * What libgilscope_cuda.so (cuda/) and the analyzer say to each other. The analyzer plans, the
 * library counts on the device; all that passes is plain numbers, so that neither needs the other's
 * code. The library exports one function, GS_CUDA_SYMBOL, which gives its table.
 *
 * One GIL: begin(), then stage() and count() for each window, finish(). A window may be staged
 * while the one before is counted. Sums are whole only if every call was GS_CUDA_OK; after any
 * other answer why() says in words what is wrong, and only close() may follow. One thread at a
 * time for each device that is open; several devices are open side by side.
 *
 * Replays: sweep(), alone. What they do is in headers of analyzer/whatif that both compile; both
 * must have the same GS_REPLAY_VERSION.
 */
#ifndef GS_ENGINE_CUDA_H
#define GS_ENGINE_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/clock.h"
#include "preload/trace/trace_format.h"

#define GS_CUDA_SYMBOL  "gs_cuda_engine_table"
#define GS_CUDA_ABI     3u /* +1 with every change of this file */
#define GS_CUDA_SHARES  4u
#define GS_CUDA_BUCKETS 976u

enum gs_cuda_status {
    GS_CUDA_OK,
    GS_CUDA_NO_DEVICE, /* no driver, no device, or one that cannot be used */
    GS_CUDA_NO_MEMORY, /* of the device, or pinned memory of the host */
    GS_CUDA_LIMIT,     /* more pairs of threads, or rows of a window, than there is room for */
    GS_CUDA_FAILED,    /* the device or its driver failed */
    GS_CUDA_INTERNAL   /* a chunk is damaged that the survey found sound; wrong use */
};

/* Distinct keys; what is said of one is at its index. UINT64_MAX is none. */
struct gs_cuda_keys {
    const uint64_t *at;
    size_t n;
};
/* See struct gs_typical: of the actor at the same index. */
struct gs_cuda_shares {
    uint32_t n, actor[GS_CUDA_SHARES];
    uint64_t until[GS_CUDA_SHARES];
};

/* One GIL; all of it is read before begin() returns. */
struct gs_cuda_gil {
    uint64_t n_rows, encoded_bytes; /* in all */
    size_t n_chunks;                /* numbers of chunks are below it */
    uint64_t hash_seed;
    const struct gs_clock *clock;
    struct gs_cuda_keys stacks; /* ids; */
    const uint32_t *stack_node; /* their nodes */
    uint32_t no_stack;
    struct gs_cuda_keys threads;          /* ids: every thread that has a row */
    struct gs_cuda_keys waiters, holders; /* nodes of chains */
    struct gs_cuda_keys actors;           /* thread id << 32 | node: some, at least all that */
    const struct gs_cuda_shares *shares;  /* shares name; more are found in the rows */
    uint64_t bins_origin_ns, bin_ns, n_bins;
    uint32_t steps_per_row, steps_of_chunk; /* slices.h */
};
/* What one window may be made of. */
struct gs_cuda_room {
    uint64_t rows, encoded_bytes;
};

/* Rows of one SLICE chunk. All of a window is read before stage() returns. */
struct gs_cuda_part {
    const uint8_t *data;
    const struct gs_chunk_hdr *hdr;
    uint32_t chunk;          /* its number */
    uint64_t lo, last;       /* rows with these seqs are meant */
    uint64_t reaching_below; /* not 0: only waits, that saw a turn before this one */
};
struct gs_cuda_samples { /* HOLDER_SAMPLE by seq, time, kind, actor */
    size_t n;
    const uint64_t *seq, *t_ns, *actor; /* actor: its key */
    const uint32_t *thread, *kind;
};
struct gs_cuda_window {
    const struct gs_cuda_part *parts; /* own ones in the order of the file, then reaching ones */
    size_t n_parts, n_own;
    struct gs_cuda_samples samples;
    uint64_t first_seq, last_seq;            /* of its rows */
    uint64_t before_ns, next_seq, next_a_ns; /* see struct gs_window */
    bool is_first;                           /* nothing is known of before its first row */
};

/* Sums by actor: at[kind * stride + actor]; as struct gs_actor_sums has them. */
enum gs_cuda_sum {
    GS_CUDA_HOLD_NS,
    GS_CUDA_HOLD_COUNT,
    GS_CUDA_WAIT_NS,
    GS_CUDA_WAIT_COUNT,
    GS_CUDA_WAIT_MAX_NS,
    GS_CUDA_ACQUIRES,
    GS_CUDA_RELEASES,
    GS_CUDA_FORCED,
    GS_CUDA_BLAMED_NS,
    GS_CUDA_LONG_NS,
    GS_CUDA_LONG_COUNT,
    GS_CUDA_SUM_KINDS
};
/* Sums by two indexes, key: the first * number of the second ones + the second. */
struct gs_cuda_pairs {
    size_t n;
    const uint64_t *key, *ns, *count; /* key NULL: i is; a count of 0: nothing. ns NULL: none */
};
/* Where the device's time went: copies to it, which run beside the rest, and the steps of a window.
 * X(NAME, name) */
#define GS_CUDA_STEP_LIST(X)                                                                       \
    X(COPY, "copy")                                                                                \
    X(DECODE, "decode")                                                                            \
    X(ROWS, "rows")                                                                                \
    X(ORDER, "order")                                                                              \
    X(BLAME, "blame")                                                                              \
    X(PAIRS, "pairs")                                                                              \
    X(GROUP, "group")                                                                              \
    X(TIMELINE, "timeline")
enum gs_cuda_step {
#define X(NAME, name) GS_CUDA_STEP_##NAME,
    GS_CUDA_STEP_LIST(X)
#undef X
        GS_CUDA_STEPS
};

/* Valid until the next begin() or close(). */
struct gs_cuda_sums {
    struct gs_cuda_keys actors;
    const uint64_t *at;
    size_t stride;
    const uint64_t *hold_hist, *wait_hist; /* GS_CUDA_BUCKETS each */
    struct gs_cuda_pairs threads, chains;  /* waiter, holder */
    struct gs_cuda_pairs thread_hists;     /* thread, bucket of GS_CUDA_BUCKETS */
    const uint64_t *hold_bins, *wait_bins;
    uint64_t wait_ns, unknown_holder_ns;
    double step_ms[GS_CUDA_STEPS]; /* by the device's clock */
    uint32_t n_windows;
};

/* Many replays of one program: analyzer/whatif/replay.h. All of it is read, and the results are
 * whole, when sweep() returns GS_CUDA_OK; after anything else none of them is. */
struct gs_cuda_sweep {
    const struct gs_program *program; /* that is finished */
    const struct gs_replay_params *params;
    size_t n;
    struct gs_replay_result *results; /* as many */
    struct gs_replay_object *objects; /* n times the program's, for the results; NULL: not wanted */
};

struct gs_cuda;
struct gs_cuda_engine {
    uint32_t abi, size; /* GS_CUDA_ABI, sizeof(struct gs_cuda_engine) */
    uint32_t replay_version;
    /* *out is to be closed whatever comes of it; NULL when there is no memory. Devices are
     * numbered from 0, as CUDA_VISIBLE_DEVICES says; n_devices() says how many there are, also of
     * one that could not be opened (0: not known). */
    enum gs_cuda_status (*open)(struct gs_cuda **out, unsigned device);
    unsigned (*n_devices)(const struct gs_cuda *c);
    enum gs_cuda_status (*begin)(struct gs_cuda *c, const struct gs_cuda_gil *gil,
                                 struct gs_cuda_room *room);
    enum gs_cuda_status (*stage)(struct gs_cuda *c, const struct gs_cuda_window *window);
    enum gs_cuda_status (*count)(struct gs_cuda *c); /* the oldest one that is staged */
    enum gs_cuda_status (*finish)(struct gs_cuda *c, struct gs_cuda_sums *out);
    enum gs_cuda_status (*sweep)(struct gs_cuda *c, const struct gs_cuda_sweep *sweep);
    void (*close)(struct gs_cuda *c);
    const char *(*why)(const struct gs_cuda *c);
    const char *(*device)(const struct gs_cuda *c); /* its name */
};
typedef const struct gs_cuda_engine *(*gs_cuda_engine_fn)(void);

#endif
