/* SPDX-License-Identifier: MIT
 * Chunks of records for golden captures.
 */
#ifndef GS_GOLDEN_RECORDS_H
#define GS_GOLDEN_RECORDS_H

#include "tests/golden/golden.h"

struct gs_chunk_meta next_meta(struct capture *c, uint32_t gil);
void begin_chunk(struct capture *c, struct gs_record_writer *w);
/* Where it begins. */
size_t end_chunk(struct capture *c, const struct gs_record_writer *w);
/* A capture of version 1.minor, and what others refer to. */
void begin_version(struct capture *c, uint16_t minor);

/* A record from its fields: u number, z number, s text. */
struct field {
    char type;
    uint64_t number;
    const char *text;
};
#define U(n)                                                                                       \
    {                                                                                              \
        'u', n, NULL                                                                               \
    }
#define Z(n)                                                                                       \
    {                                                                                              \
        'z', (uint64_t)(int64_t)(n), NULL                                                          \
    }
#define S(t)                                                                                       \
    {                                                                                              \
        's', sizeof(t) - 1, t                                                                      \
    }

void put_record(struct gs_record_writer *w, uint32_t tag, const struct field *f, size_t n);
#define RECORD(w, tag, ...)                                                                        \
    do {                                                                                           \
        static const struct field fields_[] = {__VA_ARGS__};                                       \
        put_record(w, tag, fields_, sizeof(fields_) / sizeof(fields_[0]));                         \
    } while (0)

#endif
