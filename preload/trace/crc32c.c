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
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *p,
                                                              size_t len)
{
    uint64_t c = ~crc;

    for (; len >= 8; p += 8, len -= 8) {
        uint64_t v;

        memcpy(&v, p, 8);
        c = __builtin_ia32_crc32di(c, v);
    }
    for (; len; p++, len--)
        c = __builtin_ia32_crc32qi((uint32_t)c, *p);
    return ~(uint32_t)c;
}
#endif

uint32_t gs_crc32c(uint32_t crc, const void *data, size_t len)
{
#if defined(__x86_64__)
    if (gs__cpu_has_sse42())
        return crc32c_sse42(crc, data, len);
#endif
    return gs__crc32c_table(crc, data, len);
}
