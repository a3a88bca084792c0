/* SPDX-License-Identifier: MIT
 * Why something failed, carried up to the command that prints it. One line: what, why, what to
 * type next. Filled by gs_error_set(); the first error wins.
 */
#ifndef GS_ERROR_H
#define GS_ERROR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "preload/trace/gs_status.h"

struct gs_error {
    enum gs_status status;
    char text[1024]; /* UTF-8, no newline, control characters escaped */
};

/* Returns `status`, so that a caller can write `return gs_error_set(...)`. err may be NULL. */
enum gs_status gs_error_set(struct gs_error *err, enum gs_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "gilscope: <text>\n"; the status's own message when there is no text. */
void gs_error_print(const struct gs_error *err, FILE *out);

#endif
