/* SPDX-License-Identifier: MIT */
#include "analyzer/utf8.h"

#include <string.h>

#include "analyzer/xalloc.h"

static size_t bad(uint32_t *cp)
{
    *cp = GS_UTF8_BAD;
    return 1;
}

/* Overlong forms, surrogates and values past U+10FFFF are no characters. */
static bool is_scalar(uint32_t cp, size_t n)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    return cp >= least[n] && cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff);
}

size_t gs_utf8_decode(const char *s, size_t len, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
        return bad(cp);
    uint32_t v = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return bad(cp);
        v = v << 6 | (p[i] & 0x3f);
    }
    if (!is_scalar(v, n))
        return bad(cp);
    *cp = v;
    return n;
}

bool gs_utf8_is_hidden(uint32_t cp)
{
    static const struct {
        uint16_t first, last;
    } ranges[] = {
        {0, 0x1f},        {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e},
        {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
    };
    if (cp >= 0x20 && cp < 0x7f)
        return false;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
        if (cp >= ranges[i].first && cp <= ranges[i].last)
            return true;
    return false;
}

static bool is_plain_ascii(unsigned char c, const char *special)
{
    for (; *special; special++)
        if (c == (unsigned char)*special)
            return false;
    return c >= 0x20 && c < 0x7f;
}

size_t gs_utf8_plain(const char *s, size_t len, const char *special)
{
    size_t i = 0;
    while (i < len) {
        uint32_t cp;
        size_t n = 1;
        if ((unsigned char)s[i] < 0x80) {
            if (!is_plain_ascii((unsigned char)s[i], special))
                break;
        } else {
            n = gs_utf8_decode(s + i, len - i, &cp);
            if (cp == GS_UTF8_BAD || gs_utf8_is_hidden(cp))
                break;
        }
        i += n;
    }
    return i;
}

void gs_utf8_defuse(char *s)
{
    size_t len = strlen(s), used = 0;
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t cp;
        n = gs_utf8_decode(s + i, len - i, &cp);
        if (cp == GS_UTF8_BAD || gs_utf8_is_hidden(cp)) {
            s[used++] = '?';
        } else {
            memmove(s + used, s + i, n);
            used += n;
        }
    }
    s[used] = '\0';
}

char *gs_utf8_clean(const char *s, size_t len, size_t max_len)
{
    size_t room = len < max_len ? len : max_len; /* a bad byte grows to three */
    char *out = gs_xmalloc(3 * room + 4, 1);
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t n = gs_utf8_decode(s + i, len - i, &cp);
        const char *from = cp == GS_UTF8_BAD || cp == 0 ? "\xef\xbf\xbd" : s + i;
        size_t take = from == s + i ? n : 3;
        if (used + take > max_len)
            break;
        memcpy(out + used, from, take);
        used += take;
        i += n;
    }
    out[used] = '\0';
    return out;
}
