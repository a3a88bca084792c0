/* SPDX-License-Identifier: MIT
 * What a capture says of one process's use of CUDA, before anything is computed: filled by
 * records_cuda.c and chunk_columns.c, read by cuda_replay.c, cuda_blame.c and profile_cuda*.c.
 * Everything in it is untrusted but for what gs_cuda_rows_sort() has checked.
 */
#ifndef GS_CUDA_ROWS_H
#define GS_CUDA_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/idmap.h"
#include "analyzer/memory_rows.h" /* GS_BYTES_MAX, GS_NEVER_NS, gs_add_sat() */
#include "preload/trace/trace_format.h"

#define GS_N_CUDA_KIND    (GS_CUDA_KIND_MODULE + 1)
#define GS_CUDA_NO_DEVICE (-1)

/* Kinds whose bytes are memory of a device. */
static inline bool gs_cuda_is_device_kind(unsigned kind)
{
    return kind >= GS_CUDA_KIND_DEVICE && kind <= GS_CUDA_KIND_ARRAY;
}

struct gs_cuda_row { /* a row of CUDA */
    uint64_t seq;    /* first: row_stream.h */
    uint64_t number; /* of those alike: in the order of the file */
    uint64_t t_ns, duration_ns, bytes, address;
    uint32_t thread, context, result, node;
    uint16_t flags, call;
    uint8_t op, kind; /* may be none that we know */
};
struct gs_rec_cuda_driver { /* CUDA_DRIVER: the last one */
    bool seen;
    uint64_t t_ns, version, loading;
    char *path;
};
struct gs_rec_cuda_device {
    uint32_t device;
    char *name, *bus_id; /* NULL: no record */
    uint64_t total_bytes;
};
struct gs_rec_cuda_context {
    uint32_t context;
    bool defined;              /* a CUDA_CONTEXT record was there */
    uint64_t born_ns, died_ns; /* GS_NEVER_NS: it lives */
    uint32_t device;
    bool primary;
    uint64_t create_ns, free_before_bytes, free_after_bytes, total_bytes;
    uint32_t stack; /* id */
};
struct gs_rec_cuda_call { /* CUDA_CALL: the last one of each */
    uint32_t call, op;
    char *name;
    uint64_t t_ns, calls, failed, ns, held_calls, held_ns;
};
struct gs_rec_cuda_live { /* CUDA_LIVE: the last one of each context and kind */
    uint32_t context, kind;
    uint64_t t_ns, allocs, frees, failed, live_bytes, peak_bytes;
};
struct gs_rec_cuda_state { /* CUDA_STATE: the last one */
    bool seen;
    uint64_t t_ns, rows, lost_rows, unknown_frees, untracked, live_bytes, peak_bytes;
};
struct gs_rec_cuda_used { /* CUDA_USED: all of them */
    uint64_t t_ns, order, used_bytes;
    uint32_t device;
};

struct gs_cuda_row_sums {
    uint64_t n, last_seq;
    uint64_t modules_loaded, modules_unloaded, image_bytes;
    uint64_t unknown_frees;
};
struct gs_cuda_rows {
    bool seen;                    /* anything at all */
    struct gs_row_stream rows;    /* of gs_cuda_row: each seq once, and of those alike one that is
                                     not told again, and of those the first */
    struct gs_cuda_row_sums sums; /* of them, set by gs_cuda_rows_sort() */
    struct gs_rec_cuda_driver driver;
    struct gs_idmap device_map; /* ordinal -> devices[] */
    struct gs_rec_cuda_device *devices;
    size_t n_devices, cap_devices;
    struct gs_idmap context_map; /* index -> contexts[] */
    struct gs_rec_cuda_context *contexts;
    size_t n_contexts, cap_contexts;
    struct gs_idmap call_map; /* number -> calls[] */
    struct gs_rec_cuda_call *calls;
    size_t n_calls, cap_calls;
    struct gs_idmap live_map; /* context, kind -> lives[] */
    struct gs_rec_cuda_live *lives;
    size_t n_lives, cap_lives;
    struct gs_rec_cuda_state state;
    struct gs_rec_cuda_used *used;
    size_t n_used, cap_used;
    char *no_cuda, *no_nvml; /* texts of EVENT; NULL: there was none */
    int64_t only_device; /* set by gs_cuda_rows_sort(): that all contexts are on, or NO_DEVICE */
};

/* Each is made on first sight. */
struct gs_rec_cuda_device *gs_cuda_device(struct gs_cuda_rows *c, uint32_t device);
struct gs_rec_cuda_context *gs_cuda_context(struct gs_cuda_rows *c, uint32_t context);
struct gs_rec_cuda_call *gs_cuda_call(struct gs_cuda_rows *c, uint32_t call);
struct gs_rec_cuda_live *gs_cuda_live(struct gs_cuda_rows *c, uint32_t context, uint32_t kind);
/* See struct gs_row_kind. */
int gs_cuda_row_order(const void *a, const void *b);
bool gs_cuda_row_is_said(const void *before, const void *row);
/* Rows by seq, CUDA_USED by time, devices by ordinal, contexts by index. After it nothing depends
 * on the order in which chunks were read. */
void gs_cuda_rows_sort(struct gs_cuda_rows *c);
/* Again, after devices were added. */
void gs_cuda_sort_devices(struct gs_cuda_rows *c);
/* The device of a context; of one that no record describes the process's only device, if there is
 * one. After the sort. */
int64_t gs_cuda_device_of(const struct gs_cuda_rows *c, uint32_t context);
void gs_cuda_rows_free(struct gs_cuda_rows *c);

#endif
