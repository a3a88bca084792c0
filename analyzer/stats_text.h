/* SPDX-License-Identifier: MIT
 * What the parts of the terminal summary share: stats_text.c, stats_memory_text.c,
 * and stats_cuda_text.c.
 */
#ifndef GS_STATS_TEXT_H
#define GS_STATS_TEXT_H

#include "analyzer/stats.h"

#define BOLD   "\033[1m"
#define DIM    "\033[2m"
#define RED    "\033[31m"
#define YELLOW "\033[33m"
#define GREEN  "\033[32m"
#define RESET  "\033[0m"

struct gs_text {
    FILE *out;
    bool colour;
    unsigned width, top;
};

const char *gs_text_style(const struct gs_text *t, const char *code); /* "" without colour */
void gs_text_heading(const struct gs_text *t, const char *s);
/* Words of `s` in lines of the terminal's width; `first` columns of the first one are taken. */
void gs_text_wrapped(const struct gs_text *t, const char *s, unsigned first, unsigned indent);
/* The same for a line of its own; frees it. */
void gs_text_line(const struct gs_text *t, char *line);
/* "what: why", `why` from a capture. */
void gs_text_why(const struct gs_text *t, const char *what, const char *why);
/* The innermost frame in full, its callers by name as room allows; and the line's end. */
void gs_text_stack(const struct gs_text *t, const struct gs_profile *p, uint32_t node, size_t room);

/* stats_gc.c; nothing where there was none. */
void gs_text_gc(const struct gs_text *t, const struct gs_profile *p);
/* stats_memory_text.c; nothing where nothing was recorded. */
void gs_text_memory(const struct gs_text *t, const struct gs_profile *p);
/* stats_counters_text.c; the same. */
void gs_text_counters(const struct gs_text *t, const struct gs_profile *p);
/* stats_cuda_text.c; the same. */
void gs_text_cuda(const struct gs_text *t, const struct gs_profile *p);

#endif
