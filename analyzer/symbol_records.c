/* SPDX-License-Identifier: MIT */
#include "analyzer/symbol_records.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/parallel.h"
#include "analyzer/records.h"
#include "analyzer/symbols/symbols.h"
#include "analyzer/xalloc.h"

/* Of records. A chain is 32 functions at most, and names and files are 1,000 bytes each. */
#define CHUNK_BYTES (256u << 10)
#define CHAIN_BYTES (80u << 10)
#define MAX_PLACES  (8u << 20) /* of one process image; real programs have thousands */

struct place {
    uint32_t module;
    uint64_t offset;
};
struct image { /* one process image */
    uint32_t pid;
    int64_t began_unix_ns;
    struct gs_record *modules; /* NATIVE_MODULE records, where they lie */
    size_t n_modules, cap_modules;
    struct gs_idmap offsets, place_map, recorded; /* recorded: places[] that have SYMBOL records */
    struct place *places;
    size_t n_places, cap_places;
    uint64_t left_out;
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
    if (!m->began_unix_ns) {
        m->pid = pid;
        m->began_unix_ns = gs_record_get_z(rec);
    }
}

static void on_stack(struct image *m, struct gs_record *rec)
{
    for (int i = 0; i < 3; i++)
        gs_record_get_u(rec); /* stack, python_stack, truncated */
    for (uint64_t n = gs_record_get_u(rec); n > 0 && rec->pos < rec->end; n--)
        gs_record_get_u(rec); /* runs */
    for (uint64_t n = gs_record_get_u(rec); n > 0 && rec->pos < rec->end; n--) {
        uint32_t module = gs__record_u32(rec);
        uint64_t offset = gs_record_get_u(rec);
        if (m->n_places < MAX_PLACES)
            place_at(m, module, offset);
        else
            m->left_out++;
    }
}

static void on_symbol(struct image *m, struct gs_record *rec)
{
    uint32_t module = gs__record_u32(rec);
    if (m->n_places < MAX_PLACES)
        gs_idmap_add(&m->recorded, place_at(m, module, gs_record_get_u(rec)));
}

static void read_chunk(struct image *m, const struct gs_chunk_ref *c)
{
    struct gs_chunk_hdr h;
    struct gs_record rec;
    enum gs_status status = gs_chunk_header(c, &h) ? GS_OK : GS_ERR_CORRUPT;
    const uint8_t *cursor = c->data + (status == GS_OK ? h.header_len : c->hdr.total_len);
    const uint8_t *end = c->data + c->hdr.total_len - GS_CHUNK_TAIL_LEN;
    while (status == GS_OK && gs_record_next(&cursor, end, &rec, &status)) {
        if (rec.tag == GS_RECORD_PROCESS)
            on_process(m, &rec);
        else if (rec.tag == GS_RECORD_NATIVE_MODULE)
            GS_PUSH(m->modules, m->n_modules, m->cap_modules, rec);
        else if (rec.tag == GS_RECORD_NATIVE_STACK)
            on_stack(m, &rec);
        else if (rec.tag == GS_RECORD_SYMBOL)
            on_symbol(m, &rec);
    }
}

static void add_module(struct gs_symbols *s, struct gs_record rec)
{
    size_t build_id_len;
    uint32_t module = gs__record_u32(&rec);
    for (int i = 0; i < 4; i++)
        gs_record_get_u(&rec); /* t, start, end, bias */
    const uint8_t *build_id = gs_record_get_bytes(&rec, &build_id_len);
    char *path = gs__record_string(&rec);
    gs_symbols_add_module(s, module, build_id, build_id_len, path);
    free(path);
}

static struct gs_symbols *new_symbols(const struct image *m)
{
    struct gs_symbols *s = gs_symbols_new(m->pid, m->began_unix_ns);
    for (size_t i = 0; i < m->n_modules; i++)
        add_module(s, m->modules[i]);
    return s;
}

/* ---- looking up: parts of the places side by side ---- */

#define PART_PLACES 16384u

struct block { /* a chunk that has no number yet */
    uint8_t *chunk;
    size_t len; /* of records */
    uint32_t n_records;
};
struct part {
    struct block *blocks;
    size_t n, cap;
    uint64_t named;
};
struct work {
    const struct image *image;
    size_t n_places;
    struct gs_symbols **symbols; /* of each worker: libdw's handles are one thread's */
    struct part *parts;
};

static void begin_block(struct gs_record_writer *w, struct part *part)
{
    struct block block = {.chunk =
                              gs_xmalloc(GS_CHUNK_HDR_LEN + CHUNK_BYTES + GS_CHUNK_TAIL_LEN, 1)};
    GS_PUSH(part->blocks, part->n, part->cap, block);
    gs_record_writer_init(w, block.chunk + GS_CHUNK_HDR_LEN, CHUNK_BYTES);
}

/* A chain is in one chunk: read in part it would be another. */
static void put_place(struct gs_record_writer *w, struct part *part, const struct place *at,
                      const struct gs_symbol *chain, size_t n)
{
    if (!part->n || CHUNK_BYTES - w->len < CHAIN_BYTES)
        begin_block(w, part);
    struct block *block = &part->blocks[part->n - 1];
    for (size_t i = 0; i < n; i++) {
        gs_record_begin(w, GS_RECORD_SYMBOL);
        gs_record_put_u(w, at->module);
        gs_record_put_u(w, at->offset);
        gs_record_put_u(w, i);
        gs_record_put_bytes(w, chain[i].function, strlen(chain[i].function));
        gs_record_put_bytes(w, chain[i].file, strlen(chain[i].file));
        gs_record_put_z(w, chain[i].line);
        block->n_records += gs_record_end(w);
    }
    block->len = w->len;
}

static void look_up_part(void *ctx, unsigned worker, size_t i)
{
    struct work *work = ctx;
    const struct image *m = work->image;
    size_t end = (i + 1) * PART_PLACES, n;
    struct gs_record_writer w;
    if (!work->symbols[worker])
        work->symbols[worker] = new_symbols(m);
    for (size_t k = i * PART_PLACES; k < end && k < work->n_places; k++) {
        const struct gs_symbol *chain =
            gs_symbols_at(work->symbols[worker], m->places[k].module, m->places[k].offset, &n);
        if (n)
            put_place(&w, &work->parts[i], &m->places[k], chain, n);
        work->parts[i].named += n > 0;
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

/* ---- writing ---- */

static void write_part(struct part *part, struct gs_chunk_meta *meta, FILE *out)
{
    size_t room = GS_CHUNK_HDR_LEN + CHUNK_BYTES + GS_CHUNK_TAIL_LEN, len;
    for (size_t i = 0; i < part->n; i++) {
        struct block *b = &part->blocks[i];
        if (meta->chunk_no < UINT32_MAX &&
            gs_chunk_seal_records(meta, b->n_records, b->chunk, room, b->len, &len) == GS_OK) {
            fwrite(b->chunk, 1, len, out);
            meta->chunk_no++;
        }
        free(b->chunk);
    }
    free(part->blocks);
}

static void write_image(struct image *m, struct gs_chunk_meta *meta, FILE *out,
                        struct gs_symbol_tally *tally)
{
    size_t n = drop_recorded(m), n_parts = (n + PART_PLACES - 1) / PART_PLACES;
    unsigned workers = gs_parallel_workers(0, n_parts);
    struct work work = {.image = m, .n_places = n};
    work.symbols = gs_xcalloc(workers, sizeof(struct gs_symbols *));
    work.parts = gs_xcalloc(n_parts, sizeof(*work.parts));
    if (n)
        gs_parallel(workers, n_parts, look_up_part, &work);
    tally->places += m->n_places;
    tally->were_there += m->n_places - n;
    tally->left_out += m->left_out;
    for (size_t i = 0; i < n_parts; i++) {
        tally->named += work.parts[i].named;
        write_part(&work.parts[i], meta, out);
    }
    for (unsigned i = 0; i < workers; i++)
        gs_symbols_free(work.symbols[i]);
    free(work.symbols);
    free(work.parts);
}

static void free_image(struct image *m)
{
    gs_idmap_free(&m->offsets);
    gs_idmap_free(&m->place_map);
    gs_idmap_free(&m->recorded);
    free(m->modules);
    free(m->places);
}

void gs_symbol_records_write(const struct gs_captures *captures, FILE *out,
                             struct gs_symbol_tally *tally)
{
    const struct gs_chunk_ref *c = captures->chunks;
    memset(tally, 0, sizeof(*tally));
    for (size_t first = 0, end = 0; first < captures->n_chunks; first = end) {
        struct image m = {0};
        while (end < captures->n_chunks && c[end].hdr.process_key == c[first].hdr.process_key)
            end++;
        const struct gs_chunk_head *last = &c[end - 1].hdr;
        struct gs_chunk_meta meta = {.process_key = last->process_key,
                                     .gil = GS_NO_GIL,
                                     .chunk_no = last->chunk_no + 1,
                                     .clock_epoch = last->clock_epoch};
        for (size_t i = first; i < end; i++)
            if (c[i].state == GS_CHUNK_SOUND && c[i].hdr.stream == GS_STREAM_RECORDS)
                read_chunk(&m, &c[i]);
        if (last->chunk_no < UINT32_MAX)
            write_image(&m, &meta, out, tally);
        free_image(&m);
    }
}
