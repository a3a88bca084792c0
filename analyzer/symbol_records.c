/* SPDX-License-Identifier: MIT */
#include "analyzer/symbol_records.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/records.h"
#include "analyzer/symbols/symbols.h"
#include "analyzer/xalloc.h"

#define CHUNK_BYTES                                                                                \
    (256u << 10) /* of records: a name is 1,000 bytes at most, a chain 32 of them                  \
                  */
#define CHAIN_BYTES (80u << 10)

struct place {
    uint32_t module;
    uint64_t offset;
};
struct image { /* one process image */
    struct gs_symbols *symbols;
    struct gs_idmap offsets, place_map, recorded; /* recorded: places[] that have SYMBOL records */
    struct place *places;
    size_t n_places, cap_places;
};

static uint32_t place_at(struct image *m, uint32_t module, uint64_t offset)
{
    uint32_t at = gs_idmap_add(&m->place_map, gs_pack32(module, gs_idmap_add(&m->offsets, offset)));
    if (at == m->n_places) {
        struct place place = {module, offset};
        GS_PUSH(m->places, m->n_places, m->cap_places, place);
    }
    return at;
}

/* ---- reading ---- */

static void on_process(struct image *m, struct gs_record *rec)
{
    uint32_t pid = gs__record_u32(rec);
    gs_record_get_u(rec); /* ppid */
    if (!m->symbols)
        m->symbols = gs_symbols_new(pid, gs_record_get_z(rec));
}

static void on_module(struct image *m, struct gs_record *rec)
{
    size_t build_id_len;
    uint32_t module = gs__record_u32(rec);
    for (int i = 0; i < 4; i++)
        gs_record_get_u(rec); /* t, start, end, bias */
    const uint8_t *build_id = gs_record_get_bytes(rec, &build_id_len);
    char *path = gs__record_string(rec);
    gs_symbols_add_module(m->symbols, module, build_id, build_id_len, path);
    free(path);
}

static void on_stack(struct image *m, struct gs_record *rec)
{
    for (int i = 0; i < 3; i++)
        gs_record_get_u(rec); /* stack, python_stack, truncated */
    for (uint64_t n = gs_record_get_u(rec); n > 0 && rec->pos < rec->end; n--)
        gs_record_get_u(rec); /* runs */
    for (uint64_t n = gs_record_get_u(rec); n > 0 && rec->pos < rec->end; n--) {
        uint32_t module = gs__record_u32(rec);
        place_at(m, module, gs_record_get_u(rec));
    }
}

static void on_symbol(struct image *m, struct gs_record *rec)
{
    uint32_t module = gs__record_u32(rec);
    gs_idmap_add(&m->recorded, place_at(m, module, gs_record_get_u(rec)));
}

/* PROCESS comes before all that needs it: it opens the first chunk of a file. */
static void read_chunk(struct image *m, const struct gs_chunk_ref *c, bool process)
{
    struct gs_chunk_hdr h;
    struct gs_record rec;
    enum gs_status status = gs_chunk_header(c, &h) ? GS_OK : GS_ERR_CORRUPT;
    const uint8_t *cursor = c->data + (status == GS_OK ? h.header_len : c->hdr.total_len);
    const uint8_t *end = c->data + c->hdr.total_len - GS_CHUNK_TAIL_LEN;
    while (status == GS_OK && gs_record_next(&cursor, end, &rec, &status)) {
        if (process && rec.tag == GS_RECORD_PROCESS)
            on_process(m, &rec);
        else if (!process && rec.tag == GS_RECORD_NATIVE_MODULE)
            on_module(m, &rec);
        else if (!process && rec.tag == GS_RECORD_NATIVE_STACK)
            on_stack(m, &rec);
        else if (!process && rec.tag == GS_RECORD_SYMBOL)
            on_symbol(m, &rec);
    }
    gs_chunk_forget(c);
}

static void read_image(struct image *m, const struct gs_chunk_ref *chunks, size_t n)
{
    for (int process = 1; process >= 0; process--) {
        for (size_t i = 0; i < n; i++)
            if (chunks[i].state == GS_CHUNK_SOUND && chunks[i].hdr.stream == GS_STREAM_RECORDS)
                read_chunk(m, &chunks[i], process);
        if (!m->symbols)
            m->symbols = gs_symbols_new(0, 0);
    }
}

/* ---- writing ---- */

struct writing {
    FILE *out;
    struct gs_chunk_meta meta;
    struct gs_record_writer w;
    uint32_t n_records;
    uint8_t chunk[GS_CHUNK_HDR_LEN + CHUNK_BYTES + GS_CHUNK_TAIL_LEN];
};

static void begin_chunk(struct writing *w)
{
    gs_record_writer_init(&w->w, w->chunk + GS_CHUNK_HDR_LEN, CHUNK_BYTES);
    w->n_records = 0;
}

static void end_chunk(struct writing *w)
{
    size_t len;
    if (w->n_records && gs_chunk_seal_records(&w->meta, w->n_records, w->chunk, sizeof(w->chunk),
                                              w->w.len, &len) == GS_OK) {
        fwrite(w->chunk, 1, len, w->out);
        w->meta.chunk_no++;
    }
    begin_chunk(w);
}

/* A chain is in one chunk: read in part it would be another. */
static void put_place(struct writing *w, const struct place *at, const struct gs_symbol *chain,
                      size_t n)
{
    if (CHUNK_BYTES - w->w.len < CHAIN_BYTES)
        end_chunk(w);
    for (size_t i = 0; i < n; i++) {
        gs_record_begin(&w->w, GS_RECORD_SYMBOL);
        gs_record_put_u(&w->w, at->module);
        gs_record_put_u(&w->w, at->offset);
        gs_record_put_u(&w->w, i);
        gs_record_put_bytes(&w->w, chain[i].function, strlen(chain[i].function));
        gs_record_put_bytes(&w->w, chain[i].file, strlen(chain[i].file));
        gs_record_put_z(&w->w, chain[i].line);
        w->n_records += gs_record_end(&w->w);
    }
}

static int by_module_and_offset(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;
    if (a->module != b->module)
        return a->module < b->module ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Those that have no record yet, in order: neighbours are of one unit of debugging information. */
static size_t drop_recorded(struct image *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_places; i++)
        if (gs_idmap_find(&m->recorded, i) == GS_IDMAP_NONE)
            m->places[n++] = m->places[i];
    if (n)
        qsort(m->places, n, sizeof(*m->places), by_module_and_offset);
    return n;
}

static void write_image(struct image *m, struct writing *w, struct gs_symbol_tally *tally)
{
    size_t n = drop_recorded(m), n_chain;
    begin_chunk(w);
    tally->places += m->n_places;
    tally->were_there += m->n_places - n;
    for (size_t i = 0; i < n; i++) {
        const struct gs_symbol *chain =
            gs_symbols_at(m->symbols, m->places[i].module, m->places[i].offset, &n_chain);
        put_place(w, &m->places[i], chain, n_chain);
        tally->named += n_chain > 0;
    }
    end_chunk(w);
}

static void free_image(struct image *m)
{
    gs_symbols_free(m->symbols);
    gs_idmap_free(&m->offsets);
    gs_idmap_free(&m->place_map);
    gs_idmap_free(&m->recorded);
    free(m->places);
}

void gs_symbol_records_write(const struct gs_captures *captures, FILE *out,
                             struct gs_symbol_tally *tally)
{
    struct writing *w = gs_xcalloc(1, sizeof(*w));
    const struct gs_chunk_ref *c = captures->chunks;
    memset(tally, 0, sizeof(*tally));
    w->out = out;
    for (size_t first = 0, end = 0; first < captures->n_chunks; first = end) {
        struct image m = {0};
        while (end < captures->n_chunks && c[end].hdr.process_key == c[first].hdr.process_key)
            end++;
        const struct gs_chunk_head *last = &c[end - 1].hdr;
        w->meta = (struct gs_chunk_meta){.process_key = last->process_key,
                                         .gil = GS_NO_GIL,
                                         .chunk_no = last->chunk_no + 1,
                                         .clock_epoch = last->clock_epoch};
        read_image(&m, &c[first], end - first);
        if (last->chunk_no < UINT32_MAX)
            write_image(&m, w, tally);
        free_image(&m);
    }
    free(w);
}
