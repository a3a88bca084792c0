/* SPDX-License-Identifier: MIT */
#include "analyzer/error.h"

#include <stdarg.h>
#include <string.h>

/* Paths and names in a message come from outside: nothing of them may drive a terminal. */
static void defuse(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

enum gs_status gs_error_set(struct gs_error *err, enum gs_status status, const char *format, ...)
{
    if (!err || err->status != GS_OK)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    defuse(err->text);
    err->status = status;
    return status;
}

void gs_error_print(const struct gs_error *err, FILE *out)
{
    fprintf(out, "gilscope: %s\n", err->text[0] ? err->text : gs_status_message(err->status));
}
