/* SPDX-License-Identifier: MIT
 * Rows of one kind that stay in their chunks: they are decoded where they are read, in order of a
 * key, as often as anybody likes. A chunk is in memory from its least key to its greatest. Agents
 * write rows nearly in order, so that these are few; rows in any order are all there at once.
 */
#ifndef GS_ROW_STREAM_H
#define GS_ROW_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_chunk_ref;

struct gs_row_kind {
    size_t row_bytes; /* a row begins with its key, a uint64_t */
    /* The chunk's rows into `out`, which has room for GS_CHUNK_MAX_ROWS; returns how many. number:
     * of the chunk, in the order of the file. */
    size_t (*decode)(const void *ctx, const struct gs_chunk_ref *c, uint32_t number,
                     uint64_t *scratch, void *out);
    int (*order)(const void *a, const void *b);           /* by key first; total */
    bool (*is_said)(const void *before, const void *row); /* by the one before: to be left out */
};
struct gs_row_chunk {
    const struct gs_chunk_ref *chunk;
    uint64_t first; /* least key */
    uint32_t number;
};
struct gs_row_stream {
    const struct gs_row_kind *kind;
    const void *ctx;
    struct gs_row_chunk *chunks;
    size_t n, cap;
};

/* kind, ctx: set by the caller. first: the least key of the rows. */
void gs_row_stream_add(struct gs_row_stream *s, const struct gs_chunk_ref *c, uint64_t first);
/* Once all are there, before the first cursor. */
void gs_row_stream_sort(struct gs_row_stream *s);
void gs_row_stream_free(struct gs_row_stream *s);

struct gs_open_chunk {
    char *rows; /* in order */
    size_t at, n;
};
struct gs_row_cursor {
    const struct gs_row_stream *s;
    size_t next_chunk;
    struct gs_open_chunk *open; /* a heap: the one whose next row is the least comes first */
    size_t n_open, cap_open;
    char *last; /* row given out */
    bool has_last;
    char *decoded; /* rows of a chunk */
    uint64_t *scratch;
};
void gs_row_cursor_open(struct gs_row_cursor *c, const struct gs_row_stream *s);
/* NULL: there are no more. Rows are valid until the next call. */
const void *gs_row_peek(struct gs_row_cursor *c);
const void *gs_row_next(struct gs_row_cursor *c);
void gs_row_cursor_close(struct gs_row_cursor *c);

#endif
