/* SPDX-License-Identifier: MIT
 * From files to chunks. gs_walk goes over one block of memory and survives any damage; gs_captures
 * maps files, walks all of them and orders what they hold, so that nothing behind it can depend on
 * the order of the paths or on how chunks are spread over files.
 */
#ifndef GS_TRACE_READER_H
#define GS_TRACE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/error.h"
#include "preload/trace/trace_codec.h"

/* ---- one block of memory ---- */
enum gs_walk_kind {
    GS_WALK_FILE_HDR, /* `file` is valid */
    GS_WALK_CHUNK,    /* `chunk` is valid, checksums are right */
    GS_WALK_UNKNOWN,  /* a sound chunk of a stream or flag we do not know; `chunk` is valid */
    GS_WALK_DAMAGED,  /* bytes that are neither; `status` says why. With has_chunk: one chunk whose
                         payload is damaged, `chunk` says what is lost */
};
struct gs_walk_item {
    enum gs_walk_kind kind;
    uint64_t off, len; /* bytes from the block's start */
    enum gs_status status;
    const uint8_t *data;
    struct gs_file_hdr file;
    struct gs_chunk_hdr chunk;
    bool has_chunk;
};
struct gs_walk {
    const uint8_t *data;
    size_t len, pos;
};
void gs_walk_init(struct gs_walk *w, const void *data, size_t len);
/* The next item; false at the end. Items cover the block but for padding (zero bytes). After damage
 * it resumes at the next sound header, at any byte. A file header with status GS_ERR_VERSION or
 * GS_ERR_FEATURE means: refuse the whole input. */
bool gs_walk_next(struct gs_walk *w, struct gs_walk_item *out);

/* ---- one file ---- */
struct gs_page_book;
struct gs_mapped_file {
    char *path;
    const uint8_t *data;
    size_t len;
    struct gs_page_book *book; /* NULL: what was read of it stays in memory */
    size_t from, to;           /* read since pages were given back last; from >= to: nothing */
};
enum gs_status gs_file_map(struct gs_mapped_file *out, const char *path, struct gs_error *err);
void gs_file_unmap(struct gs_mapped_file *f);

/* Files named by the paths: a file as it is, with the other segments of its recording; a directory
 * searched for *.gsc at any depth. Sorted, without repetition. GS_ERR_IO when there is nothing. */
struct gs_path_list {
    char **paths;
    size_t n, cap;
};
enum gs_status gs_paths_expand(const char *const *paths, size_t n, struct gs_path_list *out,
                               struct gs_error *err);
void gs_path_list_free(struct gs_path_list *l);

/* ---- all of them ---- */
enum gs_chunk_state { GS_CHUNK_SOUND, GS_CHUNK_UNKNOWN, GS_CHUNK_DAMAGED };
struct gs_chunk_head { /* of its header: large captures have millions of chunks */
    uint64_t process_key, seq0, seq1;
    uint32_t total_len, n_rows, gil, chunk_no, lost_before;
    uint16_t clock_epoch;
    uint8_t stream;
};
struct gs_chunk_ref {
    const uint8_t *data;         /* lives as long as the captures */
    struct gs_mapped_file *file; /* that it is in; NULL: in memory of the caller */
    struct gs_chunk_head hdr;
    enum gs_chunk_state state; /* only SOUND ones may be decoded; all have their number */
};
struct gs_chunk_head gs_chunk_head_of(const struct gs_chunk_hdr *h);
/* All of its header. false: the file was changed meanwhile. */
bool gs_chunk_header(const struct gs_chunk_ref *c, struct gs_chunk_hdr *out);
/* Of any header, what it may claim cut to what a chunk can hold. */
static inline uint32_t gs_chunk_rows(const struct gs_chunk_ref *c)
{
    return c->hdr.n_rows < GS_CHUNK_MAX_ROWS ? c->hdr.n_rows : GS_CHUNK_MAX_ROWS;
}
struct gs_captures {
    struct gs_mapped_file *files;
    size_t n_files;
    struct gs_chunk_ref *chunks; /* by process_key, then chunk_no; each pair once */
    size_t n_chunks, cap_chunks;
    uint64_t damaged_runs, skipped_bytes; /* chunks and stretches of bytes that are damaged */
    uint64_t mapped_bytes;
    struct gs_page_book *book; /* NULL: small enough to stay in memory */
    uint16_t major, minor;
    uint32_t feat_ro; /* of all file headers; not 0: not to be rewritten by this version */
};
enum gs_status gs_captures_open(struct gs_captures *out, const char *const *paths, size_t n,
                                struct gs_error *err);
/* The same; captures of more than keep_bytes do not stay in memory. */
enum gs_status gs__captures_open(struct gs_captures *out, const char *const *paths, size_t n,
                                 uint64_t keep_bytes, struct gs_error *err);
/* The same from memory that the caller keeps (tests, fuzzing). */
enum gs_status gs_captures_add(struct gs_captures *c, const void *data, size_t len,
                               const char *name, struct gs_error *err);
void gs_captures_sort(struct gs_captures *c);
/* The chunk was read and is not needed for now. Of large captures its pages go back to the system,
 * with those of some thousand others; they are read again when somebody does need them. From any
 * thread. */
void gs_chunk_forget(const struct gs_chunk_ref *chunk);
void gs_captures_close(struct gs_captures *c);

#endif
