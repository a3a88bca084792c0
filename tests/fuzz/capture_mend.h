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

static inline size_t gs_mutate_capture(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    unsigned n = gs_mend_count(data, size), kind = gs_mend_random(&seed) % 8;
    size_t at, len;
    if (n == 0 || kind == 0 || !gs_mend_nth_chunk(data, size, gs_mend_random(&seed) % n, &at, &len))
        return LLVMFuzzerMutate(data, size, max);
    if (kind == 1) /* a field of the header */
        LLVMFuzzerMutate(data + at + 4, GS_CHUNK_HDR_LEN - 4, GS_CHUNK_HDR_LEN - 4);
    else if (kind == 2)
        return gs_mutate_order(data, size, max, at, len, gs_mend_random(&seed) % 4 != 0);
    else
        return gs_mutate_payload(data, size, max, at, len);
    return size;
}

#endif
