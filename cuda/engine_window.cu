/* SPDX-License-Identifier: MIT
 * The host asks twice how far the device has come: whether all actors found a place in their map,
 * and how many rows are left when halves are merged. Meanwhile the next window is on its way.
 *
 * Memory of a window: rows in order; then, first the rows of the file and beside them their columns
 * and, after these, the work of putting them in order; then in the same place the work of blame.
 */
#include "cuda/engine_window.cuh"

#include "cuda/order.cuh"

namespace
{
/* Numbers wider apart are sorted: a place for each would take more than sorting does. */
const uint64_t DENSE_SPAN = 2;

struct shape { /* sizes */
    uint32_t n_own, n_reaching, n_parts;
    gs_order order, reaching;
    gs_blame blame; /* the most that it can be asked for */
};
struct memory {
    gs_rows out, reaching_out, in;
    uint8_t *is_cut;
    gs_u64 *columns;
    unsigned *damaged;
    char *order_work, *blame_work;
    size_t order_bytes, blame_bytes;
};

gs_rows carve_rows(gs_carver *from, size_t n)
{
    gs_rows r;
    for (gs_u64 **wide : {&r.seq, &r.acq_ns, &r.rel_ns, &r.begin_ns, &r.a_ns})
        *wide = from->array<gs_u64>(n);
    for (uint32_t **narrow : {&r.hold_actor, &r.wait_actor, &r.ds, &r.flags, &r.thread})
        *narrow = from->array<uint32_t>(n);
    return r;
}

size_t most(size_t a, size_t b)
{
    return a < b ? b : a;
}

memory carve(const shape &s, gs_carver *from)
{
    memory m = {};
    m.out = carve_rows(from, s.n_own);
    m.reaching_out = carve_rows(from, s.n_reaching);
    m.is_cut = from->array<uint8_t>(s.n_own);
    gs_carver rows = *from, blame = *from;
    m.blame_bytes = gs_blame_work_bytes(&s.blame);
    m.blame_work = blame.array<char>(m.blame_bytes);
    m.in = carve_rows(&rows, (size_t)s.n_own + s.n_reaching);
    gs_carver columns = rows, order = rows;
    m.order_bytes =
        most(gs_order_work_bytes(&s.order), s.n_reaching ? gs_order_work_bytes(&s.reaching) : 0);
    m.order_work = order.array<char>(m.order_bytes);
    m.columns = columns.array<gs_u64>(((size_t)s.n_own + s.n_reaching) * GS_CHUNK_ROWS_COLUMNS);
    m.damaged = columns.array<unsigned>((size_t)s.n_parts * GS_CHUNK_ROWS_COLUMNS);
    from->used = most(blame.used, most(columns.used, order.used));
    return m;
}

shape shape_of(uint32_t n_own, uint32_t n_reaching, uint32_t n_parts, uint32_t n_samples,
               uint64_t span, bool has_shares)
{
    shape s = {};
    s.n_own = n_own;
    s.n_reaching = n_reaching;
    s.n_parts = n_parts;
    s.order.n_in = n_own;
    s.order.span = span;
    s.order.is_sparse = span > DENSE_SPAN * n_own;
    s.reaching.n_in = n_reaching;
    s.reaching.span = UINT64_MAX;
    s.reaching.is_sparse = true;
    s.blame.n = n_own;
    s.blame.n_reaching = n_reaching;
    s.blame.samples.n = n_samples;
    s.blame.n_shares = has_shares;
    return s;
}

/* ---- rows ---- */

gs_decoded_chunks chunk_rows_of(const gs_staged &s, const gs_tables &t, const memory &m)
{
    gs_decoded_chunks c = {};
    c.parts = s.parts;
    c.n_parts = (uint32_t)s.about.n_parts;
    c.n_rows = s.n_rows;
    c.columns = m.columns;
    c.damaged = m.damaged;
    c.is_damaged = t.is_damaged;
    c.clock = t.clock;
    c.stacks = t.stacks;
    c.stack_node = t.stack_node;
    c.no_stack = t.no_stack;
    c.steps_per_row = t.steps_per_row;
    c.steps_of_chunk = t.steps_of_chunk;
    c.actors = t.actors;
    c.rows = m.in;
    return c;
}

template <class T> cudaError_t fetch(T *to, const T *from, cudaStream_t stream)
{
    return cudaMemcpyAsync(to, from, sizeof(T), cudaMemcpyDeviceToHost, stream);
}

cudaError_t decode(const gs_staged &s, const gs_chunk_store &store, const memory &m,
                   cudaStream_t compute)
{
    unsigned n_tasks = (unsigned)s.about.n_parts * GS_CHUNK_ROWS_COLUMNS;
    GS_TRY(cudaMemsetAsync(m.damaged, 0, n_tasks * sizeof(*m.damaged), compute));
    return gs_launch_decode(reinterpret_cast<const uint8_t *>(store.memory.at), s.tasks, n_tasks,
                            m.columns, m.damaged, compute);
}

cudaError_t add_again(const gs_staged &s, const gs_tables &t, const gs_decoded_chunks &c,
                      cudaStream_t compute)
{
    GS_TRY(gs_launch_add_actors(&t.actors, gs_hold_keys(c), c.n_rows, compute));
    GS_TRY(gs_launch_add_actors(&t.actors, gs_wait_keys(c), c.n_rows, compute));
    return gs_launch_add_actors(&t.actors, s.sample_keys, s.samples.n, compute);
}

/* The map grows until all of them have a place. Then the window before is done, too. */
cudaError_t place_actors(gs_counts *seen, const gs_staged &s, gs_tables *t, gs_decoded_chunks *c,
                         cudaStream_t compute)
{
    for (;;) {
        GS_TRY(fetch(&seen->n_actors, t->actors.n, compute));
        GS_TRY(fetch(&seen->is_damaged, t->is_damaged, compute));
        GS_TRY(cudaStreamSynchronize(compute));
        if (seen->n_actors <= t->actors.cap)
            return cudaSuccess;
        GS_TRY(gs_tables_grow(t, compute));
        c->actors = t->actors;
        GS_TRY(add_again(s, *t, *c, compute));
    }
}

cudaError_t make_rows(gs_counts *seen, const gs_staged &s, gs_tables *t, const memory &m,
                      cudaStream_t compute)
{
    gs_decoded_chunks c = chunk_rows_of(s, *t, m);
    GS_TRY(gs_launch_chunk_rows(&c, compute));
    GS_TRY(gs_launch_add_actors(&t->actors, s.sample_keys, s.samples.n, compute));
    GS_TRY(place_actors(seen, s, t, &c, compute));
    GS_TRY(gs_launch_row_actors(&c, compute));
    GS_TRY(gs_launch_find_actors(&t->actors, s.sample_keys, s.samples.n, s.sample_actors, compute));
    GS_TRY(gs_launch_classify(&t->actors, &t->classes, t->n_classified, seen->n_actors, compute));
    t->n_classified = seen->n_actors;
    return cudaSuccess;
}

/* ---- order ---- */

cudaError_t order_own(const gs_staged &s, const gs_tables &t, const shape &sizes, const memory &m,
                      cudaStream_t compute)
{
    gs_order o = sizes.order;
    o.in = m.in;
    o.first_seq = s.about.first_seq;
    o.before_ns = s.about.before_ns;
    o.out = m.out;
    o.n_out = t.n_out;
    return gs_launch_order(&o, m.order_work, m.order_bytes, compute);
}

/* Each wait once; their times are those they had, see order.cuh. */
cudaError_t order_reaching(const gs_staged &s, const gs_tables &t, const shape &sizes,
                           const memory &m, cudaStream_t compute)
{
    gs_order o = sizes.reaching;
    if (o.n_in == 0)
        return cudaMemsetAsync(t.n_reaching_out, 0, sizeof(uint32_t), compute);
    o.in = gs_rows_from(m.in, sizes.n_own);
    o.first_seq = s.about.next_seq;
    o.out = m.reaching_out;
    o.n_out = t.n_reaching_out;
    return gs_launch_order(&o, m.order_work, m.order_bytes, compute);
}

cudaError_t put_in_order(gs_counts *seen, const gs_staged &s, const gs_tables &t,
                         const shape &sizes, const memory &m, cudaStream_t compute)
{
    GS_TRY(order_own(s, t, sizes, m, compute));
    GS_TRY(order_reaching(s, t, sizes, m, compute));
    GS_TRY(fetch(&seen->n_out, t.n_out, compute));
    GS_TRY(fetch(&seen->n_reaching_out, t.n_reaching_out, compute));
    return cudaStreamSynchronize(compute);
}

/* ---- sums ---- */

gs_blame blame_of(const gs_counts &seen, const gs_staged &s, const gs_tables &t, const memory &m)
{
    gs_blame b = {};
    b.rows = m.out;
    b.n = seen.n_out;
    b.samples = s.samples;
    b.shares = t.shares;
    b.n_shares = t.n_shares;
    b.is_first = s.about.is_first;
    b.next_seq = s.about.next_seq;
    b.next_a_ns = s.about.next_a_ns;
    b.reaching = m.reaching_out;
    b.n_reaching = seen.n_reaching_out;
    b.actors = t.sums;
    b.unknown_holder_ns = t.unknown_holder_ns;
    b.is_cut = m.is_cut;
    return b;
}

cudaError_t sum_rows(const gs_counts &seen, const gs_staged &s, const gs_tables &t, const memory &m,
                     gs_laps *laps, cudaStream_t compute)
{
    gs_blame b = blame_of(seen, s, t, m);
    gs_blame_left left;
    gs_group_out group = t.group;
    gs_pairs_out pairs = t.pairs;
    group.actors = t.sums;
    group.thread_class = t.classes.of_thread;
    pairs.threads.waiter_class = pairs.threads.holder_class = t.classes.of_thread;
    pairs.stacks.waiter_class = t.classes.of_waiter;
    pairs.stacks.holder_class = t.classes.of_holder;
    GS_TRY(gs_lap(laps, GS_CUDA_STEP_BLAME, compute));
    GS_TRY(gs_launch_blame(&b, m.blame_work, m.blame_bytes, &left, compute));
    GS_TRY(gs_lap(laps, GS_CUDA_STEP_PAIRS, compute));
    GS_TRY(gs_launch_pairs(&b, &left, &pairs, compute));
    GS_TRY(gs_lap(laps, GS_CUDA_STEP_GROUP, compute));
    GS_TRY(gs_launch_group(&b.rows, b.n, b.is_cut, &group, compute));
    GS_TRY(gs_lap(laps, GS_CUDA_STEP_TIMELINE, compute));
    GS_TRY(gs_launch_timeline(&b.rows, b.n, &t.bins, compute));
    GS_TRY(gs_lap(laps, GS_CUDA_STEPS, compute));
    laps->is_counted = true;
    return cudaSuccess;
}
} // namespace

size_t gs_window_bytes(uint32_t n_own, uint32_t n_reaching, uint32_t n_parts, uint32_t n_samples,
                       uint64_t span, bool has_shares)
{
    gs_carver count = {NULL, 0, 0};
    carve(shape_of(n_own, n_reaching, n_parts, n_samples, span, has_shares), &count);
    return count.used;
}

/* Memory for the window in hand. */
static cudaError_t make_room(gs_counter *c, const shape &sizes, memory *out, cudaStream_t compute)
{
    gs_carver count = {NULL, 0, 0};
    carve(sizes, &count);
    if (count.used > c->rows.bytes)
        GS_TRY(cudaStreamSynchronize(compute)); /* the window before may still use it */
    GS_TRY(gs_buffer_reserve(&c->rows, count.used));
    gs_carver real = gs_carve(c->rows);
    *out = carve(sizes, &real);
    return cudaSuccess;
}

cudaError_t gs_count_window(gs_counter *c, const gs_staged *s, const gs_chunk_store *store,
                            gs_tables *t, cudaStream_t compute)
{
    gs_laps *laps = &c->times.laps[c->n_windows % 2],
            *before = &c->times.laps[(c->n_windows + 1) % 2];
    shape sizes = shape_of(s->n_own, s->n_rows - s->n_own, (uint32_t)s->about.n_parts, s->samples.n,
                           s->about.last_seq - s->about.first_seq + 1, t->n_shares > 0);
    memory m;
    GS_TRY(make_room(c, sizes, &m, compute));
    GS_TRY(cudaStreamWaitEvent(compute, s->arrived, 0));
    GS_TRY(gs_lap(laps, GS_CUDA_STEP_DECODE, compute));
    GS_TRY(decode(*s, *store, m, compute));
    GS_TRY(gs_lap(laps, GS_CUDA_STEP_ROWS, compute));
    GS_TRY(make_rows(c->seen, *s, t, m, compute));
    GS_TRY(gs_times_add_copy(&c->times, laps));
    GS_TRY(gs_times_add_steps(&c->times, before));
    c->n_windows++;
    if (c->seen->is_damaged)
        return cudaSuccess;
    GS_TRY(gs_lap(laps, GS_CUDA_STEP_ORDER, compute));
    GS_TRY(put_in_order(c->seen, *s, *t, sizes, m, compute));
    return c->seen->n_out ? sum_rows(*c->seen, *s, *t, m, laps, compute) : cudaSuccess;
}
