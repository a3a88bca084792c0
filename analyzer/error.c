/* SPDX-License-Identifier: MIT */
#include "analyzer/error.h"

#include <stdarg.h>

#include "analyzer/utf8.h"

enum gs_status gs_error_set(struct gs_error *err, enum gs_status status, const char *format, ...)
{
    if (!err || err->status != GS_OK)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    gs_utf8_defuse(err->text); /* paths and names in it come from outside */
    err->status = status;
    return status;
}

void gs_error_print(const struct gs_error *err, FILE *out)
{
    fprintf(out, "gilscope: %s\n", err->text[0] ? err->text : gs_status_message(err->status));
}
