/* SPDX-License-Identifier: MIT
 * The column lists of trace_format.h as tables.
 */
#include "preload/trace/trace_codec.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

enum { KIND_F = GS_COL_FOR, KIND_D = GS_COL_DELTA, KIND_S = GS_COL_STACK };

#define X(column, kind) {#column, (enum gs_column_kind)KIND_##kind},
static const struct gs_column_desc slice_cols[] = {GS_SLICE_COLUMNS(X)};
static const struct gs_column_desc hold_sample_cols[] = {GS_HOLD_SAMPLE_COLUMNS(X)};
static const struct gs_column_desc holder_sample_cols[] = {GS_HOLDER_SAMPLE_COLUMNS(X)};
static const struct gs_column_desc edge_cols[] = {GS_EDGE_COLUMNS(X)};
static const struct gs_column_desc sched_cols[] = {GS_SCHED_COLUMNS(X)};
static const struct gs_column_desc pools_cols[] = {GS_POOLS_COLUMNS(X)};
static const struct gs_column_desc alloc_cols[] = {GS_ALLOC_COLUMNS(X)};
static const struct gs_column_desc free_cols[] = {GS_FREE_COLUMNS(X)};
static const struct gs_column_desc cuda_cols[] = {GS_CUDA_COLUMNS(X)};
static const struct gs_column_desc sync_cols[] = {GS_SYNC_COLUMNS(X)};
static const struct gs_column_desc counted_cols[] = {GS_COUNTED_COLUMNS(X)};
#undef X

/* The positions of the columns, to name time_col and seq_col without counting by hand. */
#define X(column, kind) SLICE_##column,
enum { GS_SLICE_COLUMNS(X) };
#undef X
#define X(column, kind) HOLD_SAMPLE_##column,
enum { GS_HOLD_SAMPLE_COLUMNS(X) };
#undef X
#define X(column, kind) HOLDER_SAMPLE_##column,
enum { GS_HOLDER_SAMPLE_COLUMNS(X) };
#undef X
#define X(column, kind) EDGE_##column,
enum { GS_EDGE_COLUMNS(X) };
#undef X
#define X(column, kind) SCHED_##column,
enum { GS_SCHED_COLUMNS(X) };
#undef X
#define X(column, kind) POOLS_##column,
enum { GS_POOLS_COLUMNS(X) };
#undef X
#define X(column, kind) ALLOC_##column,
enum { GS_ALLOC_COLUMNS(X) };
#undef X
#define X(column, kind) FREE_##column,
enum { GS_FREE_COLUMNS(X) };
#undef X
#define X(column, kind) CUDA_##column,
enum { GS_CUDA_COLUMNS(X) };
#undef X
#define X(column, kind) SYNC_##column,
enum { GS_SYNC_COLUMNS(X) };
#undef X
#define X(column, kind) COUNTED_##column,
enum { GS_COUNTED_COLUMNS(X) };
#undef X

_Static_assert(N_OF(slice_cols) <= GS_CHUNK_MAX_COLS && N_OF(cuda_cols) <= GS_CHUNK_MAX_COLS,
               "col_off has room for every column");

static const struct gs_stream_desc streams[] = {
    {"records", GS_STREAM_RECORDS, 0, -1, -1, NULL},
    {"slice", GS_STREAM_SLICE, N_OF(slice_cols), SLICE_t_acq, SLICE_seq, slice_cols},
    {"hold_sample", GS_STREAM_HOLD_SAMPLE, N_OF(hold_sample_cols), HOLD_SAMPLE_t_rel, -1,
     hold_sample_cols},
    {"holder_sample", GS_STREAM_HOLDER_SAMPLE, N_OF(holder_sample_cols), HOLDER_SAMPLE_t,
     HOLDER_SAMPLE_seq, holder_sample_cols},
    {"edge", GS_STREAM_EDGE, N_OF(edge_cols), EDGE_t_wake, -1, edge_cols},
    {"sched", GS_STREAM_SCHED, N_OF(sched_cols), SCHED_t, -1, sched_cols},
    {"pools", GS_STREAM_POOLS, N_OF(pools_cols), POOLS_t, -1, pools_cols},
    {"alloc", GS_STREAM_ALLOC, N_OF(alloc_cols), ALLOC_t, -1, alloc_cols},
    {"free", GS_STREAM_FREE, N_OF(free_cols), FREE_t, -1, free_cols},
    {"cuda", GS_STREAM_CUDA, N_OF(cuda_cols), CUDA_t, CUDA_seq, cuda_cols},
    {"sync", GS_STREAM_SYNC, N_OF(sync_cols), SYNC_t, -1, sync_cols},
    {"counted", GS_STREAM_COUNTED, N_OF(counted_cols), COUNTED_t, -1, counted_cols},
};

const struct gs_stream_desc *gs_stream_desc(uint8_t stream)
{
    for (size_t i = 0; i < N_OF(streams); i++)
        if (streams[i].stream == stream)
            return &streams[i];
    return NULL;
}
