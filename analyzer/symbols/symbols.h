/* SPDX-License-Identifier: MIT
 * (module, offset) -> functions, of one process image.
 */
#ifndef GS_SYMBOLS_H
#define GS_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct gs_symbol { /* demangled; file "" and line 0 if not known */
    const char *function, *file;
    int32_t line;
};

struct gs_symbols;
/* What its code in no file is called it may have left in /tmp/perf-PID.map, once it had begun. */
struct gs_symbols *gs_symbols_new(uint32_t pid, int64_t began_unix_ns);
void gs_symbols_add_module(struct gs_symbols *s, uint32_t module, const uint8_t *build_id,
                           size_t build_id_len, const char *path);
/* SYMBOL records. */
void gs_symbols_add_known(struct gs_symbols *s, uint32_t module, uint64_t offset, uint32_t depth,
                          const char *function, const char *file, int32_t line);
/* Inlined functions first (innermost), then the function itself; *n: how many. 0: nothing is known,
 * and the one that is returned is "0x1234 (libx.so)". Until the next call. */
const struct gs_symbol *gs_symbols_at(struct gs_symbols *s, uint32_t module, uint64_t offset,
                                      size_t *n);
void gs_symbols_free(struct gs_symbols *s);

#endif
