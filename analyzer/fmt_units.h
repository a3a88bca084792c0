/* SPDX-License-Identifier: MIT
 * The only place that turns integers into text for people, and that makes names from captures safe
 * to print on a terminal. ASCII units, so that LANG=C reads well.
 */
#ifndef GS_FMT_UNITS_H
#define GS_FMT_UNITS_H

#include <stddef.h>
#include <stdint.h>

struct gs_fmt { /* returned by value: gs_fmt_ns(x).s lives to the end of the full expression */
    char s[40];
};
struct gs_fmt gs_fmt_ns(uint64_t ns); /* "3.21 s", "71.4 ms", "850 us", "12 ns", "12.1 min" */
struct gs_fmt gs_fmt_percent(uint64_t part, uint64_t whole); /* "71 %", "7.1 %", "<0.1 %" */
struct gs_fmt gs_fmt_count(uint64_t n);                      /* "1,234,567" */
struct gs_fmt gs_fmt_bytes(uint64_t bytes);                  /* "4.0 MiB" */
/* part * 1000 / whole, rounded to nearest; 0 for whole 0. Never overflows. */
uint64_t gs_permille(uint64_t part, uint64_t whole);

/* UTF-8 text with every hidden character (utf8.h) as \xNN or \u{NNNN}, cut
 * to `width` characters ("…" for what is missing; 0: not cut). The caller frees. */
char *gs_fmt_safe(const char *s, size_t width);
/* The last part of a path. */
const char *gs_fmt_basename(const char *path);

#endif
