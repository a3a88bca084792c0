/* SPDX-License-Identifier: MIT
 * One block: a 16-byte header, then packed words.
 */
#include "preload/trace/trace_internal.h"

struct choice {
    enum gs_codec codec;
    unsigned width;
    uint32_t words;
    uint64_t base;
};

static unsigned bits_of(uint64_t v)
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

/* RAW unless another codec is strictly smaller; FOR before DELTA, because it decodes faster. */
static struct choice choose(enum gs_column_kind kind, const uint64_t *v, unsigned n, uint64_t *zz)
{
    struct gs__block_stats s = gs__block_stats(v, n);
    struct choice c = {GS_CODEC_RAW, 64, 2 * n, 0};
    unsigned width = bits_of(s.max - s.min);

    if (width == 0)
        return (struct choice){GS_CODEC_CONST, 0, 0, s.min};
    if (width < c.width && gs__packed_words(width, n) < c.words)
        c = (struct choice){GS_CODEC_FOR, width, gs__packed_words(width, n), s.min};
    if (kind != GS_COL_DELTA)
        return c;
    width = bits_of(gs__block_zigzag(v, n, zz));
    if (width < c.width && gs__packed_words(width, n) < c.words)
        c = (struct choice){GS_CODEC_DELTA, width, gs__packed_words(width, n), v[0]};
    return c;
}

size_t gs__block_encode(enum gs_column_kind kind, const uint64_t *v, unsigned n, uint64_t *zz,
                        uint8_t *out)
{
    struct choice c = choose(kind, v, n, zz);
    struct gs_block_hdr hdr = {.width = (uint8_t)c.width,
                               .codec = (uint8_t)c.codec,
                               .n = (uint16_t)n,
                               .words = c.words,
                               .base = c.base};

    memcpy(out, &hdr, sizeof(hdr));
    out += sizeof(hdr);
    if (c.codec == GS_CODEC_FOR)
        gs__block_pack(v, n, c.base, c.width, out);
    else if (c.codec == GS_CODEC_DELTA)
        gs__block_pack(zz, n, 0, c.width, out);
    else if (c.codec == GS_CODEC_RAW)
        memcpy(out, v, n * sizeof(*v));
    return sizeof(hdr) + 4 * (size_t)c.words;
}

/* The only header that makes sense for n values: anything else is damage. */
static bool header_fits(const struct gs_block_hdr *hdr, unsigned n)
{
    if (hdr->n != n)
        return false;
    switch (hdr->codec) {
    case GS_CODEC_RAW:
        return hdr->width == 64 && hdr->words == 2 * n;
    case GS_CODEC_CONST:
        return hdr->width == 0 && hdr->words == 0;
    case GS_CODEC_FOR:
    case GS_CODEC_DELTA:
        return hdr->width <= 64 && hdr->words == gs__packed_words(hdr->width, n);
    default:
        return false;
    }
}

enum gs_status gs__block_open(const uint8_t **in, const uint8_t *end, unsigned n,
                              struct gs__block *out)
{
    if ((size_t)(end - *in) < sizeof(out->hdr))
        return GS_ERR_CORRUPT;
    memcpy(&out->hdr, *in, sizeof(out->hdr));
    out->words = *in + sizeof(out->hdr);
    if (!header_fits(&out->hdr, n) || (size_t)(end - out->words) < 4 * (size_t)out->hdr.words)
        return GS_ERR_CORRUPT;
    *in = out->words + 4 * (size_t)out->hdr.words;
    return GS_OK;
}

void gs__block_decode(const struct gs__block *b, uint64_t *out)
{
    const struct gs_block_hdr *hdr = &b->hdr;

    if (hdr->codec == GS_CODEC_RAW)
        memcpy(out, b->words, hdr->n * sizeof(*out));
    else if (hdr->codec == GS_CODEC_DELTA)
        gs__block_unpack_delta(b->words, hdr->n, hdr->base, hdr->width, out);
    else
        gs__block_unpack_for(b->words, hdr->n, hdr->base, hdr->width, out);
}

bool gs__block_decode_narrow(const struct gs__block *b, uint32_t *out)
{
    if (!gs__block_is_below(b, UINT32_MAX))
        return false;
    gs__block_unpack_narrow(b->words, b->hdr.n, (uint32_t)b->hdr.base, b->hdr.width, out);
    return true;
}

/* By its header alone: no "yes" that is wrong. */
bool gs__block_is_below(const struct gs__block *b, uint32_t limit)
{
    const struct gs_block_hdr *hdr = &b->hdr;
    bool is_small = hdr->codec == GS_CODEC_CONST || (hdr->codec == GS_CODEC_FOR && hdr->width < 32);

    return is_small && hdr->base < limit && (UINT64_C(1) << hdr->width) - 1 < limit - hdr->base;
}
