/* SPDX-License-Identifier: MIT
 * What the files of gs_trace share with each other and with their unit tests; nobody else includes
 * it. Everything here is pure computation on the caller's memory.
 */
#ifndef GS_TRACE_INTERNAL_H
#define GS_TRACE_INTERNAL_H

#include <string.h>

#include "preload/trace/trace_codec.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the codec reads and writes little-endian words in place"
#endif

/* ---- cpu_features.c: which vector paths may run; a few ns, no constructor needed ---- */
bool gs__cpu_has_sse42(void);
bool gs__cpu_has_pclmul(void);
bool gs__cpu_has_avx2(void);

/* ---- crc32c.c ---- */
uint32_t gs__crc32c_table(uint32_t crc, const void *data, size_t len); /* the portable path */

/* ---- block_pack.c: the payload of one block, `words` 32-bit words at any alignment ---- */
struct gs__block_stats {
    uint64_t min, max;
};
/* 32-bit words of n packed values of `width` bits (0..64), both layouts. */
uint32_t gs__packed_words(unsigned width, unsigned n);
struct gs__block_stats gs__block_stats(const uint64_t *v, unsigned n);
/* zz[i] = zig-zag of v[i] - v[i-1], v[-1] being v[0]; returns the OR of all of them. */
uint64_t gs__block_zigzag(const uint64_t *v, unsigned n, uint64_t *zz);
/* Packs v[i] - base; every difference fits `width` bits (1..63). */
void gs__block_pack(const uint64_t *v, unsigned n, uint64_t base, unsigned width, void *out);
/* out[i] = base + packed value; width 0..64. Reads exactly gs__packed_words() words. */
void gs__block_unpack_for(const void *in, unsigned n, uint64_t base, unsigned width, uint64_t *out);
/* The same of up to 32 bits, whose values all fit 32. */
void gs__block_unpack_narrow(const void *in, unsigned n, uint32_t base, unsigned width,
                             uint32_t *out);
/* The same words as zig-zag differences, summed from base. */
void gs__block_unpack_delta(const void *in, unsigned n, uint64_t base, unsigned width,
                            uint64_t *out);

/* ---- block_codec.c: header and words of one block ---- */
/* Picks the smallest codec; returns the bytes written at out, never more than
 * GS_BLOCK_HDR_LEN + 8 * n. zz is room for n values. */
size_t gs__block_encode(enum gs_column_kind kind, const uint64_t *v, unsigned n, uint64_t *zz,
                        uint8_t *out);
struct gs__block {
    struct gs_block_hdr hdr;
    const uint8_t *words; /* as many as the header says */
};
/* A block that must hold n values and end at or before `end`; *in moves behind it. */
enum gs_status gs__block_open(const uint8_t **in, const uint8_t *end, unsigned n,
                              struct gs__block *out);
void gs__block_decode(const struct gs__block *b, uint64_t *out);
/* false: its header does not say that all values fit 32 bits; nothing is decoded. */
bool gs__block_decode_narrow(const struct gs__block *b, uint32_t *out);
/* Whether its header says already that all values are below the limit. */
bool gs__block_is_below(const struct gs__block *b, uint32_t limit);

/* ---- stack_dict.c: stack id -> index in the chunk's dictionary, in order of appearance ---- */
struct gs__stack_dict {
    struct gs_encode_scratch *scratch;
    uint32_t n, cap; /* entries; greatest number of entries */
    uint32_t mask;   /* slots of the hash table - 1 */
};
void gs__stack_dict_init(struct gs__stack_dict *d, struct gs_encode_scratch *s, size_t n_rows);
/* Translates n ids into indexes. false: an id beyond 32 bits, or too many. */
bool gs__stack_dict_map(struct gs__stack_dict *d, const uint64_t *ids, size_t n, uint64_t *idx);

#endif
