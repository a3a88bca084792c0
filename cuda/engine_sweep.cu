/* SPDX-License-Identifier: MIT */
#include "cuda/engine_sweep.cuh"

#include <vector>

namespace
{
/* Of each replay in a launch: some tenths of a second, if an operation takes some microseconds. */
const uint64_t SLICE_OPS = 1u << 16;
const uint32_t AT_ONCE_MAX = 1u << 16;

/* ---- the program ---- */

struct device_program {
    gs_buffer memory;
    gs_program *at;
    gs_program fields; /* with the device's pointers */
    uint32_t *ring_at;
    uint32_t n_puts;
};

/* Names stay at home. */
std::vector<gs_object> nameless(const gs_program &p)
{
    std::vector<gs_object> objects(p.objects, p.objects + p.n_objects);
    for (gs_object &o : objects)
        o.name = NULL;
    return objects;
}

void carve_program(device_program *d, gs_carver *from)
{
    d->fields.ops = from->array<gs_op>(d->fields.n_ops);
    d->fields.objects = from->array<gs_object>(d->fields.n_objects);
    d->fields.tasks = from->array<gs_task>(d->fields.n_tasks);
    d->fields.threads = from->array<struct gs_program_thread>(d->fields.n_threads);
    d->ring_at = from->array<uint32_t>(d->fields.n_objects);
    d->at = from->array<gs_program>(1);
}

cudaError_t upload_program(device_program *d, const gs_program &p, gs_uploader *up)
{
    gs_carver counted = {NULL, 0, 0};
    std::vector<gs_object> objects = nameless(p);
    std::vector<uint32_t> ring_at(p.n_objects + 1);
    d->fields = p;
    d->n_puts = gs__replay_rings(&p, ring_at.data());
    carve_program(d, &counted);
    GS_TRY(gs_buffer_reserve(&d->memory, counted.used));
    gs_carver from = gs_carve(d->memory);
    carve_program(d, &from);
    GS_TRY(gs_upload_array(up, d->fields.ops, p.ops, p.n_ops));
    GS_TRY(gs_upload_array(up, d->fields.objects, objects.data(), p.n_objects));
    GS_TRY(gs_upload_array(up, d->fields.tasks, p.tasks, p.n_tasks));
    GS_TRY(gs_upload_array(up, d->fields.threads, p.threads, p.n_threads));
    GS_TRY(gs_upload_array(up, d->ring_at, ring_at.data(), p.n_objects));
    return gs_upload_array(up, d->at, &d->fields, 1);
}

/* ---- as many replays as there is room for ---- */

struct batch {
    gs_buffer memory;
    uint32_t n;
    size_t stride; /* bytes of a replay's arrays */
    gs_replay *replays;
    gs_replay_params *params;
    uint64_t *rates; /* of each replay: rate, then inverse */
    struct gs_replay_object *totals;
    char *arrays;
    uint32_t *n_left;
    uint32_t *n_left_seen; /* pinned */
    std::vector<gs_replay> host;
};

size_t rates_of(const gs_program &p)
{
    return p.n_threads + 1;
}

void carve_batch(batch *b, const gs_program &p, gs_carver *from)
{
    b->replays = from->array<gs_replay>(b->n);
    b->params = from->array<gs_replay_params>(b->n);
    b->rates = from->array<uint64_t>(b->n * 2 * rates_of(p));
    b->totals = from->array<gs_replay_object>(b->n * p.n_objects);
    b->n_left = from->array<uint32_t>(1);
    b->arrays = from->array<char>(b->n * b->stride);
}

size_t bytes_of(batch *b, const gs_program &p, uint32_t n)
{
    gs_carver counted = {NULL, 0, 0};
    b->n = n;
    carve_batch(b, p, &counted);
    return counted.used;
}

/* The most that fit, of n; none: there is no memory. */
cudaError_t reserve_batch(batch *b, const device_program &d, size_t n)
{
    size_t free = 0;
    gs_replay r = {};
    r.p = &d.fields;
    b->stride = (gs__replay_lay_out(&r, d.n_puts, NULL) + 255) / 256 * 256;
    GS_TRY(gs_free_bytes(&free));
    size_t each = bytes_of(b, d.fields, 1);
    size_t room = free / each;
    room = room < n ? room : n;
    if (room == 0)
        return cudaErrorMemoryAllocation;
    room = room < AT_ONCE_MAX ? room : AT_ONCE_MAX;
    GS_TRY(gs_buffer_reserve(&b->memory, bytes_of(b, d.fields, (uint32_t)room)));
    gs_carver from = gs_carve(b->memory);
    carve_batch(b, d.fields, &from);
    void *seen = NULL;
    GS_TRY(cudaHostAlloc(&seen, sizeof(*b->n_left_seen), cudaHostAllocDefault));
    b->n_left_seen = static_cast<uint32_t *>(seen);
    return cudaSuccess;
}

void free_batch(batch *b)
{
    gs_buffer_free(&b->memory);
    if (b->n_left_seen)
        cudaFreeHost(b->n_left_seen);
}

gs_replay replay_at(const batch &b, const device_program &d, uint32_t i)
{
    gs_replay r = {};
    uint64_t *rates = b.rates + 2 * i * rates_of(d.fields);
    r.p = &d.fields;
    gs__replay_lay_out(&r, d.n_puts, b.arrays + i * b.stride);
    r.p = d.at;
    r.params = b.params + i;
    r.ring_at = d.ring_at;
    r.rate = rates;
    r.inverse = rates + rates_of(d.fields);
    r.totals = b.totals + i * d.fields.n_objects;
    return r;
}

cudaError_t upload_rates(const batch &b, const device_program &d, const gs_replay_params *params,
                         uint32_t n, gs_uploader *up)
{
    size_t n_rates = rates_of(d.fields);
    std::vector<uint64_t> rates(2 * n_rates);
    for (uint32_t i = 0; i < n; i++) {
        gs__replay_rates(&params[i].machine, d.fields.n_threads, rates.data(),
                         rates.data() + n_rates);
        GS_TRY(gs_upload_array(up, b.rates + 2 * i * n_rates, rates.data(), rates.size()));
    }
    return cudaSuccess;
}

cudaError_t upload_batch(batch *b, const device_program &d, const gs_replay_params *params,
                         uint32_t n, gs_uploader *up)
{
    b->host.resize(n);
    for (uint32_t i = 0; i < n; i++)
        b->host[i] = replay_at(*b, d, i);
    GS_TRY(gs_upload_array(up, b->replays, b->host.data(), n));
    GS_TRY(gs_upload_array(up, b->params, params, n));
    GS_TRY(upload_rates(*b, d, params, n, up));
    GS_TRY(gs_upload_flush(up));
    return cudaStreamSynchronize(up->stream);
}

/* ---- one batch ---- */

cudaError_t replay_batch(const batch &b, uint32_t n, cudaStream_t compute)
{
    GS_TRY(cudaMemsetAsync(b.arrays, 0, n * b.stride, compute));
    GS_TRY(gs_launch_replay_reset(b.replays, n, compute));
    do {
        GS_TRY(cudaMemsetAsync(b.n_left, 0, sizeof(*b.n_left), compute));
        GS_TRY(gs_launch_replay_slice(b.replays, n, SLICE_OPS, b.n_left, compute));
        GS_TRY(cudaMemcpyAsync(b.n_left_seen, b.n_left, sizeof(*b.n_left), cudaMemcpyDeviceToHost,
                               compute));
        GS_TRY(cudaStreamSynchronize(compute));
    } while (*b.n_left_seen > 0);
    return cudaSuccess;
}

cudaError_t fetch_batch(batch *b, const gs_cuda_sweep &s, size_t first, uint32_t n,
                        cudaStream_t compute)
{
    size_t n_objects = s.program->n_objects;
    gs_replay_object *objects = s.objects ? s.objects + first * n_objects : NULL;
    GS_TRY(cudaMemcpyAsync(b->host.data(), b->replays, n * sizeof(*b->replays),
                           cudaMemcpyDeviceToHost, compute));
    if (objects && n_objects)
        GS_TRY(cudaMemcpyAsync(objects, b->totals, n * n_objects * sizeof(*objects),
                               cudaMemcpyDeviceToHost, compute));
    GS_TRY(cudaStreamSynchronize(compute));
    for (uint32_t i = 0; i < n; i++) {
        s.results[first + i] = b->host[i].out;
        s.results[first + i].objects = objects ? objects + i * n_objects : NULL;
    }
    return cudaSuccess;
}

cudaError_t run(const gs_cuda_sweep &s, device_program *d, batch *b, gs_uploader *up,
                cudaStream_t compute)
{
    GS_TRY(upload_program(d, *s.program, up));
    GS_TRY(reserve_batch(b, *d, s.n));
    for (size_t first = 0; first < s.n; first += b->n) {
        uint32_t n = s.n - first < b->n ? (uint32_t)(s.n - first) : b->n;
        GS_TRY(upload_batch(b, *d, s.params + first, n, up));
        GS_TRY(replay_batch(*b, n, compute));
        GS_TRY(fetch_batch(b, s, first, n, compute));
    }
    return cudaSuccess;
}
} // namespace

cudaError_t gs_sweep_run(const struct gs_cuda_sweep *sweep, gs_uploader *up, cudaStream_t compute)
{
    device_program d = {};
    batch b = {};
    cudaError_t e = run(*sweep, &d, &b, up, compute);
    free_batch(&b);
    gs_buffer_free(&d.memory);
    return e;
}
