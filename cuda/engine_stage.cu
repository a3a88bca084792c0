/* SPDX-License-Identifier: MIT */
#include "cuda/engine_stage.cuh"

namespace
{
const unsigned COLUMNS = GS_CHUNK_ROWS_COLUMNS;
const uint64_t NOT_HERE = UINT64_MAX;
const char PADDING[16] = {}; /* so that one chunk follows another, and begins at a whole word */

size_t round_up(size_t bytes)
{
    return (bytes + 15) / 16 * 16;
}

/* ---- chunks ---- */

/* The window's half of the store, where chunks do not stay. */
void begin_window(gs_chunk_store *s)
{
    s->window++;
    if (s->is_resident)
        return;
    size_t half = s->memory.bytes / 2;
    s->used = s->window % 2 * half;
    s->end = s->used + half;
}

bool is_here(const gs_chunk_store &s, uint32_t chunk)
{
    return s.at[chunk] != NOT_HERE && (s.is_resident || s.seen[chunk] == s.window);
}

cudaError_t put_chunk(gs_chunk_store *s, const gs_cuda_part &p, gs_uploader *up)
{
    if (is_here(*s, p.chunk))
        return cudaSuccess;
    if (round_up(p.hdr->total_len) > s->end - s->used)
        return cudaErrorMemoryAllocation;
    s->at[p.chunk] = s->used;
    s->seen[p.chunk] = s->window;
    s->used += round_up(p.hdr->total_len);
    char *to = s->memory.at + s->at[p.chunk];
    GS_TRY(gs_upload(up, to, p.data, p.hdr->total_len));
    return gs_upload(up, to + p.hdr->total_len, PADDING,
                     round_up(p.hdr->total_len) - p.hdr->total_len);
}

/* ---- what to do with them ---- */

struct plan {
    std::vector<gs_part> parts;
    std::vector<gs_column_task> tasks;
    uint64_t n_own, n_rows;
};

uint64_t rows_of(const gs_cuda_window &w, size_t n_parts)
{
    uint64_t n = 0;
    for (size_t i = 0; i < n_parts; i++)
        n += w.parts[i].hdr->n_rows;
    return n;
}

bool plan_part(plan *out, const gs_chunk_store &store, const gs_cuda_part &p, uint64_t first_row)
{
    out->parts.push_back({p.lo, p.last, p.reaching_below, (uint32_t)first_row, p.hdr->n_rows,
                          p.hdr->clock_epoch, 0});
    for (unsigned k = 0; k < COLUMNS; k++) {
        gs_column_task task;
        if (gs_column_task_of(p.hdr, store.at[p.chunk], k, k * out->n_rows + first_row, &task))
            return false;
        out->tasks.push_back(task);
    }
    return true;
}

bool plan_parts(plan *out, const gs_chunk_store &store, const gs_cuda_window &w)
{
    uint64_t first_row = 0;
    out->n_own = rows_of(w, w.n_own);
    out->n_rows = rows_of(w, w.n_parts);
    for (size_t i = 0; i < w.n_parts; i++) {
        if (!plan_part(out, store, w.parts[i], first_row))
            return false;
        first_row += w.parts[i].hdr->n_rows;
    }
    return true;
}

/* ---- beside the chunks ---- */

void carve(gs_staged *s, size_t n_parts, size_t n_samples, gs_carver *from)
{
    gs_u64 *seq = from->array<gs_u64>(n_samples), *t_ns = from->array<gs_u64>(n_samples);
    s->sample_keys = from->array<gs_u64>(n_samples);
    uint32_t *thread = from->array<uint32_t>(n_samples), *kind = from->array<uint32_t>(n_samples);
    s->parts = from->array<gs_part>(n_parts);
    s->tasks = from->array<gs_column_task>(COLUMNS * n_parts);
    s->sample_actors = from->array<uint32_t>(n_samples);
    s->samples = {seq, t_ns, thread, s->sample_actors, kind, (uint32_t)n_samples};
}

template <class T, class U>
cudaError_t put_samples(gs_uploader *up, const T *to, const U *from, size_t n)
{
    static_assert(sizeof(T) == sizeof(U), "one column");
    return gs_upload(up, const_cast<T *>(to), from, n * sizeof(T));
}

cudaError_t upload_samples(const gs_staged &s, const gs_cuda_samples &from, gs_uploader *up)
{
    GS_TRY(put_samples(up, s.samples.seq, from.seq, from.n));
    GS_TRY(put_samples(up, s.samples.t_ns, from.t_ns, from.n));
    GS_TRY(put_samples(up, s.sample_keys, from.actor, from.n));
    GS_TRY(put_samples(up, s.samples.thread, from.thread, from.n));
    return put_samples(up, s.samples.kind, from.kind, from.n);
}

cudaError_t upload_plan(gs_staged *s, const plan &p, const gs_cuda_window &w, gs_uploader *up)
{
    gs_carver count = {NULL, 0, 0};
    carve(s, w.n_parts, w.samples.n, &count);
    GS_TRY(gs_buffer_reserve(&s->memory, count.used));
    gs_carver real = gs_carve(s->memory);
    carve(s, w.n_parts, w.samples.n, &real);
    GS_TRY(upload_samples(*s, w.samples, up));
    GS_TRY(gs_upload_array(up, s->parts, p.parts.data(), p.parts.size()));
    GS_TRY(gs_upload_array(up, s->tasks, p.tasks.data(), p.tasks.size()));
    return gs_upload_flush(up);
}

/* Who waits for `arrived` may ask how long it took. */
cudaError_t end_copy(const gs_staged &s, const gs_laps &laps, cudaStream_t stream)
{
    GS_TRY(cudaEventRecord(laps.copy_end, stream));
    return cudaEventRecord(s.arrived, stream);
}
} // namespace

cudaError_t gs_chunk_store_begin(gs_chunk_store *s, size_t n_chunks, size_t all_bytes,
                                 size_t slot_bytes)
{
    s->is_resident = slot_bytes == 0;
    s->at.assign(n_chunks, NOT_HERE);
    s->seen.assign(n_chunks, 0);
    s->used = s->window = 0;
    GS_TRY(gs_buffer_reserve(&s->memory, s->is_resident ? all_bytes : 2 * slot_bytes));
    s->end = s->memory.bytes;
    return cudaSuccess;
}

gs_cuda_status gs_stage(gs_staged *out, gs_chunk_store *store, const gs_cuda_window *w,
                        gs_uploader *up, const gs_laps *laps, cudaError_t *status)
{
    plan p = {};
    *status = cudaSuccess;
    if (w->last_seq - w->first_seq == UINT64_MAX) /* more numbers than can be counted */
        return GS_CUDA_LIMIT;
    begin_window(store);
    *status = cudaStreamWaitEvent(up->stream, out->counted, 0);
    if (*status == cudaSuccess)
        *status = cudaEventRecord(laps->copy_begin, up->stream);
    for (size_t i = 0; i < w->n_parts && *status == cudaSuccess; i++)
        *status = put_chunk(store, w->parts[i], up);
    if (*status == cudaSuccess)
        *status = gs_upload_flush(up);
    if (*status != cudaSuccess)
        return GS_CUDA_FAILED;
    if (!plan_parts(&p, *store, *w))
        return GS_CUDA_INTERNAL;
    if (p.n_rows >= UINT32_MAX / 8 || w->samples.n >= UINT32_MAX / 8)
        return GS_CUDA_LIMIT;
    out->about = *w;
    out->n_own = (uint32_t)p.n_own;
    out->n_rows = (uint32_t)p.n_rows;
    *status = upload_plan(out, p, *w, up);
    if (*status == cudaSuccess)
        *status = end_copy(*out, *laps, up->stream);
    out->is_waiting = *status == cudaSuccess;
    return out->is_waiting ? GS_CUDA_OK : GS_CUDA_FAILED;
}
