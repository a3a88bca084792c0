/* SPDX-License-Identifier: MIT */
#include "analyzer/base64.h"

#include "analyzer/xalloc.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static inline void put_quad(char out[4], unsigned a, unsigned b, unsigned c)
{
    out[0] = alphabet[a >> 2];
    out[1] = alphabet[(a & 3) << 4 | b >> 4];
    out[2] = alphabet[(b & 15) << 2 | c >> 6];
    out[3] = alphabet[c & 63];
}

size_t gs_base64_encode(char *out, const unsigned char *data, size_t n)
{
    char *to = out;
    size_t i = 0;
    for (; i + 3 <= n; i += 3, to += 4)
        put_quad(to, data[i], data[i + 1], data[i + 2]);
    if (i < n) {
        put_quad(to, data[i], i + 1 < n ? data[i + 1] : 0, 0);
        if (i + 1 == n)
            to[2] = '=';
        to[3] = '=';
        to += 4;
    }
    return (size_t)(to - out);
}

char *gs_base64(const unsigned char *data, size_t n)
{
    char *out = gs_xmalloc(n / 3 + 1, 4 + 1);
    out[gs_base64_encode(out, data, n)] = '\0';
    return out;
}
