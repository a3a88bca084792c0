/* SPDX-License-Identifier: MIT
 * What lives on devices after each row of CUDA, in order of seq: by kind, by context, by stack.
 * All bytes that live together are less than GS_CUDA_LIVE_MAX, whatever rows say, so sums of them
 * are sums.
 */
#ifndef GS_CUDA_REPLAY_H
#define GS_CUDA_REPLAY_H

#include "analyzer/cuda_rows.h"

#define GS_CUDA_LIVE_MAX (UINT64_C(1) << 60)

struct gs_cuda_block {
    uint64_t bytes;
    uint32_t context, node; /* indexes of the replay's contexts[] and nodes[] */
    uint32_t place;         /* of places[] */
    uint32_t over, under;   /* in the same place: newer and older ones */
    uint32_t prev, next;    /* in the list of what ends with the context; next: of free ones, too */
    uint8_t kind;
    bool lives;
};
struct gs_cuda_live_context {
    uint32_t context;           /* number */
    uint32_t device;            /* index of the replay's devices[] */
    uint32_t first;             /* block that ends with it */
    uint64_t bytes, peak_bytes; /* kinds of devices; the most that ever was */
};
struct gs_cuda_live_device {
    int64_t device; /* or GS_CUDA_NO_DEVICE */
    uint64_t bytes;
    uint64_t allocated_bytes; /* without managed memory, which need not be on the device */
};
struct gs_cuda_live_node {
    uint32_t node;
    uint64_t bytes; /* kinds of devices */
    uint64_t allocations;
};
struct gs_cuda_counts {
    uint64_t allocations, frees, failed;
};
struct gs_cuda_replay {
    const struct gs_cuda_rows *rows;
    struct gs_row_cursor next; /* row */
    uint64_t t_ns;             /* of the last row's effect; never goes back */
    uint64_t all_bytes, device_bytes, kind_bytes[GS_N_CUDA_KIND];
    struct gs_cuda_counts counts[GS_N_CUDA_KIND];
    struct gs_idmap address_map; /* address -> index, */
    struct gs_idmap place_map;   /* that and kind -> places[] */
    struct gs_idmap context_map, device_map, node_map;
    uint32_t *places; /* the newest block there */
    size_t n_places, cap_places, most_places;
    struct gs_cuda_block *blocks;
    size_t n_blocks, cap_blocks;
    uint32_t free_block;
    struct gs_cuda_live_context *contexts;
    size_t n_contexts, cap_contexts;
    struct gs_cuda_live_device *devices;
    size_t n_devices, cap_devices;
    struct gs_cuda_live_node *nodes;
    size_t n_nodes, cap_nodes;
};

/* Nothing is said to have happened before from_ns. */
void gs_cuda_replay_open(struct gs_cuda_replay *r, const struct gs_cuda_rows *rows,
                         uint64_t from_ns);
/* The next row, or NULL. */
const struct gs_cuda_row *gs_cuda_replay_peek(struct gs_cuda_replay *r);
/* The next row's effect; returns the row, which is valid until the next call, or NULL at the end.
 * *changed: what lives is not what it was. */
const struct gs_cuda_row *gs_cuda_replay_step(struct gs_cuda_replay *r, bool *changed);
/* When a row takes effect; not yet made monotone. */
uint64_t gs_cuda_effect_ns(const struct gs_cuda_row *row);
/* NULL: nothing ever lived there. */
const struct gs_cuda_live_device *gs_cuda_replay_device(const struct gs_cuda_replay *r,
                                                        int64_t device);
const struct gs_cuda_live_context *gs_cuda_replay_context(const struct gs_cuda_replay *r,
                                                          uint32_t context);
void gs_cuda_replay_close(struct gs_cuda_replay *r);

#endif
