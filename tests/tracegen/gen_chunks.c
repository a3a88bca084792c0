/* SPDX-License-Identifier: MIT
 * Rows and records of one process, encoded a chunk at a time. Every chunk goes through out(), where
 * it may come to harm; whether it does depends on the seed and its number alone.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/tracegen/tracegen.h"

#define RECORDS_ROOM (48u << 10)
#define RECORDS_FULL (32u << 10)

/* One at a time is encoded: all processes share it. */
static struct gs_encode_scratch scratch;
static uint8_t *encoded;
static size_t encoded_room;

static void make_columns(struct gen_columns *s)
{
    unsigned n_cols = gs_stream_desc(s->stream)->n_cols;
    s->cols[0] = gen_alloc((size_t)n_cols * s->room, sizeof(uint64_t));
    for (unsigned k = 1; k < n_cols; k++)
        s->cols[k] = s->cols[0] + (size_t)k * s->room;
}

void gen_chunks_open(struct gen_chunks *c, const struct gen_options *o, uint64_t key)
{
    *c = (struct gen_chunks){.o = o, .key = key};
    for (uint8_t stream = GS_STREAM_SLICE; stream <= GS_STREAM_CUDA; stream++) {
        struct gen_columns *s = &c->streams[stream];
        s->stream = stream;
        s->room = stream == GS_STREAM_SLICE ? GS_CHUNK_MAX_ROWS : GEN_SMALL_ROWS;
        make_columns(s);
    }
    c->records = gen_alloc(RECORDS_ROOM, 1);
    gs_record_writer_init(&c->w, c->records + GS_CHUNK_HDR_LEN,
                          RECORDS_ROOM - GS_CHUNK_HDR_LEN - GS_CHUNK_TAIL_LEN);
    if (!encoded) {
        encoded_room = gs_chunk_bound(GS_STREAM_SLICE, GS_CHUNK_MAX_ROWS);
        encoded = gen_alloc(encoded_room, 1);
    }
}

void gen_chunks_close(struct gen_chunks *c)
{
    for (uint8_t stream = GS_STREAM_SLICE; stream <= GS_STREAM_CUDA; stream++)
        free(c->streams[stream].cols[0]);
    free(c->records);
}

/* Torn, flipped in up to three bits, or missing. Returns the bytes left. */
static size_t harm(struct gen_rng *r, uint8_t *chunk, size_t len)
{
    uint32_t how = gen_below(r, 4);
    if (how == 0)
        return 0;
    if (how == 1)
        return gen_below(r, (uint32_t)len);
    for (uint32_t n = 1 + gen_below(r, 3), at; n > 0; n--) {
        at = gen_below(r, (uint32_t)len);
        chunk[at] ^= (uint8_t)(1u << (at + n) % 8); /* never the same bit again */
    }
    return len;
}

/* Returns whether the chunk is still sound. Without its first chunk a process has no clock. */
static bool out(struct gen_chunks *c, uint8_t *chunk, size_t len)
{
    uint32_t chunk_no = c->chunk_no++;
    struct gen_rng r = {gen_mix(c->o->seed, c->key, chunk_no)};
    bool survives = chunk_no == 0 || gen_below(&r, 1000) >= c->o->damage;
    if (!survives)
        len = harm(&r, chunk, len);
    gen_sink_chunk(c->sink, chunk, len);
    c->n_chunks_out++;
    c->n_damaged += !survives;
    return survives;
}

static struct gs_chunk_meta meta_of(struct gen_chunks *c, uint8_t stream)
{
    bool of_gil = stream >= GS_STREAM_SLICE && stream <= GS_STREAM_HOLDER_SAMPLE;
    struct gs_chunk_meta m = {.process_key = c->key, .gil = of_gil ? 0 : GS_NO_GIL};
    m.chunk_no = c->chunk_no;
    if (stream == GS_STREAM_SLICE) {
        m.lost_before = c->lost_rows;
        c->lost_rows = 0;
    }
    return m;
}

void gen_chunks_flush(struct gen_chunks *c, uint8_t stream)
{
    struct gen_columns *s = &c->streams[stream];
    size_t len = 0;
    if (s->n == 0)
        return;
    struct gs_chunk_meta meta = meta_of(c, stream);
    if (gs_chunk_encode(stream, &meta, (const uint64_t *const *)s->cols, s->n, &scratch, encoded,
                        encoded_room, &len) != GS_OK)
        gen_fail("internal: a chunk does not encode");
    bool survives = out(c, encoded, len);
    if (c->truth)
        gen_truth_chunk(c->truth, s, survives);
    s->n = 0;
}

/* ---- records ---- */

void gen_records_flush(struct gen_chunks *c)
{
    size_t len = 0;
    if (c->n_records == 0)
        return;
    struct gs_chunk_meta meta = meta_of(c, GS_STREAM_RECORDS);
    if (gs_chunk_seal_records(&meta, c->n_records, c->records, RECORDS_ROOM, c->w.len, &len) !=
        GS_OK)
        gen_fail("internal: a chunk of records does not encode");
    bool survives = out(c, c->records, len);
    if (c->truth)
        gen_truth_records(c->truth, survives);
    c->n_records = 0;
    gs_record_writer_init(&c->w, c->w.buf, c->w.cap);
}

void gen_record_end(struct gen_chunks *c)
{
    if (!gs_record_end(&c->w))
        gen_fail("internal: a record does not fit");
    c->n_records++;
    if (c->w.len >= RECORDS_FULL)
        gen_records_flush(c);
}

void gen_put_text(struct gen_chunks *c, const char *s)
{
    gs_record_put_bytes(&c->w, s, strlen(s));
}

void gen_record(struct gen_chunks *c, uint32_t tag, const uint64_t *values, size_t n)
{
    gs_record_begin(&c->w, tag);
    for (size_t i = 0; i < n; i++)
        gs_record_put_u(&c->w, values[i]);
    gen_record_end(c);
}
