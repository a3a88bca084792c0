/* SPDX-License-Identifier: MIT
 * The table that libgilscope_cuda.so exports: analyzer/engine_cuda.h has the contract.
 */
#include <stdio.h>
#include <string.h>

#include <new>

#include "cuda/engine_results.cuh"
#include "cuda/engine_sweep.cuh"

struct gs_cuda {
    char why[256], device[256];
    unsigned number, n_devices; /* which device; how many there are */
    cudaStream_t compute;
    gs_uploader up;
    gs_tables tables;
    gs_chunk_store store;
    gs_staged staged[2];
    unsigned next_stage, next_count;
    gs_counter counter;
    std::vector<uint64_t> results; /* of the last finish() */
};

namespace
{
/* Rows of a window: enough to fill any device many times over. */
const uint64_t ROWS_MAX = 1u << 22;

gs_cuda_status say(gs_cuda *c, gs_cuda_status status, const char *text)
{
    snprintf(c->why, sizeof(c->why), "%s", text);
    return status;
}

gs_cuda_status status_of(cudaError_t e)
{
    switch (e) {
    case cudaSuccess:
        return GS_CUDA_OK;
    case cudaErrorMemoryAllocation:
        return GS_CUDA_NO_MEMORY;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
        return GS_CUDA_NO_DEVICE;
    default:
        return GS_CUDA_FAILED;
    }
}

gs_cuda_status check(gs_cuda *c, cudaError_t e)
{
    if (e == cudaSuccess)
        return GS_CUDA_OK;
    (void)cudaGetLastError(); /* it would be the next launch's, too */
    return say(c, status_of(e), cudaGetErrorString(e));
}

/* No exception leaves the library; and whatever thread calls, it is the device's now. */
template <class F> gs_cuda_status guarded(gs_cuda *c, F call)
{
    try {
        gs_cuda_status status = check(c, cudaSetDevice((int)c->number));
        return status == GS_CUDA_OK ? call() : status;
    } catch (const std::bad_alloc &) {
        return say(c, GS_CUDA_NO_MEMORY, "the host has no memory left");
    }
}

/* ---- open, close ---- */

cudaError_t open_device(gs_cuda *c)
{
    int n = 0;
    cudaDeviceProp about;
    GS_TRY(cudaGetDeviceCount(&n));
    c->n_devices = (unsigned)n;
    if (c->number >= c->n_devices)
        return cudaErrorNoDevice;
    GS_TRY(cudaSetDevice((int)c->number));
    GS_TRY(cudaGetDeviceProperties(&about, (int)c->number));
    snprintf(c->device, sizeof(c->device), "%s", about.name);
    return cudaStreamCreateWithFlags(&c->compute, cudaStreamNonBlocking);
}

cudaError_t open_all(gs_cuda *c)
{
    void *seen = NULL;
    GS_TRY(open_device(c));
    GS_TRY(gs_uploader_open(&c->up));
    for (gs_staged &s : c->staged) {
        GS_TRY(cudaEventCreateWithFlags(&s.arrived, cudaEventDisableTiming));
        GS_TRY(cudaEventCreateWithFlags(&s.counted, cudaEventDisableTiming));
    }
    GS_TRY(gs_times_open(&c->counter.times));
    GS_TRY(cudaHostAlloc(&seen, sizeof(gs_counts), cudaHostAllocDefault));
    c->counter.seen = static_cast<gs_counts *>(seen);
    return cudaSuccess;
}

gs_cuda_status engine_open(gs_cuda **out, unsigned device)
{
    gs_cuda *c = *out = new (std::nothrow) gs_cuda();
    if (!c)
        return GS_CUDA_NO_MEMORY;
    c->number = device;
    return check(c, open_all(c));
}

unsigned engine_n_devices(const gs_cuda *c)
{
    return c->n_devices;
}

void close_staged(gs_staged *s)
{
    gs_buffer_free(&s->memory);
    if (s->arrived)
        cudaEventDestroy(s->arrived);
    if (s->counted)
        cudaEventDestroy(s->counted);
}

void engine_close(gs_cuda *c)
{
    if (!c)
        return;
    cudaSetDevice((int)c->number); /* what fails here fails below */
    if (c->compute)
        cudaStreamSynchronize(c->compute);
    gs_uploader_close(&c->up);
    gs_tables_free(&c->tables);
    gs_buffer_free(&c->store.memory);
    for (gs_staged &s : c->staged)
        close_staged(&s);
    gs_buffer_free(&c->counter.rows);
    gs_times_close(&c->counter.times);
    if (c->counter.seen)
        cudaFreeHost(c->counter.seen);
    if (c->compute)
        cudaStreamDestroy(c->compute);
    delete c;
}

const char *engine_why(const gs_cuda *c)
{
    return c->why;
}

const char *engine_device(const gs_cuda *c)
{
    return c->device;
}

/* ---- a GIL ---- */

size_t bytes_per_row(bool has_shares)
{
    const uint32_t n = 1u << 20;
    return gs_window_bytes(n, 0, n / GS_BLOCK_ROWS, 0, 2 * (uint64_t)n, has_shares) / n + 1;
}

/* Half of the memory for chunks if all of them fit there; else an eighth for each of two windows.
 * Of the rest, a quarter is left to samples, to waits of other windows and to actors. */
cudaError_t share_memory(gs_cuda *c, const gs_cuda_gil *gil, gs_cuda_room *room)
{
    size_t free = 0, all = gs_chunk_store_bytes(gil->n_chunks, gil->encoded_bytes);
    gs_buffer_free(&c->store.memory);
    gs_buffer_free(&c->counter.rows);
    GS_TRY(gs_free_bytes(&free));
    size_t slot = all <= free / 2 ? 0 : free / 8 / 256 * 256, store = slot ? 2 * slot : all;
    if (store > free)
        return cudaErrorMemoryAllocation;
    GS_TRY(gs_chunk_store_begin(&c->store, gil->n_chunks, all, slot));
    room->rows = (free - store) / 4 * 3 / bytes_per_row(gil->actors.n > 0);
    room->rows = room->rows < ROWS_MAX ? room->rows : ROWS_MAX;
    room->encoded_bytes = slot ? slot : UINT64_MAX;
    return cudaSuccess;
}

gs_cuda_status engine_begin(gs_cuda *c, const gs_cuda_gil *gil, gs_cuda_room *room)
{
    return guarded(c, [=]() {
        c->next_stage = c->next_count = c->counter.n_windows = 0;
        gs_times_begin(&c->counter.times);
        cudaError_t e = gs_tables_begin(&c->tables, gil, &c->up, c->compute);
        if (e == cudaSuccess)
            e = share_memory(c, gil, room);
        return check(c, e);
    });
}

gs_cuda_status engine_stage(gs_cuda *c, const gs_cuda_window *window)
{
    return guarded(c, [=]() {
        cudaError_t e;
        unsigned k = c->next_stage++ % 2;
        const gs_laps *laps = &c->counter.times.laps[k];
        switch (gs_stage(&c->staged[k], &c->store, window, &c->up, laps, &e)) {
        case GS_CUDA_OK:
            return GS_CUDA_OK;
        case GS_CUDA_INTERNAL:
            return say(c, GS_CUDA_INTERNAL, "a chunk contradicts its header");
        case GS_CUDA_LIMIT:
            return say(c, GS_CUDA_LIMIT, "a window has more rows or numbers than can be counted");
        default:
            return check(c, e);
        }
    });
}

gs_cuda_status engine_count(gs_cuda *c)
{
    return guarded(c, [=]() {
        gs_staged *s = &c->staged[c->next_count++ % 2];
        if (!s->is_waiting)
            return say(c, GS_CUDA_INTERNAL, "no window was staged");
        s->is_waiting = false;
        cudaError_t e = gs_count_window(&c->counter, s, &c->store, &c->tables, c->compute);
        if (e == cudaSuccess)
            e = cudaEventRecord(s->counted, c->compute);
        if (e == cudaSuccess && c->counter.seen->is_damaged)
            return say(c, GS_CUDA_INTERNAL, "a chunk is damaged that was found sound");
        return check(c, e);
    });
}

/* ---- results ---- */

gs_cuda_status engine_finish(gs_cuda *c, gs_cuda_sums *out)
{
    return guarded(c, [=]() {
        cudaError_t e = gs_results_fetch(&c->results, &c->tables, &c->counter, c->compute, out);
        for (gs_laps &l : c->counter.times.laps)
            if (e == cudaSuccess)
                e = gs_times_add_steps(&c->counter.times, &l);
        if (e != cudaSuccess)
            return check(c, e);
        if (c->counter.seen->is_full)
            return say(c, GS_CUDA_LIMIT, "too many pairs of threads waited for each other");
        out->n_windows = c->counter.n_windows;
        for (int step = 0; step < GS_CUDA_STEPS; step++)
            out->step_ms[step] = c->counter.times.ms[step];
        return GS_CUDA_OK;
    });
}

/* ---- replays ---- */

gs_cuda_status engine_sweep(gs_cuda *c, const gs_cuda_sweep *sweep)
{
    return guarded(c, [=]() {
        if (!gs_sweep_is_small_enough(sweep->program))
            return say(c, GS_CUDA_LIMIT, "a program has more threads or objects than fit a launch");
        return check(c, gs_sweep_run(sweep, &c->up, c->compute));
    });
}

const gs_cuda_engine table = {GS_CUDA_ABI,  sizeof(gs_cuda_engine), GS_REPLAY_VERSION,
                              engine_open,  engine_n_devices,       engine_begin,
                              engine_stage, engine_count,           engine_finish,
                              engine_sweep, engine_close,           engine_why,
                              engine_device};
} // namespace

extern "C" __attribute__((visibility("default"))) const gs_cuda_engine *gs_cuda_engine_table(void);

const gs_cuda_engine *gs_cuda_engine_table(void)
{
    return &table;
}
