/* SPDX-License-Identifier: MIT
 * Tagged records: LEB128 tag, LEB128 payload length, payload.
 */
#include "preload/trace/trace_internal.h"

#define LEB_MAX 10 /* bytes of a 64-bit LEB128 */

static size_t leb_encode(uint8_t *out, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

static bool leb_decode_long(const uint8_t **pos, const uint8_t *end, uint64_t *v)
{
    const uint8_t *p = *pos;

    *v = 0;
    for (unsigned shift = 0; p < end && shift < 7 * LEB_MAX; shift += 7) {
        uint8_t byte = *p++;

        if (shift == 63 && byte > 1)
            return false;
        *v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *pos = p;
            return true;
        }
    }
    return false;
}

/* Moves *pos behind the number. false: it runs past `end` or does not fit 64 bits. Most numbers are
 * of one byte or two. */
static inline bool leb_decode(const uint8_t **pos, const uint8_t *end, uint64_t *v)
{
    const uint8_t *p = *pos;

    if (end - p < 2)
        return leb_decode_long(pos, end, v);
    if (p[0] < 0x80) {
        *v = p[0];
        *pos = p + 1;
        return true;
    }
    if (p[1] < 0x80) {
        *v = (uint64_t)(p[0] & 0x7f) | (uint64_t)p[1] << 7;
        *pos = p + 2;
        return true;
    }
    return leb_decode_long(pos, end, v);
}

/* ---- writing ---- */

void gs_record_writer_init(struct gs_record_writer *w, void *buf, size_t cap)
{
    *w = (struct gs_record_writer){.buf = buf, .cap = cap};
}

static bool has_room(const struct gs_record_writer *w, size_t n)
{
    return !w->overflow && w->cap - w->len >= n;
}

/* Takes the open record back. The byte before its payload, where the length will stand, holds the
 * length of its tag until then. */
static void take_back(struct gs_record_writer *w)
{
    if (!w->overflow)
        w->len = w->start - 1 - w->buf[w->start - 1];
    w->overflow = true;
}

void gs_record_begin(struct gs_record_writer *w, uint32_t tag)
{
    uint8_t leb[LEB_MAX];
    size_t n = leb_encode(leb, tag);

    if (!has_room(w, n + 1)) {
        w->overflow = true;
        return;
    }
    memcpy(w->buf + w->len, leb, n);
    w->buf[w->len + n] = (uint8_t)n;
    w->len += n + 1;
    w->start = w->len;
}

static void put_raw(struct gs_record_writer *w, const void *p, size_t len)
{
    if (!has_room(w, len)) {
        take_back(w);
        return;
    }
    if (len)
        memcpy(w->buf + w->len, p, len);
    w->len += len;
}

void gs_record_put_u(struct gs_record_writer *w, uint64_t v)
{
    uint8_t leb[LEB_MAX];

    put_raw(w, leb, leb_encode(leb, v));
}

void gs_record_put_z(struct gs_record_writer *w, int64_t v)
{
    gs_record_put_u(w, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

void gs_record_put_bytes(struct gs_record_writer *w, const void *p, size_t len)
{
    gs_record_put_u(w, len);
    put_raw(w, p, len);
}

bool gs_record_end(struct gs_record_writer *w)
{
    uint8_t leb[LEB_MAX];
    size_t payload, n;

    if (w->overflow)
        return false;
    payload = w->len - w->start;
    n = leb_encode(leb, payload);
    if (!has_room(w, n - 1)) {
        take_back(w);
        return false;
    }
    if (n > 1) /* one byte was kept free for the length */
        memmove(w->buf + w->start + n - 1, w->buf + w->start, payload);
    memcpy(w->buf + w->start - 1, leb, n);
    w->len += n - 1;
    return true;
}

/* ---- reading ---- */

bool gs_record_next(const uint8_t **cursor, const uint8_t *end, struct gs_record *out,
                    enum gs_status *status)
{
    const uint8_t *p = *cursor;
    uint64_t tag, len;

    *status = GS_OK;
    if (p >= end)
        return false;
    if (!leb_decode(&p, end, &tag) || tag > UINT32_MAX || !leb_decode(&p, end, &len) ||
        len > (uint64_t)(end - p)) {
        *status = GS_ERR_CORRUPT;
        return false;
    }
    *out = (struct gs_record){.tag = (uint32_t)tag, .pos = p, .end = p + len};
    *cursor = p + len;
    return true;
}

/* A malformed field ends its record: it and all after it read as 0. */
uint64_t gs_record_get_u(struct gs_record *r)
{
    uint64_t v;

    if (leb_decode(&r->pos, r->end, &v))
        return v;
    r->pos = r->end;
    return 0;
}

int64_t gs_record_get_z(struct gs_record *r)
{
    uint64_t v = gs_record_get_u(r);

    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

const uint8_t *gs_record_get_bytes(struct gs_record *r, size_t *len)
{
    uint64_t n = gs_record_get_u(r);
    const uint8_t *p = r->pos;

    if (n > (uint64_t)(r->end - r->pos)) {
        r->pos = r->end;
        n = 0;
    } else {
        r->pos += n;
    }
    *len = (size_t)n;
    return p;
}
