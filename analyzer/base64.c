/* SPDX-License-Identifier: MIT */
#include "analyzer/base64.h"

#include <string.h>

#include "analyzer/xalloc.h"

void gs_base64_quad(char out[4], const unsigned char in[3], size_t n)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out[0] = alphabet[in[0] >> 2];
    out[1] = alphabet[(in[0] & 3) << 4 | in[1] >> 4];
    out[2] = n > 1 ? alphabet[(in[1] & 15) << 2 | in[2] >> 6] : '=';
    out[3] = n > 2 ? alphabet[in[2] & 63] : '=';
}

char *gs_base64(const unsigned char *data, size_t n)
{
    char *out = gs_xmalloc(n / 3 + 1, 4 + 1), *to = out;
    for (size_t i = 0; i < n; i += 3, to += 4) {
        unsigned char in[3] = {0};
        size_t len = n - i < 3 ? n - i : 3;
        memcpy(in, data + i, len);
        gs_base64_quad(to, in, len);
    }
    *to = '\0';
    return out;
}
