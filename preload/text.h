/* SPDX-License-Identifier: MIT
 * Comparing without libc: a sanitizer's strcmp() does not work before its runtime has looked up the
 * real one, and for that it calls our dlsym().
 */
#ifndef GS_TEXT_H
#define GS_TEXT_H

#include <stdbool.h>

static inline bool gs_same_text(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

#endif
