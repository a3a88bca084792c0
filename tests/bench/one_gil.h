/* SPDX-License-Identifier: MIT
 * For rows_of and engine_ns: a capture of one process with one GIL, opened, surveyed, in memory.
 * What cannot be opened ends the program with a message.
 */
#ifndef GS_ONE_GIL_H
#define GS_ONE_GIL_H

#include <stdint.h>

#include "analyzer/columns.h"
#include "analyzer/stacks.h"
#include "analyzer/trace_reader.h"

struct one_gil {
    struct gs_captures captures;
    struct gs_stacks stacks;
    struct gs_recording r;
    const struct gs_gil_columns *gil;
};
void one_gil_open(struct one_gil *g, const char *path);
void one_gil_close(struct one_gil *g);

struct gs_captures one_gil_captures(const char *const *paths, size_t n);
/* One line on stderr, exit status 1. */
_Noreturn void one_gil_fail(const char *what, const char *why);

#endif
