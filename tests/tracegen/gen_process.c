/* SPDX-License-Identifier: MIT
 * One process from its first record to END: turns become rows, or are folded, or are lost; now and
 * then the drain thread looks around, as the agent's does.
 */
#include <stdlib.h>

#include "tests/tracegen/tracegen.h"

#define LOOK_MS      100u /* between two looks */
#define TOTALS_EVERY 10u  /* looks */
#define MEMORY_EVERY 5u
#define BURST        40u      /* rows lost at a time, on average */
#define POINT_NS     1000000u /* of uncontended holding, between two points */
#define FIRST_PID    2000u
#define UNIX_NS      INT64_C(1790000000000000000)

static const uint32_t pythons[] = {0x030c0bf0, 0x030d02f0, 0x030b09f0, 0x030a0ef0, 0x030914f0};

/* ---- the first records ---- */

static void put_process(struct gen_process *p)
{
    struct gen_chunks *c = &p->chunks;
    bool first = p->index == 0;
    gs_record_begin(&c->w, GS_RECORD_PROCESS);
    gs_record_put_u(&c->w, p->pid);
    gs_record_put_u(&c->w, first ? 1 : FIRST_PID);
    gs_record_put_z(&c->w, UNIX_NS + (int64_t)(gen_ns(&p->clock, p->start) - p->clock.ns0));
    gs_record_put_u(&c->w, p->start);
    gs_record_put_u(&c->w, p->stacks.python_hex);
    gs_record_put_u(&c->w, 0);
    gen_put_text(c, "/usr/bin/python3");
    gs_record_put_u(&c->w, 2);
    gen_put_text(c, "python3");
    gen_put_text(c, first ? "/srv/job/train.py" : "/srv/job/worker.py");
    gen_put_text(c, "tracegen");
    gen_put_text(c, "0.1.0");
    gs_record_put_u(&c->w, p->o->level);
    gs_record_put_u(&c->w, 16);
    gs_record_put_u(&c->w, p->o->ns_clock);
    gs_record_put_u(&c->w, 2);
    gen_put_text(c, p->o->level == 1 ? "level=1" : "level=2");
    gen_put_text(c, p->o->ns_clock ? "tick_hz=1000000000" : "tick_hz=2500000000");
    gen_record_end(c);
}

/* On the line: at the last tick before t that is a whole number of ns. */
static void put_clock(struct gen_process *p, uint64_t t)
{
    const struct gen_clock *k = &p->clock;
    uint64_t steps = (t - k->ticks0) / k->den;
    gs_record_begin(&p->chunks.w, GS_RECORD_CLOCK);
    gs_record_put_u(&p->chunks.w, k->ticks0 + steps * k->den);
    gs_record_put_u(&p->chunks.w, k->ns0 + steps * k->num);
    gs_record_put_z(&p->chunks.w, UNIX_NS + (int64_t)(steps * k->num));
    gen_record_end(&p->chunks);
}

static void put_thread(struct gen_process *p, uint32_t thread)
{
    struct gen_chunks *c = &p->chunks;
    char name[48];
    gs_record_begin(&c->w, GS_RECORD_THREAD);
    gs_record_put_u(&c->w, thread);
    gs_record_put_u(&c->w, p->pid + 100000 + thread);
    gs_record_put_u(&c->w, p->start + thread);
    snprintf(name, sizeof(name), "python3-%u", thread);
    gen_put_text(c, name);
    snprintf(name, sizeof(name), "ThreadPoolExecutor-0_%u", thread);
    gen_put_text(c, thread ? name : "MainThread");
    gen_record_end(c);
}

/* Chunk 0 is never damaged: with two clock records the times are known. */
static void begin(struct gen_process *p)
{
    struct gen_chunks *c = &p->chunks;
    struct gs_file_hdr hdr;
    gs_file_hdr_encode(&hdr, GS_FORMAT_MINOR, p->key, UNIX_NS, 0);
    gen_sink_write(c->sink, &hdr, sizeof(hdr));
    put_process(p);
    put_clock(p, p->clock.ticks0);
    put_clock(p, p->start);
    gs_record_begin(&c->w, GS_RECORD_GIL);
    gs_record_put_u(&c->w, 0);
    gs_record_put_z(&c->w, 0);
    gs_record_put_u(&c->w, p->start);
    gen_record_end(c);
    gen_records_flush(c);
    for (uint32_t i = 0; i < p->o->threads; i++)
        put_thread(p, i);
    if (p->o->with_mem)
        p->memory = gen_memory_open(p);
    if (p->o->with_cuda)
        p->cuda = gen_cuda_open(p, p->start);
    gen_gil_open(&p->gil, p, gen_next(&p->rng), p->start);
    p->begun = true;
}

struct gen_process *gen_process_open(const struct gen_options *o, uint32_t index)
{
    struct gen_process *p = gen_alloc(1, sizeof(*p));
    p->o = o;
    p->index = index;
    p->pid = FIRST_PID + index;
    p->seed = gen_mix(o->seed, index, 0);
    p->key = gen_mix(o->seed, index, 1) | 1;
    p->rng.state = gen_mix(p->seed, 2, 0);
    p->clock = o->ns_clock ? (struct gen_clock){7000000000, 7000000000, 1, 1}
                           : (struct gen_clock){5000000000000, 2000000000000, 2, 5};
    p->start = p->clock.ticks0 + gen_ticks(&p->clock, 2000000 + 3000000 * (uint64_t)index);
    p->turns_left = o->slices / o->processes + (index < o->slices % o->processes);
    p->next_look = p->start + gen_ticks(&p->clock, LOOK_MS * UINT64_C(1000000));
    p->hold_left = gen_ticks(&p->clock, POINT_NS);
    gen_chunks_open(&p->chunks, o, p->key);
    gen_stacks_open(&p->stacks, p->seed, o->stacks,
                    pythons[index % (sizeof(pythons) / sizeof(*pythons))]);
    if (o->truth)
        p->chunks.truth = gen_truth_open(p);
    return p;
}

void gen_process_close(struct gen_process *p)
{
    if (p->begun)
        gen_gil_close(&p->gil);
    gen_memory_close(p->memory);
    gen_cuda_close(p->cuda);
    gen_stacks_close(&p->stacks);
    gen_chunks_close(&p->chunks);
    gen_truth_close(p->chunks.truth);
    free(p);
}

/* ---- a turn ---- */

static void sample_fold(struct gen_process *p, const struct gen_turn *t)
{
    uint64_t points = 0, left = t->hold;
    for (; p->hold_left <= left; points++) {
        left -= p->hold_left;
        p->hold_left = 1 + gen_draw_exponential(&p->rng, gen_ticks(&p->clock, POINT_NS));
    }
    p->hold_left -= left;
    if (points)
        GEN_ROW(&p->chunks, GS_STREAM_HOLD_SAMPLE, t->acq + t->hold, t->thread, t->hold, points,
                t->hold_stack);
}

static void fold(struct gen_process *p, const struct gen_turn *t)
{
    struct gen_thread *w = &p->gil.threads[t->thread];
    w->folded_n++;
    w->folded_hold += t->hold;
    w->fold_hist[63 - __builtin_clzll(t->hold | 1)]++;
    sample_fold(p, t);
}

/* A full ring drops rows in a row: most of them whole, some by halves. */
static void lose(struct gen_process *p, struct gen_turn *t)
{
    struct gen_thread *w = &p->gil.threads[t->thread];
    uint32_t halves = gen_below(&p->rng, 8);
    if (halves != 0) {
        w->lost_n++;
        w->lost_hold += t->hold;
        t->flags &= GS_SLICE_WAIT;
        t->hold = t->hold_stack = 0;
    }
    if (halves != 1 && (t->flags & GS_SLICE_WAIT)) {
        w->lost_wait_n++;
        w->lost_wait += t->wait;
        t->flags &= ~(uint32_t)GS_SLICE_WAIT;
        t->wait = t->wait_ds = t->wait_stack = 0;
    }
    p->lost_slots++;
    p->chunks.lost_rows++;
}

static bool is_losing(struct gen_process *p)
{
    if (p->losing > 0) {
        p->losing--;
        return true;
    }
    /* A burst begins so often that PERMILLE of all rows go; with 1000 they all do. */
    uint32_t x = gen_below(&p->rng, 1000 * BURST);
    if (x >= p->o->losses * (p->o->losses == 1000 ? BURST : 1))
        return false;
    p->losing = gen_below(&p->rng, 2 * BURST);
    return true;
}

static void write_turn(struct gen_process *p, struct gen_turn *t)
{
    if (p->o->losses && is_losing(p))
        lose(p, t);
    if (t->flags & (GS_SLICE_TURN | GS_SLICE_WAIT))
        GEN_ROW(&p->chunks, GS_STREAM_SLICE, t->seq, t->acq, t->thread, t->flags, t->hold,
                t->hold_stack, t->wait, t->wait_ds, t->wait_stack);
}

static void wake_by_other(struct gen_process *p, const struct gen_turn *t)
{
    struct gen_rng *r = &p->rng;
    uint32_t other = gen_below(r, p->o->threads + 1);
    uint64_t delay = 1 + gen_below(r, 90000), blocked = delay + gen_below(r, 900000);
    uint32_t role = p->gil.threads[t->thread].role;
    bool known = other < p->o->threads && other != t->thread;
    uint32_t stack = known ? gen_draw_stack(&p->stacks, &p->chunks, r, role) : GS_STACK_NONE;
    GEN_ROW(&p->chunks, GS_STREAM_EDGE, t->acq, blocked, t->thread,
            known ? other : GS_EDGE_NO_WAKER, known ? delay : 0, t->hold_stack, stack,
            gen_below(r, 20) == 0);
}

/* What else the thread does in its turn, seldom enough to cost little. */
static void do_more(struct gen_process *p, const struct gen_turn *t)
{
    uint64_t chance = gen_next(&p->rng);
    if (chance % 256 == 0)
        wake_by_other(p, t);
    if (p->memory && (chance >> 8) % 64 == 0)
        gen_memory_alloc(p->memory, t);
    if (p->cuda && (chance >> 16) % 128 == 0)
        gen_cuda_call(p->cuda, t);
}

/* ---- what the drain thread writes ---- */

static void put_sched(struct gen_process *p, uint64_t t)
{
    for (uint32_t i = 0; i < p->o->threads; i++) {
        const struct gen_thread *w = &p->gil.threads[i];
        GEN_ROW(&p->chunks, GS_STREAM_SCHED, t, i,
                gen_duration_ns(&p->clock, w->hold + w->off / 16),
                gen_duration_ns(&p->clock, w->wait / 32));
    }
}

static void put_totals_of(struct gen_process *p, uint32_t thread, uint64_t t)
{
    struct gen_thread *w = &p->gil.threads[thread];
    uint64_t open_kind = w->waiting ? 2 : 0, since = w->waiting ? w->since : 0;
    if (p->chunks.truth)
        gen_truth_totals(p->chunks.truth, thread, (uint32_t)open_kind, since);
    GEN_RECORD(&p->chunks, GS_RECORD_TOTALS, thread, 0, t, w->acquisitions, w->acquisitions,
               w->contended, w->forced, w->folded_n, w->folded_hold, w->lost_n, w->lost_hold,
               w->lost_wait_n, w->lost_wait, open_kind, since, w->waiting ? w->stack : 0);
}

static void put_fold_hist(struct gen_process *p, uint32_t thread)
{
    struct gs_record_writer *w = &p->chunks.w;
    const uint64_t *hist = p->gil.threads[thread].fold_hist;
    unsigned n = 0;
    for (unsigned i = 0; i < 64; i++)
        n += hist[i] != 0;
    gs_record_begin(w, GS_RECORD_FOLD_HIST);
    gs_record_put_u(w, thread);
    gs_record_put_u(w, 0);
    gs_record_put_u(w, n);
    for (unsigned i = 0; i < 64; i++) {
        if (hist[i]) {
            gs_record_put_u(w, i);
            gs_record_put_u(w, hist[i]);
        }
    }
    gen_record_end(&p->chunks);
}

static void put_totals(struct gen_process *p, uint64_t t)
{
    uint64_t hold = 0;
    for (uint32_t i = 0; i < p->o->threads; i++) {
        hold += p->gil.threads[i].hold;
        put_totals_of(p, i, t);
        if (p->o->level == 1)
            put_fold_hist(p, i);
    }
    uint64_t cpu_ns = gen_duration_ns(&p->clock, hold), hooks_ns = 60 * p->gil.seq;
    GEN_RECORD(&p->chunks, GS_RECORD_OVERHEAD, t, hooks_ns, hooks_ns / 3, 14 * p->gil.seq,
               cpu_ns + hooks_ns);
    GEN_RECORD(&p->chunks, GS_RECORD_LOST, t, p->lost_slots, 0, 0, 0);
    put_clock(p, t);
}

static void look(struct gen_process *p, uint64_t t)
{
    uint64_t period = gen_ticks(&p->clock, LOOK_MS * UINT64_C(1000000));
    /* A thread costs a row each time: thousands of them are looked at less often. */
    p->next_look = t + period * (1 + p->o->threads / 256);
    put_sched(p, t);
    if (p->memory && p->n_looks % MEMORY_EVERY == 0)
        gen_memory_look(p->memory, t, false);
    if (p->n_looks % TOTALS_EVERY == 0) {
        put_totals(p, t);
        if (p->cuda)
            gen_cuda_state(p->cuda, t);
        gen_records_flush(&p->chunks);
    }
    p->n_looks++;
}

/* ---- the end ---- */

static void put_forks(struct gen_process *p, uint64_t t)
{
    for (uint32_t i = 1; p->index == 0 && i < p->o->processes && i <= 8; i++) {
        gs_record_begin(&p->chunks.w, GS_RECORD_EVENT);
        gs_record_put_u(&p->chunks.w, t);
        gs_record_put_u(&p->chunks.w, GS_EVENT_FORK);
        gs_record_put_u(&p->chunks.w, FIRST_PID + i);
        gen_put_text(&p->chunks, "");
        gen_record_end(&p->chunks);
    }
}

static void end(struct gen_process *p)
{
    uint64_t t = p->gil.free_at + p->gil.ms;
    if (p->cuda && t < gen_cuda_end(p->cuda))
        t = gen_cuda_end(p->cuda);
    put_sched(p, t);
    if (p->memory)
        gen_memory_look(p->memory, t, true);
    if (p->cuda)
        gen_cuda_state(p->cuda, t);
    for (uint8_t stream = GS_STREAM_SLICE; stream <= GS_STREAM_CUDA; stream++)
        gen_chunks_flush(&p->chunks, stream);
    put_totals(p, t);
    put_forks(p, t);
    for (uint32_t i = 1; i < p->o->threads; i++)
        if (!p->gil.threads[i].waiting)
            GEN_RECORD(&p->chunks, GS_RECORD_THREAD_END, i, t);
    GEN_RECORD(&p->chunks, GS_RECORD_END, t, GS_EVENT_EXIT);
    gen_records_flush(&p->chunks);
    if (p->chunks.truth)
        gen_truth_end(p->chunks.truth, t);
}

bool gen_process_step(struct gen_process *p, struct gen_sink *sink)
{
    struct gen_turn t;
    p->chunks.sink = sink;
    if (!p->begun)
        begin(p);
    for (uint32_t n = GS_CHUNK_MAX_ROWS; n > 0 && p->turns_left > 0; n--, p->turns_left--) {
        gen_gil_turn(&p->gil, &t);
        do_more(p, &t);
        if (p->o->level == 1 && !(t.flags & (GS_SLICE_WAIT | GS_SLICE_WAITED_FOR)))
            fold(p, &t);
        else
            write_turn(p, &t);
        if (p->gil.free_at >= p->next_look)
            look(p, p->gil.free_at);
    }
    if (p->turns_left > 0)
        return true;
    end(p);
    return false;
}
