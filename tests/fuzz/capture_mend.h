/* SPDX-License-Identifier: MIT
 * For fuzz targets that read whole captures: makes the checksums of mutated bytes right, else every
 * mutation would end at the first CRC; and mutates by items and records rather than by bytes.
 */
#ifndef GS_CAPTURE_MEND_H
#define GS_CAPTURE_MEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "preload/trace/trace_codec.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Length of the chunk that begins here, or 0. */
static inline size_t gs_mend_chunk_len(const uint8_t *p, size_t left)
{
    struct gs_chunk_hdr h;
    if (left < GS_CHUNK_HDR_LEN + GS_CHUNK_TAIL_LEN || memcmp(p, "GSCK", 4) != 0)
        return 0;
    memcpy(&h, p, sizeof(h));
    bool fits = h.total_len <= left && h.total_len >= GS_CHUNK_HDR_LEN + GS_CHUNK_TAIL_LEN;
    return fits ? h.total_len : 0;
}

static inline void gs_mend_seal(uint8_t *p, size_t len)
{
    struct gs_chunk_hdr h;
    const uint32_t end = GS_CHUNK_END;
    uint32_t total = (uint32_t)len;
    memcpy(&h, p, sizeof(h));
    h.total_len = total;
    memcpy(p + len - 8, &total, 4);
    memcpy(p + len - 4, &end, 4);
    h.crc_payload = gs_crc32c(0, p + GS_CHUNK_HDR_LEN, len - GS_CHUNK_HDR_LEN - GS_CHUNK_TAIL_LEN);
    h.crc_header = gs_crc32c(0, &h, offsetof(struct gs_chunk_hdr, crc_header));
    memcpy(p, &h, sizeof(h));
}

/* Makes whatever begins like a chunk a sound one, as far as its lengths allow. */
static inline void gs_mend(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        size_t len = gs_mend_chunk_len(data + i, size - i);
        if (len)
            gs_mend_seal(data + i, len);
    }
}

static inline unsigned gs_mend_random(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

/* The n-th chunk's place, counting from 0; false when there are fewer. */
static inline bool gs_mend_nth_chunk(const uint8_t *data, size_t size, unsigned n, size_t *at,
                                     size_t *len)
{
    for (size_t i = 0; i < size; i++) {
        size_t l = gs_mend_chunk_len(data + i, size - i);
        if (l && n-- == 0) {
            *at = i;
            *len = l;
            return true;
        }
        i += l ? l - 1 : 0;
    }
    return false;
}

static inline unsigned gs_mend_count(const uint8_t *data, size_t size)
{
    unsigned n = 0;
    size_t at, len;
    while (gs_mend_nth_chunk(data, size, n, &at, &len))
        n++;
    return n;
}

/* Grows or shrinks the payload of one chunk by a mutation of it, and moves what follows. */
static inline size_t gs_mutate_payload(uint8_t *data, size_t size, size_t max, size_t at,
                                       size_t len)
{
    size_t payload = len - GS_CHUNK_HDR_LEN - GS_CHUNK_TAIL_LEN, room = max - size + payload;
    size_t rest = size - at - len;
    uint8_t *copy = malloc(room + 1), *after = malloc(rest + 1);
    if (!copy || !after)
        abort();
    memcpy(copy, data + at + GS_CHUNK_HDR_LEN, payload);
    memcpy(after, data + at + len, rest);
    size_t n = LLVMFuzzerMutate(copy, payload, room ? room : 1);
    if (n > room)
        n = room;
    memcpy(data + at + GS_CHUNK_HDR_LEN, copy, n);
    len = GS_CHUNK_HDR_LEN + n + GS_CHUNK_TAIL_LEN;
    gs_mend_seal(data + at, len);
    memcpy(data + at + len, after, rest);
    free(copy);
    free(after);
    return at + len + rest;
}

/* Again, elsewhere, not at all: what a capture of several processes and segments may hold. */
static inline size_t gs_mutate_order(uint8_t *data, size_t size, size_t max, size_t at, size_t len,
                                     bool again)
{
    if (again && size + len <= max) {
        memcpy(data + size, data + at, len);
        return size + len;
    }
    memmove(data + at, data + at + len, size - at - len);
    return size - len;
}

/* ---- one number of one record ---- */

static inline size_t gs_mend_get_leb(const uint8_t *p, size_t left, uint64_t *v)
{
    size_t n = 0;
    *v = 0;
    while (n < left && n < 10) {
        *v |= (uint64_t)(p[n] & 0x7f) << (7 * n);
        if (!(p[n++] & 0x80))
            return n;
    }
    return 0;
}

static inline size_t gs_mend_put_leb(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}

static inline uint64_t gs_mend_edge(unsigned *seed, uint64_t was)
{
    static const uint64_t edges[] = {0,          1,          999,           1000,       4096,
                                     0x7fffffff, 0xffffffff, 0x100000000,   1ull << 62, INT64_MAX,
                                     1ull << 63, UINT64_MAX, UINT64_MAX - 1};
    unsigned k = gs_mend_random(seed) % 16;
    return k < 13 ? edges[k] : k == 13 ? was + 1 : k == 14 ? was - 1 : was << 1;
}

/* Where the n-th record begins and what it is; false when there are fewer. */
struct gs_mend_record {
    size_t at, head, len; /* head: its tag alone */
    size_t body;          /* where its payload begins */
};
static inline bool gs_mend_nth_record(const uint8_t *p, size_t size, unsigned n,
                                      struct gs_mend_record *out)
{
    for (size_t i = 0; i < size;) {
        uint64_t v;
        size_t tag = gs_mend_get_leb(p + i, size - i, &v);
        size_t length = tag ? gs_mend_get_leb(p + i + tag, size - i - tag, &v) : 0;
        if (!length || v > size - i - tag - length)
            return false;
        *out = (struct gs_mend_record){i, tag, (size_t)v, i + tag + length};
        if (n-- == 0)
            return true;
        i = out->body + (size_t)v;
    }
    return false;
}

/* Replaces a number in the record at r; returns the new length of all records, in `out`. */
static inline size_t gs_mend_replace(const uint8_t *p, size_t size, const struct gs_mend_record *r,
                                     unsigned *seed, uint8_t *out)
{
    size_t from = r->body, end = r->body + r->len, used = 0, n = 0;
    uint64_t v = 0;
    uint8_t leb[10];
    for (unsigned skip = gs_mend_random(seed) % 18; from < end; from += n) {
        n = gs_mend_get_leb(p + from, end - from, &v);
        if (!n || skip-- == 0)
            break;
    }
    if (from >= end) /* one more than it had */
        n = 0;
    size_t new_len = gs_mend_put_leb(leb, gs_mend_edge(seed, v));
    memcpy(out, p, r->at + r->head);
    used = r->at + r->head + gs_mend_put_leb(out + r->at + r->head, r->len - n + new_len);
    memcpy(out + used, p + r->body, from - r->body);
    used += from - r->body;
    memcpy(out + used, leb, new_len);
    used += new_len;
    memcpy(out + used, p + from + n, size - from - n);
    return used + size - from - n;
}

static inline size_t gs_mutate_record(uint8_t *data, size_t size, size_t max, size_t at, size_t len,
                                      unsigned *seed)
{
    const size_t around = GS_CHUNK_HDR_LEN + GS_CHUNK_TAIL_LEN, payload = len - around;
    struct gs_mend_record r;
    uint8_t *p = data + at + GS_CHUNK_HDR_LEN;
    unsigned n = 0;
    while (gs_mend_nth_record(p, payload, n, &r))
        n++;
    if (n == 0 || size + 24 > max || !gs_mend_nth_record(p, payload, gs_mend_random(seed) % n, &r))
        return 0;
    uint8_t *copy = malloc(payload + 24), *after = malloc(size - at - len + 1);
    if (!copy || !after)
        abort();
    memcpy(after, data + at + len, size - at - len);
    size_t got = gs_mend_replace(p, payload, &r, seed, copy), rest = size - at - len;
    memcpy(p, copy, got);
    gs_mend_seal(data + at, got + around);
    memcpy(data + at + got + around, after, rest);
    free(copy);
    free(after);
    return at + got + around + rest;
}

static inline size_t gs_mutate_capture(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    unsigned n = gs_mend_count(data, size), kind = gs_mend_random(&seed) % 8;
    size_t at, len;
    if (n == 0 || kind == 0 || !gs_mend_nth_chunk(data, size, gs_mend_random(&seed) % n, &at, &len))
        return LLVMFuzzerMutate(data, size, max);
    if (kind >= 5 && data[at + offsetof(struct gs_chunk_hdr, stream)] == GS_STREAM_RECORDS) {
        size_t got = gs_mutate_record(data, size, max, at, len, &seed);
        if (got)
            return got;
    }
    if (kind == 1) /* a field of the header */
        LLVMFuzzerMutate(data + at + 4, GS_CHUNK_HDR_LEN - 4, GS_CHUNK_HDR_LEN - 4);
    else if (kind == 2)
        return gs_mutate_order(data, size, max, at, len, gs_mend_random(&seed) % 4 != 0);
    else
        return gs_mutate_payload(data, size, max, at, len);
    return size;
}

#endif
