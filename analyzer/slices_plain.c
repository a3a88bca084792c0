/* SPDX-License-Identifier: MIT
 * What slices.c does to a SLICE chunk, value by value: for the reference engine, so that the quick
 * way is compared with something.
 */
#include "analyzer/columns.h"
#include "analyzer/slices.h"

static uint64_t value(const struct gs_decoder *d, enum gs_slice_column k, size_t i)
{
    return d->columns[k * d->stride + i];
}

static uint64_t seen(const struct gs_decoder *d, size_t i)
{
    uint64_t ds = value(d, GS_SLICE_WAIT_DS, i), seq = value(d, GS_SLICE_SEQ, i);
    ds = ds < UINT32_MAX ? ds : UINT32_MAX;
    return ds < seq ? ds : seq;
}

/* The header says where the chunk lies; how much its waits saw says who is told apart. */
static bool look_over(struct gs_decoder *d, const struct gs_chunk_ref *c)
{
    uint64_t min = UINT64_MAX, max = 0, sum = 0;
    for (size_t i = 0; i < d->n; i++) {
        uint64_t seq = value(d, GS_SLICE_SEQ, i);
        min = seq < min ? seq : min;
        max = seq > max ? seq : max;
        sum += value(d, GS_SLICE_FLAGS, i) & GS_SLICE_WAIT ? seen(d, i) : 0;
    }
    d->by_holder = sum <= (uint64_t)GS_STEPS_PER_ROW * d->n + GS_STEPS_OF_CHUNK;
    return min == c->hdr.seq0 && max == c->hdr.seq1;
}

bool gs_plain_decode(struct gs_decoder *d, const struct gs_chunk_ref *c)
{
    d->chunk = c;
    d->n = c->hdr.n_rows;
    if (d->n == 0 || d->n > d->stride || !gs_chunk_header(c, &d->header))
        return false;
    for (unsigned k = GS_SLICE_SEQ; k <= GS_SLICE_WAIT_STACK; k++)
        if (gs_chunk_decode_column(c->data, &d->header, k, d->columns + k * d->stride) != GS_OK)
            return false;
    return look_over(d, c);
}

static uint64_t to_ns(const struct gs_decoder *d, uint64_t ticks)
{
    return gs_clock_ns(&d->r->clock, d->chunk->hdr.clock_epoch, ticks);
}

static uint32_t actor_of(struct gs_decoder *d, uint32_t thread, uint64_t stack, bool *known)
{
    uint32_t node = gs_definitions_node(&d->r->defs, d->stacks, stack);
    *known = node != d->stacks->no_stack;
    return gs_idmap_add(&d->actors, gs_pack32(thread, node));
}

static void set_turn(struct gs_decoder *d, size_t i, struct gs_slice *s)
{
    bool is_turn = s->flags & GS_SLICE_TURN, known;
    uint64_t stack = is_turn ? value(d, GS_SLICE_HOLD_STACK, i) : GS_STACK_NONE;
    if (is_turn)
        s->rel_ns =
            to_ns(d, gs_add_sat(value(d, GS_SLICE_ACQ_NS, i), value(d, GS_SLICE_REL_NS, i)));
    s->hold_actor = actor_of(d, s->thread, stack, &known);
    if (known)
        s->flags |= GS_ROW_KNOWN_STACK;
}

static void set_wait(struct gs_decoder *d, size_t i, struct gs_slice *s)
{
    uint64_t acq = value(d, GS_SLICE_ACQ_NS, i), wait = value(d, GS_SLICE_BEGIN_NS, i);
    bool known;
    s->begin_ns = to_ns(d, acq > wait ? acq - wait : 0);
    s->wait_actor = actor_of(d, s->thread, value(d, GS_SLICE_WAIT_STACK, i), &known);
    s->ds = (uint32_t)seen(d, i);
    if (d->by_holder || s->ds <= GS_STEPS_PER_ROW)
        s->flags |= GS_ROW_BY_HOLDER;
}

bool gs_plain_slice(struct gs_decoder *d, size_t i, struct gs_slice *s)
{
    uint64_t thread = value(d, GS_SLICE_THREAD, i), acq_ns = to_ns(d, value(d, GS_SLICE_ACQ_NS, i));
    uint32_t flags =
        (uint32_t)value(d, GS_SLICE_FLAGS, i) & ~(GS_ROW_KNOWN_STACK | GS_ROW_BY_HOLDER);
    if (!(flags & (GS_SLICE_TURN | GS_SLICE_WAIT)))
        return false;
    *s = (struct gs_slice){.seq = value(d, GS_SLICE_SEQ, i),
                           .acq_ns = acq_ns,
                           .rel_ns = acq_ns,
                           .begin_ns = acq_ns,
                           .a_ns = acq_ns,
                           .flags = flags,
                           .thread = thread < UINT32_MAX ? (uint32_t)thread : UINT32_MAX};
    set_turn(d, i, s);
    if (flags & GS_SLICE_WAIT)
        set_wait(d, i, s);
    return true;
}
