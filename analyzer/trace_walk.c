/* SPDX-License-Identifier: MIT
 * TRACE_FORMAT.md §7: the walk over items, and the way back to them after damage. Checks go from
 * cheap to dear (magic, header checksum, tail, payload checksum), and a payload is checked only
 * where header and tail agree, so hostile input cannot make the search slow.
 */
#include <string.h>

#include "analyzer/trace_reader.h"

void gs_walk_init(struct gs_walk *w, const void *data, size_t len)
{
    memset(w, 0, sizeof(*w));
    w->data = data;
    w->len = len;
}

/* A good file header that must be refused is an item too: the caller has to see it. */
static bool take_file_hdr(const struct gs_walk *w, size_t pos, struct gs_walk_item *it)
{
    enum gs_status s = gs_file_hdr_decode(w->data + pos, w->len - pos, &it->file);
    bool refused = s == GS_ERR_VERSION || s == GS_ERR_FEATURE;
    it->status = s;
    if (s != GS_OK && !refused)
        return false;
    it->kind = GS_WALK_FILE_HDR;
    it->len = refused ? GS_FILE_HDR_LEN : it->file.header_len;
    return true;
}

static bool is_known(const struct gs_chunk_hdr *h)
{
    return h->flags == 0 && gs_stream_desc(h->stream) != NULL;
}

/* A chunk with a good frame; unsound ones too, they say what is lost. */
static bool take_chunk(const struct gs_walk *w, size_t pos, struct gs_walk_item *it)
{
    it->status = gs_chunk_hdr_decode(w->data + pos, w->len - pos, &it->chunk);
    if (it->status != GS_OK)
        return false;
    it->status = gs_chunk_check_payload(w->data + pos, &it->chunk);
    if (it->status != GS_OK && it->status != GS_ERR_CRC)
        return false; /* the tail is wrong: the length cannot be believed */
    it->len = it->chunk.total_len;
    it->has_chunk = true;
    if (it->status != GS_OK)
        it->kind = GS_WALK_DAMAGED;
    else
        it->kind = is_known(&it->chunk) ? GS_WALK_CHUNK : GS_WALK_UNKNOWN;
    return true;
}

static bool take_item(const struct gs_walk *w, size_t pos, struct gs_walk_item *it)
{
    memset(it, 0, sizeof(*it));
    it->off = pos;
    it->data = w->data + pos;
    if (w->data[pos] != 'G')
        it->status = GS_ERR_MAGIC;
    return it->status == GS_OK && (take_file_hdr(w, pos, it) || take_chunk(w, pos, it));
}

static void skip_damage(struct gs_walk *w, struct gs_walk_item *out, enum gs_status why)
{
    size_t start = w->pos, pos = start + 1;
    struct gs_walk_item probe;
    while (pos < w->len) {
        const uint8_t *g = memchr(w->data + pos, 'G', w->len - pos);
        pos = g ? (size_t)(g - w->data) : w->len;
        if (!g || take_item(w, pos, &probe))
            break;
        pos++;
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
    while (w->pos < w->len && w->data[w->pos] == 0)
        w->pos++; /* padding */
    if (w->pos >= w->len)
        return false;
    if (take_item(w, w->pos, out))
        w->pos += out->len;
    else
        skip_damage(w, out, out->status);
    return true;
}
