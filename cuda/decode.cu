/* SPDX-License-Identifier: MIT
 * One warp per block of 1024 values. Lane l keeps the values 32r + l; of a full block that is the
 * lane's own string of bits, of which each word is read once, 128 bytes side by side for the warp.
 *
 * Differences are summed four rows at a time: four scans by shuffles that do not wait for each
 * other, then one carry. All 32 rows of a block in registers would spill.
 *
 * Chunks lie at any alignment in a capture and columns at any in a chunk, so words may have to be
 * put together from bytes; that is decided once per block.
 */
#include "cuda/decode.cuh"

namespace
{
const unsigned LANES = 32, ROWS = GS_BLOCK_ROWS / LANES, ROWS_AT_ONCE = 4;
const unsigned BLOCKS_PER_CHUNK = GS_CHUNK_MAX_ROWS / GS_BLOCK_ROWS;
const unsigned WARPS_PER_BLOCK = 4;
static_assert(ROWS % ROWS_AT_ONCE == 0, "whole steps");

/* ---- words at any address ---- */

__device__ inline uint32_t word_of_bytes(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

__device__ inline uint32_t load_word(const uint8_t *words, bool is_aligned, size_t k)
{
    const uint8_t *p = words + 4 * k;
    return is_aligned ? *reinterpret_cast<const uint32_t *>(p) : word_of_bytes(p);
}

__device__ inline gs_u64 load_pair(const uint8_t *words, bool is_aligned, size_t k)
{
    return load_word(words, is_aligned, k) | (gs_u64)load_word(words, is_aligned, k + 1) << 32;
}

__device__ inline bool is_aligned(const uint8_t *p)
{
    return (reinterpret_cast<uintptr_t>(p) & 3) == 0;
}

/* ---- headers ---- */

struct block {
    const uint8_t *words;
    gs_u64 base;
    unsigned n, codec, width, n_words;
};

__device__ inline unsigned packed_words(unsigned width, unsigned n)
{
    unsigned high = width > 32 ? width - 32 : 0, low = width - high;
    return high ? n + (n * high + 31) / 32 : (n * low + 31) / 32;
}

__device__ inline bool header_fits(const block &b, unsigned n_in_header)
{
    if (n_in_header != b.n)
        return false;
    switch (b.codec) {
    case GS_CODEC_RAW:
        return b.width == 64 && b.n_words == 2 * b.n;
    case GS_CODEC_CONST:
        return b.width == 0 && b.n_words == 0;
    case GS_CODEC_FOR:
    case GS_CODEC_DELTA:
        return b.width <= 64 && b.n_words == packed_words(b.width, b.n);
    default:
        return false;
    }
}

/* The block of n values at *pos, if there is a sound one; *pos moves behind it. */
__device__ bool read_header(const uint8_t *buffer, uint64_t *pos, uint64_t end, unsigned n,
                            block *out)
{
    if (end - *pos < GS_BLOCK_HDR_LEN)
        return false;
    const uint8_t *p = buffer + *pos;
    out->n = n;
    out->width = p[0];
    out->codec = p[1];
    out->n_words = word_of_bytes(p + 4);
    out->base = word_of_bytes(p + 8) | (gs_u64)word_of_bytes(p + 12) << 32;
    out->words = p + GS_BLOCK_HDR_LEN;
    if (!header_fits(*out, p[2] | p[3] << 8) || (end - *pos - GS_BLOCK_HDR_LEN) / 4 < out->n_words)
        return false;
    *pos += GS_BLOCK_HDR_LEN + 4 * (uint64_t)out->n_words;
    return true;
}

/* Where a block begins is known from those before it: three at most. */
__device__ bool find_block(const uint8_t *buffer, const gs_column_task &task, unsigned index,
                           block *out)
{
    uint64_t pos = task.begin;
    for (unsigned k = 0; k <= index; k++) {
        unsigned left = task.n_rows - k * GS_BLOCK_ROWS;
        if (!read_header(buffer, &pos, task.end, min(left, GS_BLOCK_ROWS), out))
            return false;
    }
    return true;
}

/* ---- packed numbers ---- */

/* A lane's string of bits: words `first`, first + 32, … */
struct bits {
    const uint8_t *words;
    size_t at;
    gs_u64 have;
    unsigned n_have, width;
    bool aligned;
};

__device__ inline bits lane_bits(const uint8_t *words, unsigned lane, unsigned width)
{
    return {words, lane, 0, 0, width, is_aligned(words)};
}

__device__ inline uint32_t next_bits(bits *b)
{
    if (b->n_have < b->width) {
        b->have |= (gs_u64)load_word(b->words, b->aligned, b->at) << b->n_have;
        b->n_have += 32;
        b->at += LANES;
    }
    uint32_t v = (uint32_t)(b->have & ((1ull << b->width) - 1));
    b->have >>= b->width;
    b->n_have -= b->width;
    return v;
}

/* Value i of one run of bits. */
__device__ inline uint32_t run_value(const uint8_t *words, unsigned i, unsigned width)
{
    size_t k = (size_t)i * width >> 5;
    unsigned s = i * width & 31;
    bool aligned = is_aligned(words);
    if (width == 0)
        return 0;
    gs_u64 v = load_word(words, aligned, k);
    if (s + width > 32)
        v |= (gs_u64)load_word(words, aligned, k + 1) << 32;
    return (uint32_t)(v >> s & ((1ull << width) - 1));
}

/* Gives a lane its values of a block, in order of rows. */
struct values {
    block b;
    unsigned lane, low_width, high_width;
    bits low, high;
};

__device__ inline values values_of(const block &b, unsigned lane)
{
    unsigned high = b.width > 32 ? b.width - 32 : 0, low = b.width - high;
    return {b,
            lane,
            low,
            high,
            lane_bits(b.words, lane, low),
            lane_bits(b.words + (high ? 4 * (size_t)b.n : 0), lane, high)};
}

/* Of row r: the packed number, before base or sums. */
__device__ inline gs_u64 next_packed(values *v, unsigned r)
{
    unsigned i = r * LANES + v->lane;
    if (v->b.n == GS_BLOCK_ROWS) {
        gs_u64 low = next_bits(&v->low);
        return low | (gs_u64)next_bits(&v->high) << 32;
    }
    if (i >= v->b.n)
        return 0;
    gs_u64 low = run_value(v->b.words, i, v->low_width);
    return low | (gs_u64)run_value(v->high.words, i, v->high_width) << 32;
}

__device__ inline gs_u64 next_plain(values *v, unsigned r)
{
    unsigned i = r * LANES + v->lane;
    switch (v->b.codec) {
    case GS_CODEC_RAW:
        return i < v->b.n ? load_pair(v->b.words, is_aligned(v->b.words), 2 * (size_t)i) : 0;
    case GS_CODEC_CONST:
        return v->b.base;
    default:
        return v->b.base + next_packed(v, r);
    }
}

/* ---- sums of differences ---- */

__device__ inline gs_u64 unzigzag(gs_u64 v)
{
    return v >> 1 ^ (0 - (v & 1));
}

__device__ inline gs_u64 warp_inclusive_sum(gs_u64 v, unsigned lane)
{
    for (unsigned by = 1; by < LANES; by *= 2) {
        gs_u64 before = __shfl_up_sync(GS_FULL_WARP, v, by);
        v += lane >= by ? before : 0;
    }
    return v;
}

__device__ inline void next_sums(values *v, unsigned r, gs_u64 *carry, gs_u64 *out)
{
#pragma unroll
    for (unsigned k = 0; k < ROWS_AT_ONCE; k++)
        out[k] = warp_inclusive_sum(unzigzag(next_packed(v, r + k)), v->lane);
#pragma unroll
    for (unsigned k = 0; k < ROWS_AT_ONCE; k++) {
        out[k] += *carry;
        *carry = __shfl_sync(GS_FULL_WARP, out[k], LANES - 1);
    }
}

__device__ inline void next_rows(values *v, unsigned r, gs_u64 *carry, gs_u64 *out)
{
    if (v->b.codec == GS_CODEC_DELTA) {
        next_sums(v, r, carry, out);
        return;
    }
#pragma unroll
    for (unsigned k = 0; k < ROWS_AT_ONCE; k++)
        out[k] = next_plain(v, r + k);
}

/* ---- what becomes of a value ---- */

struct column {
    const uint8_t *dict;
    gs_u64 *out;
    unsigned n_dict;
    bool is_stack;
};

/* false: an index beyond the dictionary. */
__device__ inline bool put_value(const column &c, unsigned i, gs_u64 v)
{
    if (c.is_stack) {
        if (v >= c.n_dict)
            return false;
        v = load_word(c.dict, is_aligned(c.dict), (size_t)v);
    }
    c.out[i] = v;
    return true;
}

__device__ bool decode_block(const block &b, const column &c, unsigned lane)
{
    values v = values_of(b, lane);
    gs_u64 carry = b.base, out[ROWS_AT_ONCE];
    bool good = true;
    for (unsigned r = 0; r < ROWS && r * LANES < b.n; r += ROWS_AT_ONCE) {
        next_rows(&v, r, &carry, out);
#pragma unroll
        for (unsigned k = 0; k < ROWS_AT_ONCE; k++) {
            unsigned i = (r + k) * LANES + lane;
            if (i < b.n)
                good &= put_value(c, i, out[k]);
        }
    }
    return good;
}

__device__ bool decode_part(const uint8_t *buffer, const gs_column_task &task, unsigned index,
                            unsigned lane, gs_u64 *out)
{
    column c = {buffer + task.dict, out + task.out + index * GS_BLOCK_ROWS, task.n_dict,
                task.is_stack != 0};
    block b;
    if (task.is_absent) {
        unsigned left = task.n_rows - index * GS_BLOCK_ROWS;
        for (unsigned i = lane; i < min(left, GS_BLOCK_ROWS); i += LANES)
            c.out[i] = 0;
        return true;
    }
    return find_block(buffer, task, index, &b) && decode_block(b, c, lane);
}

/* A warp has one task's block: tasks along x, their blocks along y. */
__global__ void __launch_bounds__(LANES *WARPS_PER_BLOCK)
    gs_k_decode(const uint8_t *buffer, const gs_column_task *tasks, unsigned n_tasks, gs_u64 *out,
                unsigned *damaged)
{
    unsigned at = blockIdx.x * WARPS_PER_BLOCK + threadIdx.x / LANES, lane = threadIdx.x % LANES;
    if (at >= n_tasks || blockIdx.y * GS_BLOCK_ROWS >= tasks[at].n_rows)
        return;
    bool good = decode_part(buffer, tasks[at], blockIdx.y, lane, out);
    if (!__all_sync(GS_FULL_WARP, good) && lane == 0)
        atomicOr(&damaged[at], 1u);
}

/* ---- headers of chunks, on the host ---- */

enum gs_status check_header(const struct gs_chunk_hdr *hdr)
{
    if (hdr->flags)
        return GS_ERR_FEATURE;
    if (hdr->total_len > GS_CHUNK_MAX_LEN)
        return GS_ERR_LIMIT;
    if (hdr->header_len < GS_CHUNK_HDR_LEN ||
        hdr->total_len < (uint32_t)hdr->header_len + GS_CHUNK_TAIL_LEN)
        return GS_ERR_CORRUPT;
    if (hdr->n_rows > GS_CHUNK_MAX_ROWS || hdr->n_cols > GS_CHUNK_MAX_COLS)
        return GS_ERR_LIMIT;
    if (hdr->n_rows == 0 ||
        hdr->n_dict > (hdr->total_len - GS_CHUNK_TAIL_LEN - hdr->header_len) / 4)
        return GS_ERR_CORRUPT;
    return hdr->n_dict > 2 * GS_CHUNK_MAX_ROWS ? GS_ERR_LIMIT : GS_OK;
}
} // namespace

enum gs_status gs_column_task_of(const struct gs_chunk_hdr *hdr, uint64_t chunk_off, unsigned col,
                                 uint64_t out, struct gs_column_task *task)
{
    const struct gs_stream_desc *desc = gs_stream_desc(hdr->stream);
    if (!desc || col >= desc->n_cols)
        return GS_ERR_USAGE;
    enum gs_status status = check_header(hdr);
    if (status)
        return status;
    uint32_t off = col < hdr->n_cols ? hdr->col_off[col] : 0;
    uint32_t dict_off = hdr->total_len - GS_CHUNK_TAIL_LEN - 4 * hdr->n_dict;
    if (off && (off < hdr->header_len || off > dict_off))
        return GS_ERR_CORRUPT;
    *task = {chunk_off + off,
             chunk_off + dict_off,
             chunk_off + dict_off,
             out,
             hdr->n_rows,
             hdr->n_dict,
             desc->cols[col].kind == GS_COL_STACK,
             off == 0};
    return GS_OK;
}

cudaError_t gs_launch_decode(const uint8_t *buffer, const struct gs_column_task *tasks,
                             unsigned n_tasks, gs_u64 *out, unsigned *damaged, cudaStream_t stream)
{
    dim3 grid(gs_blocks_for(n_tasks, WARPS_PER_BLOCK), BLOCKS_PER_CHUNK);
    GS_LAUNCH(gs_k_decode, grid, LANES * WARPS_PER_BLOCK, 0, stream, buffer, tasks, n_tasks, out,
              damaged);
    return cudaGetLastError();
}
