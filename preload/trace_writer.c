/* SPDX-License-Identifier: MIT */
#include "preload/trace_writer.h"
#include "preload/native/hold_perf.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/gil.h"
#include "preload/governor.h"
#include "preload/hold_watch.h"
#include "preload/own_maps.h"
#include "preload/raw_sys.h"
#include "preload/ring_spill.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace_records.h"
#include "preload/trace_segments.h"

#define BATCH_ROWS   GS_CHUNK_MAX_ROWS
#define RECORD_BYTES (192u << 10)
#define OUT_BYTES    (512u << 10)

/* Rows of one kind of chunk, in the order of `keys`. From EDGE on they are not about one GIL. */
enum group {
    GROUP_SLICE,
    GROUP_HOLD_SAMPLE,
    GROUP_HOLDER_SAMPLE,
    GROUP_EDGE,
    GROUP_ALLOC,
    GROUP_FREE,
    GROUP_CUDA,
    GROUP_SYNC,
    GROUP_COUNTED,
    N_GROUPS
};

struct row {
    struct gs_slot slot;
    uint64_t seq;     /* slot.seq in full; ALLOC: id */
    uint64_t extra;   /* EDGE: wake delay; ALLOC, CUDA: bytes */
    uint64_t address; /* CUDA */
    uint64_t what;    /* CUDA */
    uint32_t thread;
};

struct sort_key {
    uint64_t key;
    uint32_t row;
};

struct gs_writer_buffers {
    struct row rows[BATCH_ROWS];
    struct sort_key keys[N_GROUPS][BATCH_ROWS];
    struct sort_key tmp[BATCH_ROWS];
    uint64_t cols[GS_CHUNK_MAX_COLS][BATCH_ROWS];
    struct gs_encode_scratch scratch;
    uint8_t records[GS_CHUNK_HDR_LEN + RECORD_BYTES + GS_CHUNK_TAIL_LEN];
    uint8_t out[OUT_BYTES];
    uint32_t n_rows, n_keys[N_GROUPS];
};

struct gs_writer gs_writer;

static void records_begin(struct gs_writer *w)
{
    gs_record_writer_init(&w->rec, w->buf->records + GS_CHUNK_HDR_LEN, RECORD_BYTES);
    w->n_records = 0;
}

bool gs_writer_init(void)
{
    struct gs_writer *w = &gs_writer;
    if (!w->buf)
        w->buf = gs_map(sizeof(*w->buf));
    if (w->buf)
        records_begin(w);
    return w->buf != NULL;
}

void gs_writer_forget(void)
{
    struct gs_writer_buffers *buf = gs_writer.buf; /* our own copy since the fork: use it again */
    memset(&gs_writer, 0, sizeof(gs_writer));
    gs_writer.buf = buf;
    gs_writer.sink.fd = -1;
    gs_segments_forget();
}

void gs_writer_file_hdr(void)
{
    struct gs_file_hdr hdr;
    struct gs_clock_triple now;
    gs_clock_sync(&now);
    gs_file_hdr_encode(&hdr, GS_FORMAT_MINOR, gs_agent.process_key, now.unix_ns,
                       gs_agent.config.on_full == GS_ON_FULL_ring ? GS_FEAT_SEGMENTS : 0);
    gs_sink_append(&gs_writer.sink, &hdr, sizeof(hdr));
}

int gs_writer_open(bool keep_open)
{
    int rc = gs_sink_create(&gs_writer.sink, gs_config_may_replace(&gs_agent.config, gs_agent.pid),
                            keep_open);
    if (rc < 0)
        return rc;
    gs_writer_file_hdr();
    return 0;
}

static struct gs_chunk_meta next_meta(struct gs_writer *w, uint32_t gil, uint32_t lost)
{
    return (struct gs_chunk_meta){.process_key = gs_agent.process_key,
                                  .gil = gil,
                                  .chunk_no = w->chunk_no++,
                                  .lost_before = lost};
}

/* ---- records ---- */

void gs_writer_flush_records(void)
{
    struct gs_writer *w = &gs_writer;
    size_t len;
    if (!w->n_records) { /* a record too large for an empty buffer must not stay in the way */
        records_begin(w);
        return;
    }
    struct gs_chunk_meta meta = next_meta(w, GS_NO_GIL, 0);
    if (gs_chunk_seal_records(&meta, w->n_records, w->buf->records, sizeof(w->buf->records),
                              w->rec.len, &len) == GS_OK)
        gs_sink_append(&w->sink, w->buf->records, len);
    records_begin(w);
}

struct gs_record_writer *gs_writer_records(size_t bytes)
{
    if (gs_writer.rec.len + bytes + 64 > RECORD_BYTES)
        gs_writer_flush_records();
    return &gs_writer.rec;
}

void gs_writer_record_done(void)
{
    if (gs_record_end(&gs_writer.rec))
        gs_writer.n_records++;
}

/* ---- rings -> rows ---- */

static enum group group_of(uint8_t kind)
{
    switch (kind) {
    case GS_SLOT_HOLD_SAMPLE:
        return GROUP_HOLD_SAMPLE;
    case GS_SLOT_HOLDER_SAMPLE:
        return GROUP_HOLDER_SAMPLE;
    case GS_SLOT_EDGE:
        return GROUP_EDGE;
    case GS_SLOT_ALLOC:
        return GROUP_ALLOC;
    case GS_SLOT_FREE:
        return GROUP_FREE;
    case GS_SLOT_CUDA:
        return GROUP_CUDA;
    case GS_SLOT_SYNC:
        return GROUP_SYNC;
    case GS_SLOT_COUNTED:
        return GROUP_COUNTED;
    default:
        return GROUP_SLICE;
    }
}

static uint64_t key_of(const struct row *r, enum group g)
{
    uint64_t gil = (uint64_t)r->slot.gil << 56;
    if (g == GROUP_SLICE) /* the WAIT of a seq before its TURN */
        return gil | (r->seq << 1 & 0xffffffffffffffu) | (r->slot.kind == GS_SLOT_TURN);
    if (g == GROUP_HOLDER_SAMPLE)
        return gil | (r->seq & 0xffffffffffffffu);
    return gil | ((r->slot.t - gs_agent.t_start) & 0xffffffffffffffu);
}

static void sum_row(struct gs_row_sums *sums, const struct gs_slot *s)
{
    if (s->kind == GS_SLOT_TURN) {
        sums->turns++;
        sums->hold += s->dur;
    } else if (s->kind == GS_SLOT_WAIT) {
        sums->waits++;
        sums->wait += s->dur;
    }
}

/* t NULL: the row names its thread. */
static void add_row(struct gs_writer_buffers *b, const struct gs_slot *s, struct gs_thread *t)
{
    struct row *r = &b->rows[b->n_rows];
    enum group g = group_of(s->kind);
    uint64_t seq_now = __atomic_load_n(&gs_gils[s->gil % GS_MAX_GILS].seq, __ATOMIC_RELAXED);
    r->slot = *s;
    r->seq = seq_now - (uint32_t)((uint32_t)seq_now - s->seq);
    bool stranger = t == GS_STRANGER;
    r->thread = stranger ? GS_NO_THREAD : t ? t->idx : 0;
    r->extra = 0;
    if (t && !stranger)
        sum_row(&t->rows, s);
    b->keys[g][b->n_keys[g]++] = (struct sort_key){key_of(r, g), b->n_rows++};
}

static void complete_cuda(struct gs_writer_buffers *b, struct row *r, const struct gs_slot *more)
{
    gs_writer.cuda_rows++;
    r->seq = more->seq | (uint64_t)more->stack << 32;
    b->keys[GROUP_CUDA][b->n_keys[GROUP_CUDA] - 1].key = r->seq;
    r->address = more->t;
    r->what = GS_CUDA_WHAT(more->a & 0xff, more->a >> 8 & 0xff, r->slot.flags, more->flags);
}

/* The second half of the row just added. */
static void complete_row(struct gs_writer_buffers *b, const struct gs_slot *more)
{
    struct row *r = &b->rows[b->n_rows - 1];
    r->extra = more->dur;
    if (more->kind == GS_SLOT_ALLOC_MORE)
        r->seq = more->t;
    else if (more->kind == GS_SLOT_CUDA_MORE)
        complete_cuda(b, r, more);
}

/* Takes what fits; false when the batch is full and slots are left. Of a row of two slots the
 * second may still be being written: the row is for the next time then. */
static bool collect_ring(struct gs_writer_buffers *b, struct gs_ring *ring, struct gs_thread *t)
{
    uint32_t tail = ring->tail, head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
    for (; tail != head && b->n_rows < BATCH_ROWS; tail++) {
        const struct gs_slot *s = &ring->slots[tail % GS_RING_SLOTS];
        if (gs_slot_is_first_half(s) && head - tail < 2)
            break;
        if (s->kind)
            add_row(b, s, t);
        if (gs_slot_is_first_half(s))
            complete_row(b, &ring->slots[++tail % GS_RING_SLOTS]);
    }
    __atomic_store_n(&ring->tail, tail, __ATOMIC_RELEASE);
    return tail == head || b->n_rows < BATCH_ROWS;
}

/* The same for rows that found their ring full. */
static bool collect_spilled(struct gs_writer_buffers *b)
{
    const struct gs_spilled *s;
    for (; b->n_rows < BATCH_ROWS && (s = gs_spill_peek(0)); gs_spill_pop(1)) {
        add_row(b, &s->slot, s->thread);
        if (gs_slot_is_first_half(&s->slot)) {
            complete_row(b, &gs_spill_peek(1)->slot);
            gs_spill_pop(1);
        }
    }
    return b->n_rows < BATCH_ROWS;
}

/* Before its tid is set a thread has no index, and no rows: asked first, or rows that come between
 * the two looks would be another thread's. */
static bool has_index(const struct gs_thread *t)
{
    return __atomic_load_n(&t->state, __ATOMIC_ACQUIRE) != GS_THREAD_FREE &&
           __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);
}

static bool collect(struct gs_writer_buffers *b)
{
    bool all;
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    b->n_rows = 0;
    memset(b->n_keys, 0, sizeof(b->n_keys));
    all = collect_ring(b, &gs_hold_watch_ring, NULL);
    for (; t; t = t->next)
        if (has_index(t))
            all &= collect_ring(b, &t->ring, t);
    return all & collect_spilled(b);
}

/* ---- order ---- */

/* Each thread's rows come in order already, so runs are long: a natural merge sort. */
static uint32_t run_end(const struct sort_key *a, uint32_t from, uint32_t n)
{
    uint32_t i = from + 1;
    while (i < n && a[i - 1].key <= a[i].key)
        i++;
    return i < n ? i : n;
}

static void merge(const struct sort_key *a, uint32_t lo, uint32_t mid, uint32_t hi,
                  struct sort_key *out)
{
    uint32_t i = lo, j = mid;
    for (uint32_t k = lo; k < hi; k++)
        out[k] = j >= hi || (i < mid && a[i].key <= a[j].key) ? a[i++] : a[j++];
}

static void sort_keys(struct sort_key *a, struct sort_key *tmp, uint32_t n)
{
    while (n > 1 && run_end(a, 0, n) < n) {
        for (uint32_t lo = 0; lo < n;) {
            uint32_t mid = run_end(a, lo, n), hi = mid < n ? run_end(a, mid, n) : n;
            merge(a, lo, mid, hi, tmp);
            lo = hi;
        }
        memcpy(a, tmp, n * sizeof(*a));
    }
}

/* ---- rows -> columns ---- */

typedef uint64_t column[BATCH_ROWS];

/* WAIT and TURN of one acquire become one row where both are here. */
static size_t fill_slices(column *c, const struct row *rows, const struct sort_key *k, size_t n)
{
    size_t out = 0;
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[k[i].row];
        bool wait = r->slot.kind == GS_SLOT_WAIT;
        bool joins = !wait && out && c[0][out - 1] == r->seq && c[3][out - 1] == GS_SLICE_WAIT;
        size_t at = joins ? out - 1 : out++;
        if (!joins) {
            c[0][at] = r->seq;
            c[1][at] = r->slot.t;
            c[2][at] = r->thread;
            c[3][at] = c[4][at] = c[5][at] = c[6][at] = c[7][at] = c[8][at] = 0;
        }
        c[3][at] |= wait ? GS_SLICE_WAIT : r->slot.flags;
        c[wait ? 6 : 4][at] = r->slot.dur;
        c[wait ? 8 : 5][at] = r->slot.stack;
        if (wait)
            c[7][at] = r->slot.a;
    }
    return out;
}

static size_t fill_hold_samples(column *c, const struct row *rows, const struct sort_key *k,
                                size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[k[i].row];
        c[0][i] = r->slot.t;
        c[1][i] = r->thread;
        c[2][i] = r->slot.dur;
        c[3][i] = r->slot.a;
        c[4][i] = r->slot.stack;
    }
    return n;
}

static size_t fill_holder_samples(column *c, const struct row *rows, const struct sort_key *k,
                                  size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[k[i].row];
        c[0][i] = r->seq;
        c[1][i] = r->slot.t;
        c[2][i] = r->slot.a;
        c[3][i] = r->slot.flags;
        c[4][i] = gs_hold_perf_stack(r->slot.gil, r->slot.seq, r->slot.t, r->slot.stack);
    }
    return n;
}

static size_t fill_edges(column *c, const struct row *rows, const struct sort_key *k, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[k[i].row];
        c[0][i] = r->slot.t;
        c[1][i] = r->slot.dur;
        c[2][i] = r->thread;
        c[3][i] = r->slot.a;
        c[4][i] = r->extra;
        c[5][i] = r->slot.stack;
        c[6][i] = r->slot.seq;
        c[7][i] = r->slot.flags;
    }
    return n;
}

static size_t fill_allocs(column *c, const struct row *rows, const struct sort_key *k, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[k[i].row];
        c[0][i] = r->slot.t;
        c[1][i] = r->seq;
        c[2][i] = r->slot.dur;
        c[3][i] = r->extra;
        c[4][i] = r->slot.a;
        c[5][i] = r->slot.flags;
        c[6][i] = r->thread;
        c[7][i] = r->slot.stack;
    }
    return n;
}

static size_t fill_frees(column *c, const struct row *rows, const struct sort_key *k, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[k[i].row];
        c[0][i] = r->slot.t;
        c[1][i] = r->slot.dur;
    }
    return n;
}

static size_t fill_cuda(column *c, const struct row *rows, const struct sort_key *k, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[k[i].row];
        c[0][i] = r->slot.t;
        c[1][i] = r->seq;
        c[2][i] = r->what;
        c[3][i] = r->thread;
        c[4][i] = r->slot.a;
        c[5][i] = r->slot.seq;
        c[6][i] = r->slot.dur;
        c[7][i] = r->extra;
        c[8][i] = r->address;
        c[9][i] = r->slot.stack;
    }
    return n;
}

static size_t fill_sync(column *c, const struct row *rows, const struct sort_key *k, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[k[i].row];
        c[0][i] = r->slot.t;
        c[1][i] = r->thread;
        c[2][i] = r->slot.flags;
        c[3][i] = r->slot.a | (uint64_t)r->slot.seq << 32;
        c[4][i] = r->slot.dur;
        c[5][i] = r->slot.stack;
    }
    return n;
}

static size_t fill_counted(column *c, const struct row *rows, const struct sort_key *k, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[k[i].row];
        c[0][i] = r->slot.t;
        c[1][i] = r->thread;
        c[2][i] = r->slot.a;
        c[3][i] = r->slot.dur;
        c[4][i] = r->slot.stack;
    }
    return n;
}

static const struct {
    uint8_t stream;
    size_t (*fill)(column *, const struct row *, const struct sort_key *, size_t);
} group_streams[N_GROUPS] = {
    [GROUP_SLICE] = {GS_STREAM_SLICE, fill_slices},
    [GROUP_HOLD_SAMPLE] = {GS_STREAM_HOLD_SAMPLE, fill_hold_samples},
    [GROUP_HOLDER_SAMPLE] = {GS_STREAM_HOLDER_SAMPLE, fill_holder_samples},
    [GROUP_EDGE] = {GS_STREAM_EDGE, fill_edges},
    [GROUP_ALLOC] = {GS_STREAM_ALLOC, fill_allocs},
    [GROUP_FREE] = {GS_STREAM_FREE, fill_frees},
    [GROUP_CUDA] = {GS_STREAM_CUDA, fill_cuda},
    [GROUP_SYNC] = {GS_STREAM_SYNC, fill_sync},
    [GROUP_COUNTED] = {GS_STREAM_COUNTED, fill_counted},
};

/* ---- columns -> chunk ---- */

void gs_writer_chunk(uint8_t stream, uint32_t gil, size_t n)
{
    struct gs_writer *w = &gs_writer;
    const uint64_t *cols[GS_CHUNK_MAX_COLS];
    size_t len;
    for (size_t i = 0; i < GS_CHUNK_MAX_COLS; i++)
        cols[i] = w->buf->cols[i];
    uint64_t lost = gs_records_lost_rows();
    struct gs_chunk_meta meta = next_meta(w, gil, (uint32_t)(lost - w->lost_written));
    w->lost_written = lost;
    if (gs_chunk_encode(stream, &meta, cols, n, &w->buf->scratch, w->buf->out, OUT_BYTES, &len) ==
        GS_OK)
        gs_sink_append(&w->sink, w->buf->out, len);
}

uint64_t *gs_writer_column(unsigned col)
{
    return gs_writer.buf->cols[col];
}

static void write_group(struct gs_writer_buffers *b, enum group g)
{
    struct sort_key *k = b->keys[g];
    uint32_t n = b->n_keys[g];
    sort_keys(k, b->tmp, n);
    for (uint32_t i = 0, j; i < n; i = j) {
        uint8_t gil = b->rows[k[i].row].slot.gil;
        for (j = i; j < n && b->rows[k[j].row].slot.gil == gil; j++)
            ;
        size_t rows = group_streams[g].fill(b->cols, b->rows, k + i, j - i);
        gs_writer_chunk(group_streams[g].stream, g >= GROUP_EDGE ? GS_NO_GIL : gil, rows);
    }
}

void gs_writer_drain(void)
{
    struct gs_writer_buffers *b = gs_writer.buf;
    uint64_t began_ns = gs_governor_work_begins();
    bool all;
    do { /* rows first, then the definitions that were complete before them */
        all = collect(b);
        gs_records_definitions();
        gs_writer_flush_records();
        for (enum group g = 0; g < N_GROUPS; g++)
            write_group(b, g);
    } while (!all);
    gs_governor_work_ends(began_ns);
}
