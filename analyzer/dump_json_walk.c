/* SPDX-License-Identifier: MIT
 * Goes over a capture as tests/py/decode_trace.py does, and names everything that is not sound. Its
 * own walk, apart from trace_walk.c: it shows what the format says, that one saves what it can.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/dump.h"
#include "analyzer/idmap.h"
#include "analyzer/xalloc.h"

struct process_chunks {
    struct gs_idmap numbers; /* seen of one process */
};
struct walk {
    const uint8_t *data;
    size_t len;
    FILE *out;
    struct gs_idmap keys; /* process key -> processes[] */
    struct process_chunks *processes;
    size_t n_processes, cap_processes;
    bool any_item;
};

enum found { FOUND_NOTHING, FOUND_FILE, FOUND_CHUNK };
struct item {
    size_t off, len;
    enum gs_status file_status; /* GS_ERR_VERSION, GS_ERR_FEATURE: refused */
    struct gs_file_hdr file;
    struct gs_chunk_hdr chunk;
};

static bool tail_is_good(const uint8_t *chunk, const struct gs_chunk_hdr *h)
{
    uint32_t tail[2];
    memcpy(tail, chunk + h->total_len - sizeof(tail), sizeof(tail));
    return tail[0] == h->total_len && tail[1] == GS_CHUNK_END;
}

/* A file header or chunk whose frame is good. */
static enum found recognise(const struct walk *w, size_t off, struct item *it)
{
    const uint8_t *p = w->data + off;
    size_t left = w->len - off;
    it->off = off;
    it->file_status = gs_file_hdr_decode(p, left, &it->file);
    if (it->file_status == GS_OK || it->file_status == GS_ERR_VERSION ||
        it->file_status == GS_ERR_FEATURE) {
        it->len = it->file.header_len;
        return FOUND_FILE;
    }
    if (gs_chunk_hdr_decode(p, left, &it->chunk) != GS_OK || !tail_is_good(p, &it->chunk))
        return FOUND_NOTHING;
    it->len = it->chunk.total_len;
    return FOUND_CHUNK;
}

/* ---- damage ---- */
static void put_where(const struct walk *w, const char *kind, const char *what, size_t off,
                      size_t len)
{
    fprintf(w->out, "{\"%s\":\"%s\",\"offset\":%zu,\"length\":%zu", kind, what, off, len);
}

static void put_damaged_chunk(const struct walk *w, const char *what, const struct item *it)
{
    put_where(w, "damage", what, it->off, it->len);
    fprintf(w->out,
            ",\"chunk\":%" PRIu32 ",\"stream\":%u,\"rows\":%" PRIu32 ",\"seq0\":%" PRIu64
            ",\"seq1\":%" PRIu64 "}\n",
            it->chunk.chunk_no, it->chunk.stream, it->chunk.n_rows, it->chunk.seq0, it->chunk.seq1);
}

/* Does a file header or a chunk begin here and end behind the end of the input? */
static bool is_cut_off(const struct walk *w, size_t off)
{
    struct gs_file_hdr file;
    struct gs_chunk_hdr chunk;
    const uint8_t *p = w->data + off;
    size_t left = w->len - off;
    return gs_file_hdr_decode(p, left, &file) == GS_ERR_TRUNCATED ||
           gs_chunk_hdr_decode(p, left, &chunk) == GS_ERR_TRUNCATED;
}

static size_t next_item(const struct walk *w, size_t off)
{
    struct item it;
    while (off < w->len) {
        const uint8_t *g = memchr(w->data + off, 'G', w->len - off);
        if (!g)
            return w->len;
        off = (size_t)(g - w->data);
        if (recognise(w, off, &it) != FOUND_NOTHING)
            return off;
        off++;
    }
    return w->len;
}

static size_t put_damaged_run(const struct walk *w, size_t off)
{
    size_t end = next_item(w, off + 1);
    bool torn = end == w->len && is_cut_off(w, off);
    put_where(w, "damage", torn ? "torn" : "bytes", off, end - off);
    fputs("}\n", w->out);
    return end;
}

/* ---- chunk numbers ---- */
static struct process_chunks *process_of(struct walk *w, uint64_t key)
{
    uint32_t at = gs_idmap_add(&w->keys, key);
    if (at == w->n_processes)
        GS_PUSH(w->processes, w->n_processes, w->cap_processes, (struct process_chunks){0});
    return &w->processes[at];
}

/* False if the number was there before. */
static bool note_number(struct process_chunks *p, uint32_t number)
{
    size_t before = p->numbers.n;
    return gs_idmap_add(&p->numbers, number) == before;
}

static int ascending(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;
    return *a < *b ? -1 : *a > *b;
}

/* Puts the numbers in order, so that the map is of no use any more. */
static void put_lost_of(const struct walk *w, uint64_t key, struct gs_idmap *numbers)
{
    uint64_t expected = 0;
    qsort(numbers->keys, numbers->n, sizeof(*numbers->keys), ascending);
    for (size_t k = 0; k < numbers->n; k++) {
        uint64_t number = numbers->keys[k];
        if (number > expected)
            fprintf(w->out,
                    "{\"damage\":\"lost_chunks\",\"process_key\":%" PRIu64 ",\"first\":%" PRIu64
                    ",\"count\":%" PRIu64 "}\n",
                    key, expected, number - expected);
        expected = number + 1;
    }
}

static void put_lost_chunks(const struct walk *w)
{
    for (size_t i = 0; i < w->n_processes; i++)
        put_lost_of(w, w->keys.keys[i], &w->processes[i].numbers);
}

/* ---- items ---- */
static const char *skip_reason(struct walk *w, const struct gs_chunk_hdr *h)
{
    if (!note_number(process_of(w, h->process_key), h->chunk_no))
        return "duplicate";
    if (h->flags)
        return "flags";
    return gs_stream_desc(h->stream) ? NULL : "stream";
}

static void put_chunk(struct walk *w, const struct item *it)
{
    const uint8_t *p = w->data + it->off;
    if (gs_chunk_check_payload(p, &it->chunk) != GS_OK) {
        put_damaged_chunk(w, "crc_payload", it);
        return;
    }
    const char *why = skip_reason(w, &it->chunk);
    if (why) {
        put_where(w, "skipped", why, it->off, it->len);
        fprintf(w->out, ",\"chunk\":%" PRIu32 ",\"stream\":%u}\n", it->chunk.chunk_no,
                it->chunk.stream);
    } else if (!gs_dump_json_chunk(p, &it->chunk, w->out)) {
        put_damaged_chunk(w, "corrupt", it);
    }
}

/* False if the rest must not be read. */
static bool put_file_hdr(const struct walk *w, const struct item *it)
{
    fprintf(w->out,
            "{\"file_header\":{\"major\":%u,\"minor\":%u,\"feat_compat\":%" PRIu32
            ",\"feat_incompat\":%" PRIu32 ",\"feat_ro\":%" PRIu32 ",\"process_key\":%" PRIu64
            ",\"created_unix_ns\":%" PRId64 "}}\n",
            it->file.major, it->file.minor, it->file.feat_compat, it->file.feat_incompat,
            it->file.feat_ro, it->file.process_key, it->file.created_unix_ns);
    if (it->file_status == GS_OK)
        return true;
    fprintf(w->out, "{\"refused\":\"%s\",\"offset\":%zu}\n",
            it->file_status == GS_ERR_VERSION ? "version" : "feature", it->off);
    return false;
}

static bool walk_all(struct walk *w)
{
    struct item it;
    for (size_t off = 0; off < w->len && !ferror(w->out);) {
        enum found found = w->data[off] ? recognise(w, off, &it) : FOUND_NOTHING;
        if (w->data[off] == 0) { /* padding */
            off++;
            continue;
        }
        if (found == FOUND_NOTHING) {
            off = put_damaged_run(w, off);
            continue;
        }
        w->any_item = true;
        if (found == FOUND_CHUNK)
            put_chunk(w, &it);
        else if (!put_file_hdr(w, &it))
            return false;
        off += it.len;
    }
    return true;
}

bool gs_dump_json(const uint8_t *data, size_t len, FILE *out)
{
    struct walk w = {.data = data, .len = len, .out = out};
    bool accepted = walk_all(&w);
    if (accepted && len && !w.any_item) {
        fputs("{\"refused\":\"magic\",\"offset\":0}\n", out);
        accepted = false;
    } else if (accepted) {
        put_lost_chunks(&w);
    }
    for (size_t i = 0; i < w.n_processes; i++)
        gs_idmap_free(&w.processes[i].numbers);
    free(w.processes);
    gs_idmap_free(&w.keys);
    return accepted;
}
