/* SPDX-License-Identifier: MIT
 * CRC32C (Castagnoli, reflected polynomial 0x82f63b78). gs_crc32c(0, p, n) is the checksum;
 * gs_crc32c(gs_crc32c(0, p, n), q, m) that of both pieces.
 */
#include "preload/trace/trace_internal.h"

/* One step per half byte: 64 bytes of table. Every x86-64 since 2008 takes the other path. */
static const uint32_t half_byte_table[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t gs__crc32c_table(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;

    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ half_byte_table[crc & 15];
        crc = crc >> 4 ^ half_byte_table[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
#define SSE42  __attribute__((target("sse4.2")))
#define PCLMUL __attribute__((target("sse4.2,pclmul")))

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return v;
}

SSE42 static uint32_t crc_chain(uint64_t c, const uint8_t *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8)
        c = __builtin_ia32_crc32di(c, load64(p));
    for (; len; p++, len--)
        c = __builtin_ia32_crc32qi((uint32_t)c, *p);
    return (uint32_t)c;
}

/* The instruction has three cycles' latency but starts every cycle: three strips run side by
 * side. The first two are then moved over what follows them by a carry-less product with
 * x^(8 * distance - 33) mod P, whose reduction rides on the crc32 of the 8 bytes behind. */
#define STRIP       1024u
#define STRIPS      (3 * STRIP + 8)
#define OVER_STRIP  0xfe314258u /* distance STRIP + 8 */
#define OVER_STRIPS 0xf7506984u /* distance 2 * STRIP + 8 */

typedef long long v2di __attribute__((vector_size(16)));

PCLMUL static inline uint64_t carry_less_product(uint32_t a, uint32_t b)
{
    v2di va = {(long long)a, 0}, vb = {(long long)b, 0};

    return (uint64_t)__builtin_ia32_pclmulqdq128(va, vb, 0)[0];
}

PCLMUL static uint32_t crc_strips(uint32_t crc, const uint8_t *p)
{
    uint64_t a = crc, b = 0, c = 0;

    for (size_t i = 0; i < STRIP; i += 8) {
        a = __builtin_ia32_crc32di(a, load64(p + i));
        b = __builtin_ia32_crc32di(b, load64(p + i + STRIP));
        c = __builtin_ia32_crc32di(c, load64(p + i + 2 * STRIP));
    }
    a = carry_less_product((uint32_t)a, OVER_STRIPS) ^ carry_less_product((uint32_t)b, OVER_STRIP);
    return (uint32_t)__builtin_ia32_crc32di(c, load64(p + 3 * STRIP) ^ a);
}
#endif

uint32_t gs_crc32c(uint32_t crc, const void *data, size_t len)
{
#if defined(__x86_64__)
    const uint8_t *p = data;

    if (gs__cpu_has_sse42()) {
        crc = ~crc;
        if (gs__cpu_has_pclmul())
            for (; len >= STRIPS; p += STRIPS, len -= STRIPS)
                crc = crc_strips(crc, p);
        return ~crc_chain(crc, p, len);
    }
#endif
    return gs__crc32c_table(crc, data, len);
}
