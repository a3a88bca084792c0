/* SPDX-License-Identifier: MIT
 * Captures made in memory with the real codec, for tests of the reader and the engines. Ticks are
 * ns (clock_kind 1) unless a test says otherwise. Header only; every function is used somewhere.
 */
#ifndef GS_CAPTURE_BUILDER_H
#define GS_CAPTURE_BUILDER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/profile_build.h"
#include "analyzer/stats.h"
#include "analyzer/trace_reader.h"
#include "preload/trace/trace_codec.h"

#define CAP_UNUSED     __attribute__((unused)) static
#define CAP_MAX_CHUNKS 4096

struct cap {
    uint8_t *data;
    size_t len, room;
    uint64_t key;
    uint32_t chunk_no, gil;
    uint16_t epoch;
    size_t chunk_off[CAP_MAX_CHUNKS + 1]; /* of every chunk; the file header is before the first */
    size_t n_chunks;
    struct gs_encode_scratch *scratch;
    uint8_t *buf; /* the open RECORDS chunk */
    struct gs_record_writer w;
    uint32_t n_records;
};

struct cap_row {
    uint64_t seq, t_acq, thread, flags, hold, hold_stack, wait, wait_ds, wait_stack;
};
struct cap_sample {
    uint64_t seq, t, thread, kind, stack;
};
struct cap_pools {
    uint64_t t, arena, quad, cells;
};
struct cap_alloc {
    uint64_t t, id, address, bytes, points, domain, thread, stack;
};
struct cap_free {
    uint64_t t, id;
};
struct cap_cuda {
    uint64_t t, seq, what, thread, context, result, duration, bytes, address, stack;
};

CAP_UNUSED uint8_t *cap_reserve(struct cap *c, size_t n)
{
    if (c->len + n > c->room) {
        c->room = 2 * (c->len + n);
        c->data = realloc(c->data, c->room);
    }
    return c->data + c->len;
}

CAP_UNUSED void cap_open(struct cap *c, uint64_t key)
{
    memset(c, 0, sizeof(*c));
    c->key = key;
    c->scratch = malloc(sizeof(*c->scratch));
    c->buf = malloc(GS_CHUNK_MAX_LEN);
    gs_file_hdr_encode((struct gs_file_hdr *)cap_reserve(c, GS_FILE_HDR_LEN), 0, key, 0, 0);
    c->len += GS_FILE_HDR_LEN;
}

CAP_UNUSED void cap_close(struct cap *c)
{
    free(c->data);
    free(c->scratch);
    free(c->buf);
    memset(c, 0, sizeof(*c));
}

CAP_UNUSED struct gs_chunk_meta cap_meta(struct cap *c, bool gil)
{
    struct gs_chunk_meta m = {.process_key = c->key, .gil = gil ? c->gil : GS_NO_GIL};
    m.chunk_no = c->chunk_no++;
    m.clock_epoch = c->epoch;
    c->chunk_off[c->n_chunks++] = c->len;
    c->chunk_off[c->n_chunks] = c->len;
    return m;
}

CAP_UNUSED void cap_took(struct cap *c, size_t n)
{
    c->len += n;
    c->chunk_off[c->n_chunks] = c->len;
}

/* ---- records ---- */

CAP_UNUSED void cap_records(struct cap *c)
{
    gs_record_writer_init(&c->w, c->buf + GS_CHUNK_HDR_LEN, GS_CHUNK_MAX_LEN / 2);
    c->n_records = 0;
}

CAP_UNUSED void cap_rec(struct cap *c, uint32_t tag, const uint64_t *v, size_t n)
{
    gs_record_begin(&c->w, tag);
    for (size_t i = 0; i < n; i++)
        gs_record_put_u(&c->w, v[i]);
    if (gs_record_end(&c->w))
        c->n_records++;
}
#define CAP_REC(c, tag, ...)                                                                       \
    cap_rec(c, tag, (const uint64_t[]){__VA_ARGS__},                                               \
            sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

CAP_UNUSED void cap_put_s(struct cap *c, const char *s)
{
    gs_record_put_bytes(&c->w, s, strlen(s));
}

CAP_UNUSED void cap_process(struct cap *c, uint32_t pid, uint64_t start_ticks, unsigned clock_kind)
{
    const uint64_t level = 1, n_cpus = 2;
    gs_record_begin(&c->w, GS_RECORD_PROCESS);
    gs_record_put_u(&c->w, pid);
    gs_record_put_u(&c->w, 1);
    gs_record_put_z(&c->w, (int64_t)1700000000000000000 + pid);
    gs_record_put_u(&c->w, start_ticks);
    gs_record_put_u(&c->w, 0x030b02f0);
    gs_record_put_u(&c->w, 0);
    cap_put_s(c, "/usr/bin/python3");
    gs_record_put_u(&c->w, 2);
    cap_put_s(c, "python3");
    cap_put_s(c, "app.py");
    cap_put_s(c, "host");
    cap_put_s(c, "0.1.0");
    gs_record_put_u(&c->w, level);
    gs_record_put_u(&c->w, n_cpus);
    gs_record_put_u(&c->w, clock_kind);
    gs_record_put_u(&c->w, 2);
    cap_put_s(c, "level=1");
    cap_put_s(c, "what=gil");
    if (gs_record_end(&c->w))
        c->n_records++;
}

CAP_UNUSED void cap_thread(struct cap *c, uint64_t thread, const char *name)
{
    gs_record_begin(&c->w, GS_RECORD_THREAD);
    gs_record_put_u(&c->w, thread);
    gs_record_put_u(&c->w, 1000 + thread);
    gs_record_put_u(&c->w, 0);
    cap_put_s(c, "os-name");
    cap_put_s(c, name);
    if (gs_record_end(&c->w))
        c->n_records++;
}

/* Code `id` without a line table: its frames show `line`. */
CAP_UNUSED void cap_code(struct cap *c, uint64_t id, const char *file, const char *func, int line)
{
    gs_record_begin(&c->w, GS_RECORD_CODE);
    gs_record_put_u(&c->w, id);
    cap_put_s(c, file);
    cap_put_s(c, func);
    gs_record_put_z(&c->w, line);
    gs_record_put_u(&c->w, 0);
    gs_record_put_bytes(&c->w, "", 0);
    if (gs_record_end(&c->w))
        c->n_records++;
}

/* Stack `id` of two frames: `inner` called by `outer`. */
CAP_UNUSED void cap_stack2(struct cap *c, uint64_t id, uint64_t inner, uint64_t outer)
{
    CAP_REC(c, GS_RECORD_STACK, id, 0, 2, inner, 0, outer, 0);
}

CAP_UNUSED void cap_event(struct cap *c, uint64_t t, uint64_t kind, const char *text)
{
    gs_record_begin(&c->w, GS_RECORD_EVENT);
    gs_record_put_u(&c->w, t);
    gs_record_put_u(&c->w, kind);
    gs_record_put_u(&c->w, 0);
    cap_put_s(c, text);
    if (gs_record_end(&c->w))
        c->n_records++;
}

CAP_UNUSED void cap_end_records(struct cap *c)
{
    size_t out = 0, room = c->w.len + GS_CHUNK_HDR_LEN + GS_CHUNK_TAIL_LEN;
    struct gs_chunk_meta meta = cap_meta(c, false);
    enum gs_status s =
        gs_chunk_seal_records(&meta, c->n_records, c->buf, GS_CHUNK_MAX_LEN, c->w.len, &out);
    if (s != GS_OK)
        abort();
    (void)room;
    memcpy(cap_reserve(c, out), c->buf, out);
    cap_took(c, out);
}

/* ---- columns ---- */

CAP_UNUSED void cap_columns(struct cap *c, uint8_t stream, const uint64_t *rows, size_t n,
                            unsigned n_cols)
{
    uint64_t *cols = malloc(n * n_cols * sizeof(*cols));
    const uint64_t *ptr[GS_CHUNK_MAX_COLS];
    size_t out = 0, bound = gs_chunk_bound(stream, n);
    for (unsigned k = 0; k < n_cols; k++) {
        ptr[k] = cols + k * n;
        for (size_t i = 0; i < n; i++)
            cols[k * n + i] = rows[i * n_cols + k];
    }
    struct gs_chunk_meta meta = cap_meta(c, true);
    if (gs_chunk_encode(stream, &meta, ptr, n, c->scratch, cap_reserve(c, bound), bound, &out) !=
        GS_OK)
        abort();
    cap_took(c, out);
    free(cols);
}

CAP_UNUSED void cap_slices(struct cap *c, const struct cap_row *rows, size_t n)
{
    cap_columns(c, GS_STREAM_SLICE, (const uint64_t *)rows, n, 9);
}

CAP_UNUSED void cap_samples(struct cap *c, const struct cap_sample *rows, size_t n)
{
    cap_columns(c, GS_STREAM_HOLDER_SAMPLE, (const uint64_t *)rows, n, 5);
}

CAP_UNUSED void cap_pools(struct cap *c, const struct cap_pools *rows, size_t n)
{
    cap_columns(c, GS_STREAM_POOLS, (const uint64_t *)rows, n, 4);
}

CAP_UNUSED void cap_allocs(struct cap *c, const struct cap_alloc *rows, size_t n)
{
    cap_columns(c, GS_STREAM_ALLOC, (const uint64_t *)rows, n, 8);
}

CAP_UNUSED void cap_frees(struct cap *c, const struct cap_free *rows, size_t n)
{
    cap_columns(c, GS_STREAM_FREE, (const uint64_t *)rows, n, 2);
}

CAP_UNUSED void cap_cuda(struct cap *c, const struct cap_cuda *rows, size_t n)
{
    cap_columns(c, GS_STREAM_CUDA, (const uint64_t *)rows, n, 10);
}

CAP_UNUSED void cap_cuda_device(struct cap *c, uint64_t device, const char *name,
                                const char *bus_id, uint64_t total_bytes)
{
    gs_record_begin(&c->w, GS_RECORD_CUDA_DEVICE);
    gs_record_put_u(&c->w, device);
    cap_put_s(c, name);
    cap_put_s(c, bus_id);
    gs_record_put_u(&c->w, total_bytes);
    if (gs_record_end(&c->w))
        c->n_records++;
}

CAP_UNUSED void cap_cuda_driver(struct cap *c, uint64_t loading)
{
    gs_record_begin(&c->w, GS_RECORD_CUDA_DRIVER);
    gs_record_put_u(&c->w, 0);
    gs_record_put_u(&c->w, 13000);
    gs_record_put_u(&c->w, loading);
    cap_put_s(c, "/usr/lib/libcuda.so.1");
    if (gs_record_end(&c->w))
        c->n_records++;
}

/* v: t, calls, failed, ticks, held_calls, held_ticks */
CAP_UNUSED void cap_cuda_call(struct cap *c, uint64_t call, uint64_t op, const char *name,
                              const uint64_t v[6])
{
    gs_record_begin(&c->w, GS_RECORD_CUDA_CALL);
    gs_record_put_u(&c->w, call);
    gs_record_put_u(&c->w, op);
    cap_put_s(c, name);
    for (unsigned i = 0; i < 6; i++)
        gs_record_put_u(&c->w, v[i]);
    if (gs_record_end(&c->w))
        c->n_records++;
}

/* Four pools, the first one in the lowest bits. */
#define CAP_CELLS(a, b, c, d)                                                                      \
    ((uint64_t)(a) | (uint64_t)(b) << 16 | (uint64_t)(c) << 32 | (uint64_t)(d) << 48)

/* ---- what tests look at ---- */

/* The profile of one block of memory; fails the program on an error, with its text. */
CAP_UNUSED void cap_profile_with(const void *data, size_t len,
                                 const struct gs_load_options *options, struct gs_profile *out)
{
    struct gs_captures captures = {0};
    struct gs_error err = {0};
    enum gs_status s = gs_captures_add(&captures, data, len, "memory", &err);
    if (s == GS_OK) {
        gs_captures_sort(&captures);
        s = gs_profile_build(&captures, options, out, &err);
    }
    if (s != GS_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    gs_captures_close(&captures);
}

CAP_UNUSED void cap_profile(const void *data, size_t len, const char *engine,
                            struct gs_profile *out)
{
    struct gs_load_options options = {.engine = engine};
    cap_profile_with(data, len, &options, out);
}

/* The report document (all numbers there are) with the engine's name blotted out. */
CAP_UNUSED char *cap_json(const struct gs_profile *p)
{
    char *text = NULL;
    size_t len = 0;
    struct gs_profile copy = *p;
    FILE *f = open_memstream(&text, &len);
    copy.engine = "any";
    gs_report_json(&copy, f);
    fclose(f);
    return text;
}

CAP_UNUSED char *cap_json_with(const void *data, size_t len, const struct gs_load_options *options)
{
    struct gs_profile p;
    cap_profile_with(data, len, options, &p);
    char *text = cap_json(&p);
    gs_profile_free(&p);
    return text;
}

CAP_UNUSED char *cap_json_of(const void *data, size_t len, const char *engine)
{
    struct gs_load_options options = {.engine = engine};
    return cap_json_with(data, len, &options);
}

/* xorshift: the same numbers everywhere */
CAP_UNUSED uint64_t cap_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
