/* SPDX-License-Identifier: MIT
 * Prints the items of a capture as they stand in the file. Reads the fields of tagged records by
 * the text of GS_RECORD_LIST itself, so that it cannot drift from the format.
 */
#ifndef GS_DUMP_H
#define GS_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "analyzer/trace_reader.h"

enum { GS_MAX_FIELDS = 24 };
struct gs_field_spec {
    char type; /* u z s b */
    bool list; /* a count comes first */
    char name[24];
};
struct gs_record_spec {
    const char *name;
    uint32_t tag;
    struct gs_field_spec field[GS_MAX_FIELDS];
    size_t n_fixed; /* the rest repeats, as often as the last fixed field says */
    size_t n;
};
/* NULL for an unknown tag. */
const struct gs_record_spec *gs_record_spec(uint32_t tag);

void gs_dump_text(const struct gs_walk_item *item, FILE *out);

/* A whole input as tests/py/decode_trace.py prints it. False when the input was refused. */
bool gs_dump_json(const uint8_t *data, size_t len, FILE *out);
/* One sound chunk of a known stream. False, after what could be decoded, for corrupt contents. */
bool gs_dump_json_chunk(const uint8_t *data, const struct gs_chunk_hdr *h, FILE *out);

#endif
