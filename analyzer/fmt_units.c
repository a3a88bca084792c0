/* SPDX-License-Identifier: MIT */
#include "analyzer/fmt_units.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "analyzer/utf8.h"
#include "analyzer/xalloc.h"

/* v / unit with three significant digits. */
static struct gs_fmt scaled(uint64_t v, uint64_t unit, const char *name)
{
    struct gs_fmt f;
    double x = (double)v / (double)unit;
    int digits = x < 9.995 ? 2 : x < 99.95 ? 1 : 0;
    snprintf(f.s, sizeof(f.s), "%.*f %s", digits, x, name);
    return f;
}

struct gs_fmt gs_fmt_ns(uint64_t ns)
{
    struct gs_fmt f;
    if (ns < 1000) {
        snprintf(f.s, sizeof(f.s), "%" PRIu64 " ns", ns);
        return f;
    }
    if (ns < 999500)
        return scaled(ns, 1000, "us");
    if (ns < 999500000)
        return scaled(ns, 1000000, "ms");
    if (ns < UINT64_C(600000000000))
        return scaled(ns, 1000000000, "s");
    if (ns < UINT64_C(7200000000000))
        return scaled(ns, UINT64_C(60000000000), "min");
    return scaled(ns, UINT64_C(3600000000000), "h");
}

uint64_t gs_permille(uint64_t part, uint64_t whole)
{
    if (whole == 0)
        return 0;
    return (uint64_t)(((unsigned __int128)part * 1000 + whole / 2) / whole);
}

struct gs_fmt gs_fmt_percent(uint64_t part, uint64_t whole)
{
    struct gs_fmt f;
    uint64_t pm = gs_permille(part, whole);
    if (part > 0 && pm == 0 && whole > 0)
        snprintf(f.s, sizeof(f.s), "<0.1 %%");
    else if (pm > 0 && pm < 100)
        snprintf(f.s, sizeof(f.s), "%" PRIu64 ".%" PRIu64 " %%", pm / 10, pm % 10);
    else
        snprintf(f.s, sizeof(f.s), "%" PRIu64 " %%", pm / 10 + (pm % 10 >= 5));
    return f;
}

struct gs_fmt gs_fmt_count(uint64_t n)
{
    struct gs_fmt f;
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            f.s[at++] = ',';
        f.s[at++] = digits[i];
    }
    f.s[at] = '\0';
    return f;
}

struct gs_fmt gs_fmt_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct gs_fmt f;
    unsigned u = 0;
    double x = (double)bytes;
    while (x >= 1023.95 && u < 6) {
        x /= 1024;
        u++;
    }
    snprintf(f.s, sizeof(f.s), "%.*f %s", u > 0, x, units[u]);
    return f;
}

char *gs_fmt_safe(const char *s, size_t width)
{
    size_t len = strlen(s), used = 0, shown = 0;
    char *out = gs_xmalloc(12 * len + 8, 1); /* a byte becomes at most \u{xxxxxx} */
    for (size_t i = 0; i < len; shown++) {
        uint32_t cp;
        size_t n = gs_utf8_decode(s + i, len - i, &cp);
        if (width && shown + 1 == width && i + n < len) {
            used += (size_t)sprintf(out + used, "\xe2\x80\xa6");
            break;
        }
        if (cp == GS_UTF8_BAD)
            used += (size_t)sprintf(out + used, "\xef\xbf\xbd");
        else if (gs_utf8_is_hidden(cp))
            used +=
                (size_t)sprintf(out + used, cp < 0x80 ? "\\x%02" PRIx32 : "\\u{%" PRIx32 "}", cp);
        else
            used += (size_t)sprintf(out + used, "%.*s", (int)n, s + i);
        i += n;
    }
    out[used] = '\0';
    return out;
}

const char *gs_fmt_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}
