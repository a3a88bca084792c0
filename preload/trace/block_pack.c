/* SPDX-License-Identifier: MIT
 * Bit packing of one block. A full block (1024 values) lies in 32 lanes: value r*32+l is the r-th
 * number of lane l, and word k of lane l stands at [k*32+l]. So one shift count serves 32 values
 * side by side, for a vector unit as for a warp. A shorter block is one run of bits.
 *
 * Above 32 bits a block has two parts: all low 32-bit halves, then the high parts. The loops stay
 * 32-bit that way; such widths are rare.
 *
 * The hot functions exist twice, for SSE2 and for AVX2, and are chosen by a plain branch.
 */
#include "preload/trace/trace_internal.h"

#define LANES         32u
#define ROWS          (GS_BLOCK_ROWS / LANES)

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Words in a chunk: any alignment, any declared type. */
typedef uint32_t word_t __attribute__((aligned(1), may_alias));

ALWAYS_INLINE uint32_t low_mask(unsigned width)
{
    return width >= 32 ? UINT32_MAX : (1u << width) - 1;
}

uint32_t gs__packed_words(unsigned width, unsigned n)
{
    if (width > 32)
        return n + gs__packed_words(width - 32, n);
    return (n * width + 31) / 32;
}

/* ---- 32 lanes ---- */

ALWAYS_INLINE void lanes_pack(const uint32_t *v, unsigned width, word_t *out)
{
    for (unsigned r = 0; r < ROWS; r++, v += LANES) {
        unsigned s = r * width & 31;
        word_t *w = out + (r * width >> 5) * LANES;

        if (s == 0)
            for (unsigned l = 0; l < LANES; l++)
                w[l] = v[l];
        else
            for (unsigned l = 0; l < LANES; l++)
                w[l] |= v[l] << s;
        if (s + width > 32)
            for (unsigned l = 0; l < LANES; l++)
                w[l + LANES] = v[l] >> (32 - s);
    }
}

/* One row of 32 values. */
ALWAYS_INLINE void lanes_row(const word_t *in, unsigned width, unsigned r, uint32_t *out)
{
    uint32_t mask = low_mask(width);
    unsigned s = r * width & 31;
    const word_t *w = in + (r * width >> 5) * LANES;

    if (s + width <= 32)
        for (unsigned l = 0; l < LANES; l++)
            out[l] = w[l] >> s & mask;
    else
        for (unsigned l = 0; l < LANES; l++)
            out[l] = (w[l] >> s | w[l + LANES] << (32 - s)) & mask;
}

/* ---- one run of bits, least significant first ---- */

static void run_pack(const uint32_t *v, unsigned n, unsigned width, word_t *out)
{
    uint64_t acc = 0;
    unsigned have = 0;

    for (unsigned i = 0; i < n; i++) {
        acc |= (uint64_t)v[i] << have;
        have += width;
        if (have >= 32) {
            *out++ = (uint32_t)acc;
            acc >>= 32;
            have -= 32;
        }
    }
    if (have)
        *out = (uint32_t)acc;
}

static void run_unpack(const word_t *in, unsigned n, unsigned width, uint32_t *out)
{
    uint32_t mask = low_mask(width);
    uint64_t acc = 0;
    unsigned have = 0;

    for (unsigned i = 0; i < n; i++) {
        if (have < width) {
            acc |= (uint64_t)*in++ << have;
            have += 32;
        }
        out[i] = (uint32_t)acc & mask;
        acc >>= width;
        have -= width;
    }
}

/* ---- both layouts ---- */

ALWAYS_INLINE void part_pack(const uint32_t *v, unsigned n, unsigned width, word_t *out)
{
    if (n == GS_BLOCK_ROWS)
        lanes_pack(v, width, out);
    else
        run_pack(v, n, width, out);
}

ALWAYS_INLINE void block_pack(const uint64_t *v, unsigned n, uint64_t base, unsigned width,
                              word_t *out)
{
    uint32_t part[GS_BLOCK_ROWS];
    unsigned low = width < 32 ? width : 32;

    for (unsigned i = 0; i < n; i++)
        part[i] = (uint32_t)(v[i] - base);
    part_pack(part, n, low, out);
    if (width <= 32)
        return;
    for (unsigned i = 0; i < n; i++)
        part[i] = (uint32_t)((v[i] - base) >> 32);
    part_pack(part, n, width - 32, out + gs__packed_words(32, n));
}

/* What becomes of a number on its way out. */
enum finish { FINISH_ADD, FINISH_ADD_HIGH, FINISH_UNZIGZAG };

ALWAYS_INLINE void finish_run(const uint32_t *v, unsigned n, enum finish how, uint64_t base,
                              uint64_t *out)
{
    for (unsigned i = 0; i < n; i++) {
        if (how == FINISH_ADD)
            out[i] = base + v[i];
        else if (how == FINISH_ADD_HIGH)
            out[i] += (uint64_t)v[i] << 32;
        else
            out[i] = (uint64_t)(v[i] >> 1) ^ (0 - (uint64_t)(v[i] & 1));
    }
}

/* n numbers of 1 to 32 bits. */
ALWAYS_INLINE void part_unpack(const word_t *in, unsigned n, unsigned width, enum finish how,
                               uint64_t base, uint64_t *out)
{
    uint32_t part[GS_BLOCK_ROWS];

    if (n == GS_BLOCK_ROWS) {
        for (unsigned r = 0; r < ROWS; r++) {
            lanes_row(in, width, r, part);
            finish_run(part, LANES, how, base, out + r * LANES);
        }
    } else {
        run_unpack(in, n, width, part);
        finish_run(part, n, how, base, out);
    }
}

ALWAYS_INLINE void block_unpack(const word_t *in, unsigned n, uint64_t base, unsigned width,
                                uint64_t *out)
{
    if (width == 0) {
        for (unsigned i = 0; i < n; i++)
            out[i] = base;
        return;
    }
    part_unpack(in, n, width < 32 ? width : 32, FINISH_ADD, base, out);
    if (width > 32)
        part_unpack(in + gs__packed_words(32, n), n, width - 32, FINISH_ADD_HIGH, 0, out);
}

/* The differences themselves, their sums left to the caller. */
ALWAYS_INLINE void block_unpack_steps(const word_t *in, unsigned n, unsigned width, uint64_t *out)
{
    if (width - 1 < 32) { /* 1..32 */
        part_unpack(in, n, width, FINISH_UNZIGZAG, 0, out);
        return;
    }
    block_unpack(in, n, 0, width, out);
    for (unsigned i = 0; i < n; i++)
        out[i] = out[i] >> 1 ^ (0 - (out[i] & 1));
}

ALWAYS_INLINE void stats_add(struct gs__block_stats *s, uint64_t v)
{
    s->min = v < s->min ? v : s->min;
    s->max = v > s->max ? v : s->max;
}

ALWAYS_INLINE uint64_t block_zigzag(const uint64_t *v, unsigned n, uint64_t *zz)
{
    uint64_t any = 0;

    zz[0] = 0;
    for (unsigned i = 1; i < n; i++) {
        uint64_t d = v[i] - v[i - 1];

        zz[i] = d << 1 ^ (0 - (d >> 63));
        any |= zz[i];
    }
    return any;
}

/* Values that are known to fit: nothing is widened. */
ALWAYS_INLINE void block_unpack_narrow(const word_t *in, unsigned n, uint32_t base, unsigned width,
                                       uint32_t *out)
{
    if (width && n == GS_BLOCK_ROWS)
        for (unsigned r = 0; r < ROWS; r++)
            lanes_row(in, width, r, out + r * LANES);
    else if (width)
        run_unpack(in, n, width, out);
    for (unsigned i = 0; i < n; i++)
        out[i] = base + (width ? out[i] : 0);
}

/* ---- the choice of instruction set ---- */

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2")))

/* Four vectors in flight: one alone would wait for its compare and select each time. The vectors
 * hold v with the top bit turned, because compares are signed. */
typedef int64_t vec __attribute__((vector_size(32)));
#define TOP_BIT (1ull << 63)
#define N_VECS  4u
#define VEC_LEN 4u

AVX2 ALWAYS_INLINE vec vec_select(vec mask, vec yes, vec no)
{
    return (yes & mask) | (no & ~mask);
}

AVX2 ALWAYS_INLINE vec vec_load(const uint64_t *v)
{
    vec x;

    memcpy(&x, v, sizeof(x));
    return x ^ (int64_t)TOP_BIT;
}

AVX2 static struct gs__block_stats block_stats_avx2(const uint64_t *v, unsigned n)
{
    struct gs__block_stats s = {v[0], v[0]};
    vec min[N_VECS], max[N_VECS], first = {0};
    unsigned i = 0;

    first = (first + (int64_t)v[0]) ^ (int64_t)TOP_BIT;
    for (unsigned k = 0; k < N_VECS; k++)
        min[k] = max[k] = first;
    for (; i + N_VECS * VEC_LEN <= n; i += N_VECS * VEC_LEN)
        for (unsigned k = 0; k < N_VECS; k++) {
            vec x = vec_load(v + i + k * VEC_LEN);

            min[k] = vec_select(x < min[k], x, min[k]);
            max[k] = vec_select(x > max[k], x, max[k]);
        }
    for (unsigned k = 0; k < N_VECS; k++)
        for (unsigned l = 0; l < VEC_LEN; l++) {
            stats_add(&s, (uint64_t)min[k][l] ^ TOP_BIT);
            stats_add(&s, (uint64_t)max[k][l] ^ TOP_BIT);
        }
    for (; i < n; i++)
        stats_add(&s, v[i]);
    return s;
}

AVX2 static uint64_t block_zigzag_avx2(const uint64_t *v, unsigned n, uint64_t *zz)
{
    return block_zigzag(v, n, zz);
}

AVX2 static void block_pack_avx2(const uint64_t *v, unsigned n, uint64_t base, unsigned width,
                                 word_t *out)
{
    block_pack(v, n, base, width, out);
}

AVX2 static void block_unpack_avx2(const word_t *in, unsigned n, uint64_t base, unsigned width,
                                   uint64_t *out)
{
    block_unpack(in, n, base, width, out);
}

AVX2 static void block_unpack_steps_avx2(const word_t *in, unsigned n, unsigned width,
                                         uint64_t *out)
{
    block_unpack_steps(in, n, width, out);
}

AVX2 static void block_unpack_narrow_avx2(const word_t *in, unsigned n, uint32_t base,
                                          unsigned width, uint32_t *out)
{
    block_unpack_narrow(in, n, base, width, out);
}

#define TRY_AVX2(call)                                                                             \
    do {                                                                                           \
        if (gs__cpu_has_avx2())                                                                    \
            return call;                                                                           \
    } while (0)
#else
#define TRY_AVX2(call) ((void)0)
#endif

struct gs__block_stats gs__block_stats(const uint64_t *v, unsigned n)
{
    struct gs__block_stats s = {v[0], v[0]};

    TRY_AVX2(block_stats_avx2(v, n));
    for (unsigned i = 1; i < n; i++) /* SSE2 has no 64-bit compare */
        stats_add(&s, v[i]);
    return s;
}

uint64_t gs__block_zigzag(const uint64_t *v, unsigned n, uint64_t *zz)
{
    TRY_AVX2(block_zigzag_avx2(v, n, zz));
    return block_zigzag(v, n, zz);
}

void gs__block_pack(const uint64_t *v, unsigned n, uint64_t base, unsigned width, void *out)
{
    TRY_AVX2(block_pack_avx2(v, n, base, width, out));
    block_pack(v, n, base, width, out);
}

void gs__block_unpack_for(const void *in, unsigned n, uint64_t base, unsigned width, uint64_t *out)
{
    TRY_AVX2(block_unpack_avx2(in, n, base, width, out));
    block_unpack(in, n, base, width, out);
}

void gs__block_unpack_narrow(const void *in, unsigned n, uint32_t base, unsigned width,
                             uint32_t *out)
{
    TRY_AVX2(block_unpack_narrow_avx2(in, n, base, width, out));
    block_unpack_narrow(in, n, base, width, out);
}

static void unpack_steps(const void *in, unsigned n, unsigned width, uint64_t *out)
{
    TRY_AVX2(block_unpack_steps_avx2(in, n, width, out));
    block_unpack_steps(in, n, width, out);
}

void gs__block_unpack_delta(const void *in, unsigned n, uint64_t base, unsigned width,
                            uint64_t *out)
{
    unpack_steps(in, n, width, out);
#pragma GCC unroll 8
    for (unsigned i = 0; i < n; i++)
        out[i] = base += out[i];
}
