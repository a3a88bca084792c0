/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "analyzer/trace_reader.h"

/* A hostile file may hold a valid header every 128 bytes, each claiming 4 MiB of payload. Checking
 * them all would cost 32,768 times the file, so failed payloads are paid from a budget; when it is
 * spent, a chunk with a bad payload is skipped by its length. */
#define SEARCH_FACTOR 16
#define SEARCH_FLOOR  (64u << 20)

void gs_walk_init(struct gs_walk *w, const void *data, size_t len)
{
    memset(w, 0, sizeof(*w));
    w->data = data;
    w->len = len;
    w->search_budget = SEARCH_FLOOR + SEARCH_FACTOR * (uint64_t)len;
}

static enum gs_status try_file_hdr(const struct gs_walk *w, size_t pos, struct gs_walk_item *it)
{
    enum gs_status s = gs_file_hdr_decode(w->data + pos, w->len - pos, &it->file);
    if (s != GS_OK)
        return s;
    it->kind = GS_WALK_FILE_HDR;
    it->len = GS_FILE_HDR_LEN;
    return GS_OK;
}

static bool is_known(const struct gs_chunk_hdr *h)
{
    return h->flags == 0 && gs_stream_desc(h->stream) != NULL;
}

static enum gs_status try_chunk(struct gs_walk *w, size_t pos, struct gs_walk_item *it)
{
    enum gs_status s = gs_chunk_hdr_decode(w->data + pos, w->len - pos, &it->chunk);
    if (s != GS_OK)
        return s;
    it->len = it->chunk.total_len;
    s = gs_chunk_check_payload(w->data + pos, &it->chunk);
    if (s != GS_OK) {
        uint64_t cost = it->chunk.total_len;
        w->search_budget -= cost < w->search_budget ? cost : w->search_budget;
        return s;
    }
    it->kind = is_known(&it->chunk) ? GS_WALK_CHUNK : GS_WALK_UNKNOWN;
    return GS_OK;
}

/* Is there something sound at pos? A file header of another version is sound too: it must be
 * refused, not skipped. */
static enum gs_status try_item(struct gs_walk *w, size_t pos, struct gs_walk_item *it)
{
    memset(it, 0, sizeof(*it));
    it->off = pos;
    it->data = w->data + pos;
    enum gs_status s = try_file_hdr(w, pos, it);
    if (s == GS_ERR_VERSION || s == GS_ERR_FEATURE) {
        it->kind = GS_WALK_FILE_HDR;
        it->len = GS_FILE_HDR_LEN;
        it->status = s;
        return GS_OK;
    }
    return s == GS_OK ? s : try_chunk(w, pos, it);
}

/* Next position >= pos where one of the two magics begins; len at the end. */
static size_t next_candidate(const struct gs_walk *w, size_t pos)
{
    while (pos < w->len) {
        const uint8_t *g = memchr(w->data + pos, 'G', w->len - pos);
        if (!g)
            return w->len;
        size_t at = (size_t)(g - w->data), left = w->len - at;
        if (left >= 4 && (memcmp(g, "GSCK", 4) == 0 || memcmp(g, "GILS", 4) == 0))
            return at;
        pos = at + 1;
    }
    return w->len;
}

static void skip_damage(struct gs_walk *w, struct gs_walk_item *out, enum gs_status why,
                        size_t resume)
{
    size_t start = w->pos, pos = resume;
    struct gs_walk_item probe;
    for (;;) {
        pos = next_candidate(w, pos);
        if (pos >= w->len || try_item(w, pos, &probe) == GS_OK)
            break;
        pos += w->search_budget == 0 && probe.len > 0 ? (size_t)probe.len : 1;
        if (pos > w->len)
            pos = w->len;
    }
    memset(out, 0, sizeof(*out));
    out->kind = GS_WALK_DAMAGED;
    out->status = why;
    out->off = start;
    out->len = pos - start;
    out->data = w->data + start;
    w->pos = pos;
}

bool gs_walk_next(struct gs_walk *w, struct gs_walk_item *out)
{
    if (w->pos >= w->len)
        return false;
    enum gs_status s = try_item(w, w->pos, out);
    if (s != GS_OK) {
        skip_damage(w, out, s, w->pos + 1);
        return true;
    }
    w->pos += out->len;
    return true;
}
