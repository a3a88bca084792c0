/* SPDX-License-Identifier: MIT */
#include "tests/golden/golden_records.h"

#include <string.h>

static uint64_t rng;
static uint64_t cols[GS_CHUNK_MAX_COLS][GS_CHUNK_MAX_ROWS];
static struct gs_encode_scratch scratch;

static uint64_t next_random(void)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return rng >> 33;
}

void put_file_hdr(struct capture *c, uint64_t key)
{
    struct gs_file_hdr hdr;

    gs_file_hdr_encode(&hdr, 0, key, 1790000000123456789, 0);
    memcpy(c->data + c->len, &hdr, sizeof(hdr));
    c->len += sizeof(hdr);
    c->key = key;
    c->chunk_no = 0;
}

/* ---- rows ---- */

static size_t put_cols(struct capture *c, uint8_t stream, size_t n)
{
    struct gs_chunk_meta meta = next_meta(c, stream < GS_STREAM_EDGE ? 0 : GS_NO_GIL);
    const uint64_t *ptr[GS_CHUNK_MAX_COLS];
    size_t off = c->len, len = 0;

    for (unsigned i = 0; i < GS_CHUNK_MAX_COLS; i++)
        ptr[i] = cols[i];
    gs_chunk_encode(stream, &meta, ptr, n, &scratch, c->data + off, sizeof(c->data) - off, &len);
    c->len += len;
    return off;
}

/* The same of n rows of n_cols values, one after another. */
static void put_table(struct capture *c, uint8_t stream, const uint64_t *rows, size_t n,
                      size_t n_cols)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_cols; k++)
            cols[k][i] = rows[i * n_cols + k];
    put_cols(c, stream, n);
}

static uint64_t plausible(const struct gs_column_desc *d, size_t i)
{
    uint64_t limit = next_random() % 50 ? 800 : 90000;
    uint64_t any = next_random();

    if (!strcmp(d->name, "seq"))
        return 100 + i;
    if (d->kind == GS_COL_DELTA)
        return 5000000 + 900 * i + any % 700;
    if (d->kind == GS_COL_STACK)
        return any % 3 ? any % 10 : GS_STACK_NONE;
    if (!strcmp(d->name, "thread") || !strcmp(d->name, "wakee") || !strcmp(d->name, "waker"))
        return any % 3;
    if (!strcmp(d->name, "flags"))
        return any % 4 ? GS_SLICE_TURN | GS_SLICE_WAIT : GS_SLICE_TURN;
    if (!strcmp(d->name, "kind") || !strcmp(d->name, "weight") || !strcmp(d->name, "wait_ds"))
        return 1 + any % 3;
    return any % limit;
}

/* The columns of the half that a row does not have are 0. */
static void clear_missing_waits(size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(cols[3][i] & GS_SLICE_WAIT))
            cols[6][i] = cols[7][i] = cols[8][i] = 0;
}

size_t put_rows(struct capture *c, uint8_t stream, size_t n)
{
    const struct gs_stream_desc *desc = gs_stream_desc(stream);

    rng = 1000u * stream + c->chunk_no;
    for (unsigned k = 0; k < desc->n_cols; k++)
        for (size_t i = 0; i < n; i++)
            cols[k][i] = plausible(&desc->cols[k], i);
    if (stream == GS_STREAM_SLICE)
        clear_missing_waits(n);
    return put_cols(c, stream, n);
}

static uint64_t adversarial(const struct gs_column_desc *d, unsigned col, size_t i)
{
    uint64_t wide = next_random() << 33;
    unsigned block = (unsigned)(i / GS_BLOCK_ROWS);

    wide ^= next_random() << 11; /* one draw a statement: the order is part of the file */
    wide ^= next_random();
    if (d->kind == GS_COL_STACK)
        return i % 7 ? UINT32_MAX - i / 3 : GS_STACK_NONE;
    if (block % 2 == 0)
        return col % 3 == 0 ? UINT64_MAX - 10 + i
                            : wide >> (8 + 9 * col) % 60; /* DELTA; FOR > 32 */
    return col % 2 ? wide : 77;                           /* RAW; CONST */
}

size_t put_adversarial_rows(struct capture *c, uint8_t stream, size_t n)
{
    const struct gs_stream_desc *desc = gs_stream_desc(stream);

    rng = 2000u * stream + c->chunk_no;
    for (unsigned k = 0; k < desc->n_cols; k++)
        for (size_t i = 0; i < n; i++)
            cols[k][i] = adversarial(&desc->cols[k], k, i);
    return put_cols(c, stream, n);
}

/* ---- records ---- */

static void put_process(struct gs_record_writer *w)
{
    RECORD(w, GS_RECORD_PROCESS, U(4242), U(1), Z(1790000000000000000), U(4000000), U(0x030d02f0),
           U(0), S("/usr/bin/python3.13"), U(3), S("python3"), S("job.py"), S("--näme=\xff"),
           S("host-1"), S("0.1.0"), U(1), U(8), U(0), U(2), S("level=1"), S("tick_hz=2600000000"));
}

size_t put_definitions(struct capture *c)
{
    struct gs_record_writer w;

    begin_chunk(c, &w);
    put_process(&w);
    RECORD(&w, GS_RECORD_CLOCK, U(4000000), U(1000000000), Z(1790000000000000000));
    RECORD(&w, GS_RECORD_CLOCK, U(2604000000), U(2000000000), Z(1790000001000000000));
    RECORD(&w, GS_RECORD_THREAD, U(0), U(4242), U(4000000), S("python3"), S("MainThread"));
    RECORD(&w, GS_RECORD_THREAD, U(1), U(4243), U(5000000), S("worker"), S(""));
    RECORD(&w, GS_RECORD_GIL, U(0), Z(0), U(4000001));
    RECORD(&w, GS_RECORD_CODE, U(1), S("/srv/job.py"), S("main"), Z(10), U(3), S("\x80\x01\x02"));
    RECORD(&w, GS_RECORD_STACK, U(1), U(0), U(2), U(1), U(12), U(1), U(40));
    return end_chunk(c, &w);
}

size_t put_end(struct capture *c)
{
    struct gs_record_writer w;

    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_TOTALS, U(0), U(0), U(9000000), U(500), U(500), U(20), U(3), U(400),
           U(77777), U(1), U(50), U(0), U(0), U(0), U(0), U(0));
    RECORD(&w, GS_RECORD_END, U(9000001), U(GS_EVENT_EXIT));
    return end_chunk(c, &w);
}

/* Every tag, then all that a reader must put up with. */
void make_all_records(struct capture *c)
{
    struct gs_record_writer w;

    put_file_hdr(c, KEY_A);
    put_definitions(c);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_THREAD_END, U(1), U(8000000));
    RECORD(&w, GS_RECORD_LEVEL, U(8000001), U(1), U(0), S("governor: 1.3 % of the CPU"));
    RECORD(&w, GS_RECORD_TOTALS, U(1), U(0), U(UINT64_MAX), U(1), U(2), U(3), U(4), U(5), U(6),
           U(7), U(8), U(9), U(10), U(2), U(12), U(13));
    RECORD(&w, GS_RECORD_FOLD_HIST, U(0), U(0), U(3), U(0), U(1), U(10), U(200), U(63), U(3));
    RECORD(&w, GS_RECORD_EVENT, U(8000002), U(GS_EVENT_FORK), U(4244), S(""));
    RECORD(&w, GS_RECORD_OVERHEAD, U(8000003), U(1), U(2), U(3), U(1ull << 40));
    RECORD(&w, GS_RECORD_LOST, U(8000004), U(0), U(1), U(127), U(128));
    RECORD(&w, GS_RECORD_GIL, U(1), Z(-1), U(0));
    RECORD(&w, GS_RECORD_CODE, U(2), S("<string>"),
           S("\xed\xa0\x80 \xc3\xa9 \xf0\x9f\x90\x8d \xe2\x82"), Z(-1), U(0), S(""));
    end_chunk(c, &w);
    begin_chunk(c, &w);
    RECORD(&w, 99, U(1), S("from the future"));
    RECORD(&w, UINT32_MAX, U(0));
    RECORD(&w, GS_RECORD_END, U(1), U(1), S("a later minor adds this"));
    RECORD(&w, GS_RECORD_THREAD, U(7));                                       /* fields missing */
    RECORD(&w, GS_RECORD_STACK, U(5), U(1), U(UINT64_MAX), U(1), U(2), U(3)); /* count too great */
    RECORD(&w, GS_RECORD_LEVEL, U(1), U(2), U(3), U(90), U(65)); /* text past the end */
    RECORD(&w, GS_RECORD_CLOCK, U(UINT64_MAX), U(0), Z(INT64_MIN));
    end_chunk(c, &w);
    put_end(c);
}

/* The file header of one more file of the same recording. */
static void put_segment_hdr(struct capture *c)
{
    struct gs_file_hdr hdr;

    gs_file_hdr_encode(&hdr, 1, c->key, 1790000000123456789, GS_FEAT_SEGMENTS);
    memcpy(c->data + c->len, &hdr, sizeof(hdr));
    c->len += sizeof(hdr);
}

/* Three files after one another; the rows of the second are said to be deleted. */
void make_segments(struct capture *c)
{
    struct gs_record_writer w;

    c->key = KEY_A;
    put_segment_hdr(c);
    put_definitions(c);
    put_segment_hdr(c);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_SEGMENT, U(5000000), U(1), U(1), U(1), U(5000000));
    end_chunk(c, &w);
    put_rows(c, GS_STREAM_SLICE, 5);
    put_segment_hdr(c);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_ENDED, U(0), U(3), U(40), U(40), U(4), U(1), U(30), U(9000), U(1), U(70),
           U(0), U(0), U(9), U(800), U(4), U(600), U(2), U(6), U(10), U(9), U(20));
    RECORD(&w, GS_RECORD_SEGMENT, U(5001000), U(2), U(2), U(3), U(5001000));
    end_chunk(c, &w);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_BASE, U(2), U(0), U(0), U(100), U(20000), U(5), U(400), U(3), U(300));
    RECORD(&w, GS_RECORD_BASE, U(1), U(0), U(0), U(1), U(2), U(3), U(4), U(5), U(6));
    end_chunk(c, &w);
    put_rows(c, GS_STREAM_SLICE, 4);
    put_end(c);
}

/* Two arenas, of which the first is read twice and then given back; three samples, one freed. */
static void put_arenas(struct capture *c)
{
    static const uint64_t rows[][4] = {
        {5000000, 0, 0, 0x040104c104020401},
        {5000000, 0, 3, 0x0000000080010400},
        {5000000, 1, 0, 0x8001800180018001},
        {6000000, 0, 0, 0x0401040104000400},
    };
    size_t n = sizeof(rows) / sizeof(rows[0]);

    put_table(c, GS_STREAM_POOLS, rows[0], n, 4);
}

static void put_samples(struct capture *c)
{
    for (size_t i = 0; i < 3; i++) {
        const uint64_t row[] = {5000100 + i, i + 1, 0x7f0000004030 + 64 * i, 60, 1, i % 2, 0, i};
        for (unsigned k = 0; k < sizeof(row) / sizeof(row[0]); k++)
            cols[k][i] = row[k];
    }
    put_cols(c, GS_STREAM_ALLOC, 3);
    cols[0][0] = 5500000;
    cols[1][0] = 2;
    put_cols(c, GS_STREAM_FREE, 1);
}

/* What version 1.2 added. */
void make_memory(struct capture *c)
{
    struct gs_record_writer w;

    begin_version(c, 2);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_ARENA, U(0), U(4000000), U(0x7f0000000000), U(1 << 20), U(16384), U(1));
    RECORD(&w, GS_RECORD_ARENA, U(1), U(4000001), U(0x7f0000101000), U(1 << 20), U(16384), U(0));
    RECORD(&w, GS_RECORD_MAPS, U(5000000), U(20 << 20), U(9 << 20), U(11 << 20), U(7 << 20), U(0),
           U(3), U(GS_MAP_FILE), U(9 << 20), U(GS_MAP_ARENAS), U(2 << 20), U(99), U(1));
    RECORD(&w, GS_RECORD_HEAP, U(5000000), U(3 << 20), U(1 << 20));
    RECORD(&w, GS_RECORD_MEMORY, U(5000001), U(20 << 20), U(9 << 20), U(2), U(2 << 20), U(3),
           U(49152), U(0), U(0));
    RECORD(&w, GS_RECORD_EVENT, U(5000002), U(GS_EVENT_NO_ALLOCS), U(0), S("a test"));
    end_chunk(c, &w);
    put_arenas(c);
    put_samples(c);
    put_rows(c, GS_STREAM_POOLS, 70);
    put_adversarial_rows(c, GS_STREAM_ALLOC, 33);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_ARENA_END, U(0), U(7000000));
    RECORD(&w, GS_RECORD_ALLOC_STATE, U(7000001), U(65536), U(3), U(0), U(1));
    RECORD(&w, GS_RECORD_MEMORY, U(7000002), U(19 << 20), U(9 << 20), U(1), U(1 << 20), U(3),
           U(49152), U(1), U(0));
    end_chunk(c, &w);
    put_end(c);
}

/* ---- CUDA ---- */

struct cuda_row {
    uint64_t t, seq, op, kind, flags, call, thread, context, result, duration, bytes, address,
        stack;
};

static void put_cuda_rows(struct capture *c, const struct cuda_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct cuda_row *r = &rows[i];
        const uint64_t row[] = {
            r->t,        r->seq,     GS_CUDA_WHAT(r->op, r->kind, r->flags, r->call),
            r->thread,   r->context, r->result,
            r->duration, r->bytes,   r->address,
            r->stack,
        };
        for (unsigned k = 0; k < sizeof(row) / sizeof(row[0]); k++)
            cols[k][i] = row[k];
    }
    put_cols(c, GS_STREAM_CUDA, n);
}

#define OP(name)   GS_CUDA_OP_##name
#define KIND(name) GS_CUDA_KIND_##name
#define HELD       (GS_CUDA_HELD | GS_CUDA_HAD)
#define DEV(n)     (UINT64_C(0x7fff00000000) + (n))

/* Two contexts and a third that ends; every kind; calls that held the GIL; one out of memory. */
static void put_calls(struct capture *c)
{
    static const struct cuda_row rows[] = {
        {5000000, 1, OP(CONTEXT), 0, GS_CUDA_HAD, 1, 0, 1, 0, 900000, 0, 0, 1},
        {5900000, 2, OP(LOAD), KIND(MODULE), HELD, 2, 0, 1, 0, 500, 70000, 0x5500, 1},
        {5901000, 3, OP(ALLOC), KIND(DEVICE), HELD, 3, 0, 1, 0, 40000, 4 << 20, DEV(0), 1},
        {5950000, 4, OP(ALLOC), KIND(DEVICE), 0, 3, 1, 1, 0, 300, 1 << 20, DEV(8 << 20), 2},
        {5951000, 5, OP(ALLOC), KIND(MANAGED), 0, 4, 1, 1, 0, 300, 2 << 20, DEV(16 << 20), 2},
        {5952000, 6, OP(ALLOC), KIND(VMM), 0, 5, 0, 1, 0, 300, 2 << 20, 0x42, 2},
        {5953000, 7, OP(ALLOC), KIND(HOST), HELD, 6, 0, 1, 0, 7000, 65536, DEV(24 << 20), 3},
        {5970000, 8, OP(ALLOC), KIND(DEVICE), HELD, 3, 0, 1, 2, 90000, 1ull << 40, 0, 3},
        {6060000, 9, OP(SYNC), 0, HELD, 7, 0, 1, 0, 100000, 0, 0, 3},
        {6200000, 10, OP(COPY), 0, GS_CUDA_HAD, 8, 0, 1, 0, 20000, 4 << 20, 0, 1},
        {6230000, 11, OP(FREE), KIND(DEVICE), 0, 9, 1, 1, 0, 200, 1 << 20, DEV(8 << 20), 2},
        {6231000, 12, OP(FREE), KIND(DEVICE), GS_CUDA_UNKNOWN, 9, 1, 1, 0, 200, 0, DEV(99), 2},
        {6232000, 13, OP(FREE), KIND(VMM), 0, 10, 0, 1, 0, 200, 0, 0x42, 2},     /* still mapped */
        {6233000, 14, OP(FREE), KIND(DEVICE), 0, 9, 1, 1, 1, 200, 0, DEV(0), 2}, /* refused */
        {6240000, 15, OP(CONTEXT), 0, 0, 11, GS_NO_THREAD, 2, 0, 50000, 0, 0, GS_STACK_NONE},
        {6300000, 16, OP(ALLOC), KIND(POOL), 0, 12, GS_NO_THREAD, 2, 0, 900, 3 << 20, DEV(0), 0},
        {6301000, 17, OP(ALLOC), KIND(ARRAY), 0, 13, GS_NO_THREAD, 2, 0, 900, 1 << 19, 0x77, 0},
        {6302000, 18, OP(ALLOC), KIND(REGISTERED), 0, 14, 0, 2, 0, 900, 12345, 0x9000, 1},
        {6303000, 19, OP(ALLOC), KIND(GRAPH), 0, 15, 0, 2, 0, 900, 4096, DEV(4096), 1},
        {6304000, 20, OP(ALLOC), KIND(IPC), 0, 16, 0, 2, 0, 900, 8192, DEV(32 << 20), 1},
        {6305000, 22, OP(POOL), 0, 0, 17, 0, 2, 0, 10, 0, 0, 1},     /* 21 was lost */
        {6306000, 23, 77, 200, 0x8000, 99, 5, 9, 700, 10, 5, 6, 88}, /* nothing of it is known */
        {6307000, 24, OP(OTHER), 0, HELD, 18, 0, 2, 0, 3000, 0, 0, 2},
        {6400000, 25, OP(CONTEXT_END), 0, 0, 19, 0, 2, 0, 700, 3674176, 0, 1},
        {6402000, 26, OP(UNLOAD), KIND(MODULE), 0, 20, 0, 1, 0, 700, 70000, 0x5500, 1},
    };
    static const struct cuda_row again[] = {
        {5901000, 3, OP(ALLOC), KIND(DEVICE), HELD | GS_CUDA_AGAIN, 3, 0, 1, 0, 40000, 4 << 20,
         DEV(0), 1},
        {5952000, 6, OP(ALLOC), KIND(VMM), GS_CUDA_AGAIN, 5, 0, 1, 0, 300, 2 << 20, 0x42, 99},
        {6500000, 27, OP(FREE), KIND(VMM), 0, 21, 0, 1, 0, 10, 2 << 20, 0x42, 2},
    };
    put_cuda_rows(c, rows, sizeof(rows) / sizeof(rows[0]));
    put_cuda_rows(c, again, sizeof(again) / sizeof(again[0]));
}

/* Who waited while those calls held the GIL: inside one, over one's end, over two, and itself. */
static void put_waits(struct capture *c)
{
    static const uint64_t rows[][9] = {
        {101, 5935000, 1, GS_SLICE_TURN | GS_SLICE_WAIT, 500, 2, 30000, 1, 2},
        {102, 6065000, 1, GS_SLICE_TURN | GS_SLICE_WAIT, 500, 2, 120000, 1, 2},
        {103, 6170000, 1, GS_SLICE_TURN | GS_SLICE_WAIT, 500, 2, 100000, 1, 3},
        {104, 6310000, 0, GS_SLICE_TURN | GS_SLICE_WAIT, 500, 1, 2000, 1, 1},
    };
    put_table(c, GS_STREAM_SLICE, rows[0], 4, 9);
}

static void put_cuda_begin(struct capture *c)
{
    struct gs_record_writer w;

    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_CODE, U(2), S("/srv/net.py"), S("step"), Z(88), U(0), S(""));
    RECORD(&w, GS_RECORD_STACK, U(2), U(0), U(2), U(2), U(0), U(1), U(40));
    RECORD(&w, GS_RECORD_STACK, U(3), U(0), U(1), U(2), U(0));
    RECORD(&w, GS_RECORD_CUDA_DRIVER, U(4900000), U(13000), U(GS_CUDA_LOADING_LAZY),
           S("/usr/lib/libcuda.so.1"));
    RECORD(&w, GS_RECORD_CUDA_DEVICE, U(0), S("NVIDIA H100"), S("0000:1b:00.0"), U(80ull << 30));
    RECORD(&w, GS_RECORD_CUDA_DEVICE, U(1), S("NVIDIA \xc3\xa9"), S("0000:43:00.0"),
           U(80ull << 30));
    RECORD(&w, GS_RECORD_CUDA_CONTEXT, U(1), U(5900000), U(0), U(GS_CUDA_PRIMARY), U(900000), U(0),
           U(0), U(0), U(0), U(1));
    RECORD(&w, GS_RECORD_CUDA_CONTEXT, U(1), U(5900000), U(0), U(GS_CUDA_PRIMARY), U(900000), U(0),
           U(79ull << 30), U(80ull << 30), U(0), U(1));
    RECORD(&w, GS_RECORD_CUDA_CONTEXT, U(2), U(6290000), U(1), U(0), U(50000), U(77ull << 30),
           U(76ull << 30), U(80ull << 30), U(GS_NO_THREAD), U(0));
    RECORD(&w, GS_RECORD_CUDA_USED, U(5940000), U(0), U(500 << 20));
    RECORD(&w, GS_RECORD_CUDA_USED, U(6100000), U(0), U(460 << 20));
    RECORD(&w, GS_RECORD_EVENT, U(6100001), U(GS_EVENT_NO_NVML), U(0), S("a test"));
    end_chunk(c, &w);
}

#define CALL(w, call, op, name, calls, failed, ticks, held, held_ticks)                            \
    RECORD(w, GS_RECORD_CUDA_CALL, U(call), U(op), S(name), U(6600000), U(calls), U(failed),       \
           U(ticks), U(held), U(held_ticks))

static void put_cuda_sums(struct capture *c)
{
    struct gs_record_writer w;

    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_CUDA_CONTEXT_END, U(2), U(6400000));
    RECORD(&w, GS_RECORD_CUDA_CALL, U(7), U(OP(SYNC)), S("cuCtxSynchronize"), U(6000000), U(1),
           U(0), U(1), U(0), U(0)); /* older */
    CALL(&w, 1, OP(CONTEXT), "cuDevicePrimaryCtxRetain", 3, 0, 900100, 0, 0);
    CALL(&w, 3, OP(ALLOC), "cuMemAlloc_v2", 3, 1, 130300, 2, 130000);
    CALL(&w, 7, OP(SYNC), "cuCtxSynchronize", 40, 0, 160000, 39, 150000);
    CALL(&w, 8, OP(COPY), "cuMemcpyDtoH_v2", 1, 0, 20000, 0, 0);
    CALL(&w, 22, OP(LAUNCH), "cuLaunchKernel", 1000, 1, 4000000, 900, 3000000);
    CALL(&w, 23, 99, "cuFromTheFuture", 1, 1, 1, 1, 1);
    RECORD(&w, GS_RECORD_CUDA_LIVE, U(6600000), U(1), U(KIND(DEVICE)), U(2), U(1), U(1), U(4 << 20),
           U(5 << 20));
    RECORD(&w, GS_RECORD_CUDA_LIVE, U(6600000), U(1), U(KIND(MANAGED)), U(1), U(0), U(0),
           U(2 << 20), U(2 << 20));
    RECORD(&w, GS_RECORD_CUDA_LIVE, U(6600000), U(1), U(KIND(VMM)), U(1), U(1), U(0), U(0),
           U(2 << 20));
    RECORD(&w, GS_RECORD_CUDA_LIVE, U(6600000), U(1), U(KIND(HOST)), U(1), U(0), U(0), U(65536),
           U(65536));
    RECORD(&w, GS_RECORD_CUDA_LIVE, U(6600000), U(2), U(KIND(POOL)), U(1), U(1), U(0), U(0),
           U(3 << 20));
    RECORD(&w, GS_RECORD_CUDA_LIVE, U(6600000), U(2), U(200), U(1), U(1), U(1), U(1), U(1));
    RECORD(&w, GS_RECORD_CUDA_STATE, U(6600000), U(27), U(1), U(1), U(0), U(6 << 20), U(13107200));
    end_chunk(c, &w);
}

/* What version 1.3 added. */
void make_cuda(struct capture *c)
{
    begin_version(c, 3);
    put_cuda_begin(c);
    put_calls(c);
    put_waits(c);
    put_cuda_sums(c);
    put_end(c);
}

/* ---- locks ---- */

/* What version 1.4 added: two threads take an RLock in turn, wait for a Condition, hand over an
 * item of a queue; a lock that nobody made; ops and events that no reader knows. */
void make_sync(struct capture *c)
{
    enum { LOCK = 0x7f00, RLOCK = 0x7f40, QUEUE = 0x7f80 };
    static const uint64_t rows[][6] = {
        {5000000, 0, GS_SYNC_CPU, 0, 4000000, 0},
        {5000100, 0, GS_SYNC_ACQUIRED, RLOCK, 90, 1},
        {5000200, 0, GS_SYNC_ACQUIRED, RLOCK, 80, 1},
        {5000300, 1, GS_SYNC_REFUSED, RLOCK, 70, 1},
        {5000400, 0, GS_SYNC_RELEASED, RLOCK, 1, 1},
        {5009000, 1, GS_SYNC_ACQUIRED, RLOCK, 8600, 1},
        {5009100, 1, GS_SYNC_RELEASED, LOCK, 0, 0},
        {5009200, 1, GS_SYNC_PUT, QUEUE, 0, 1},
        {5009300, 1, GS_SYNC_RELEASED, RLOCK, 0, 1},
        {5060000, 1, GS_SYNC_CPU, 0, UINT64_C(1) << 40, 0},
        {5060100, 0, GS_SYNC_ACQUIRED, RLOCK, 59000, 1},
        {5060200, 0, GS_SYNC_GOT, QUEUE, 100, 1},
        {5060300, 0, GS_SYNC_REFUSED, QUEUE, 20, 1},
        {5060400, 0, 200, UINT64_MAX, UINT64_MAX, 1},
    };
    const size_t n = sizeof(rows) / sizeof(rows[0]);
    struct gs_record_writer w;

    begin_version(c, 4);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_EVENT, U(4999000), U(GS_EVENT_LOCKS), U(GS_SYNC_LOCK), S(""));
    RECORD(&w, GS_RECORD_EVENT, U(4999001), U(GS_EVENT_LOCKS), U(GS_SYNC_RLOCK), S(""));
    RECORD(&w, GS_RECORD_EVENT, U(4999900), U(GS_EVENT_LOCKS), U(GS_SYNC_SIMPLE_QUEUE), S(""));
    RECORD(&w, GS_RECORD_MODULE, U(4999901), S("/usr/lib/_queue.so"));
    RECORD(&w, GS_RECORD_EVENT, U(7000000), U(GS_EVENT_NO_LOCKS), U(7), S("a test"));
    end_chunk(c, &w);
    put_table(c, GS_STREAM_SYNC, rows[0], n, 6);
    put_adversarial_rows(c, GS_STREAM_SYNC, 33);
    put_end(c);
}

/* What version 1.5 added: two looks at a collector that measures itself, one at another that does
 * not; a generation and a thread that nobody heard of; numbers as great as can be. */
void make_gc(struct capture *c)
{
    struct gs_record_writer w;

    begin_version(c, 5);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_GC, U(5000000), U(0), U(1), U(0), U(5), U(100000), U(0), U(0), U(1), U(0));
    RECORD(&w, GS_RECORD_GC_GENERATION, U(5000000), U(0), U(0), U(0), U(0), U(0), Z(2000), Z(17));
    RECORD(&w, GS_RECORD_GC, U(6000000), U(0), U(1), U(120000), U(55), U(1100000), U(6), U(120000),
           U(1), U(43000000));
    RECORD(&w, GS_RECORD_GC_GENERATION, U(6000000), U(0), U(0), U(110), U(900), U(0), Z(2000),
           Z(3));
    RECORD(&w, GS_RECORD_GC_GENERATION, U(6000000), U(0), U(1), U(10), U(0), U(0), Z(10), Z(1));
    RECORD(&w, GS_RECORD_GC_GENERATION, U(6000000), U(0), U(2), U(1), U(40), U(2), Z(10), Z(0));
    RECORD(&w, GS_RECORD_GC_THREAD, U(0), U(100000));
    RECORD(&w, GS_RECORD_GC_THREAD, U(77), U(20000));
    RECORD(&w, GS_RECORD_GC, U(6000000), U(3), U(0), U(9), U(50), U(1000000), U(1), U(20000), U(0),
           U(0));
    RECORD(&w, GS_RECORD_GC_GENERATION, U(6000000), U(3), U(9), U(UINT64_MAX), U(UINT64_MAX),
           U(UINT64_MAX), Z(-1), Z(INT64_MIN));
    RECORD(&w, GS_RECORD_GC, U(7000000), U(UINT64_MAX), U(9), U(UINT64_MAX), U(UINT64_MAX));
    RECORD(&w, GS_RECORD_EVENT, U(7000000), U(GS_EVENT_NO_GC), U(0), S("a test"));
    end_chunk(c, &w);
    put_end(c);
}

/* ---- counters ---- */

#define COUNTS(w, t, thread, counter, count, enabled, running, hold, wait, off, shared)            \
    RECORD(w, GS_RECORD_COUNTS, U(t), U(thread), U(counter), U(count), U(enabled), U(running),     \
           U(hold), U(wait), U(off), U(shared))

/* What version 1.5 added: an account of the kernel's, two events that shared the hardware, one that
 * was refused after it had been opened; numbers that nobody defined, states that are more than all.
 */
void make_counters(struct capture *c)
{
    struct gs_record_writer w;

    begin_version(c, 5);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_COUNTER, U(3), S("branches"), U(GS_COUNTER_PERF), U(0), U(4), S(""));
    RECORD(&w, GS_RECORD_COUNTER, U(0), S("page-faults"), U(GS_COUNTER_KERNEL), U(1), U(2), S(""));
    RECORD(&w, GS_RECORD_COUNTER, U(1), S("cycles"), U(GS_COUNTER_PERF_USER), U(0), U(0), S(""));
    RECORD(&w, GS_RECORD_COUNTER, U(2), S("instructions"), U(GS_COUNTER_PERF), U(0), U(1), S(""));
    RECORD(&w, GS_RECORD_COUNTER, U(3), S("branches"), U(GS_COUNTER_NONE), U(0), U(4), S("why"));
    COUNTS(&w, 5000000, 0, 0, 100, 0, 0, 60, 10, 20, 5);
    COUNTS(&w, 4000000, 0, 0, 50, 0, 0, 50, 0, 0, 0); /* older */
    COUNTS(&w, 5000000, 1, 0, 7, 0, 0, 0, 0, 7, 0);
    COUNTS(&w, 5000000, GS_COUNTS_PROCESS, 0, 110, 0, 0, 0, 0, 0, 0);
    COUNTS(&w, 5000000, 0, 1, 1000, 4000, 1000, 600, 0, 400, 0);
    COUNTS(&w, 5000000, 0, 2, 3000, 4000, 2000, 2400, 0, 600, 0);
    COUNTS(&w, 5000000, 1, 40, UINT64_MAX, 2, 1, UINT64_MAX, UINT64_MAX, 1, UINT64_MAX);
    COUNTS(&w, 5000000, 1, 64, 1, 0, 0, 1, 0, 0, 0);
    end_chunk(c, &w);
    put_rows(c, GS_STREAM_SLICE, 3);
    put_end(c);
}

/* What version 1.7 added: counts of turns, waits and the time away by stack, estimates among them;
 * a counter, a state and a thread that nobody heard of, and numbers as great as can be. */
void make_counted(struct capture *c)
{
    static const uint64_t rows[][5] = {
        {4000100, 0, GS_COUNTED_WHAT(0, 0, 0), 30, 1},
        {4000200, 0, GS_COUNTED_WHAT(0, 0, 1), 8, 1},
        {4000200, 0, GS_COUNTED_WHAT(0, 0, 1), 2, 2},
        {4000300, 0, GS_COUNTED_WHAT(0, 1, 0), 9, 2},
        {4000400, 0, GS_COUNTED_WHAT(0, 2, 0), 20, 2},
        {4000500, 0, GS_COUNTED_WHAT(1, 0, 0), 600, 1},
        {4000600, 1, GS_COUNTED_WHAT(0, 0, 0), 7, 77},
        {4000700, 9, GS_COUNTED_WHAT(0, 0, 0), 7, 1},
        {4000800, 0, GS_COUNTED_WHAT(0, 7, 0), 7, 1},
        {4000900, 0, GS_COUNTED_WHAT(77, 0, 1), 7, 1},
        {4001000, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0},
    };
    size_t n = sizeof(rows) / sizeof(rows[0]);
    struct gs_record_writer w;

    begin_version(c, 7);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_COUNTER, U(0), S("page-faults"), U(GS_COUNTER_KERNEL), U(1), U(2), S(""));
    RECORD(&w, GS_RECORD_COUNTER, U(1), S("cycles"), U(GS_COUNTER_PERF), U(0), U(0), S(""));
    COUNTS(&w, 5000000, 0, 0, 100, 0, 0, 60, 10, 20, 5);
    COUNTS(&w, 5000000, 0, 1, 1000, 4000, 1000, 600, 0, 400, 0);
    COUNTS(&w, 5000000, 1, 0, 3, 0, 0, 3, 0, 0, 0);
    end_chunk(c, &w);
    put_table(c, GS_STREAM_COUNTED, rows[0], n, 5);
    put_adversarial_rows(c, GS_STREAM_COUNTED, 33);
    put_end(c);
}
