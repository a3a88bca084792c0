/* SPDX-License-Identifier: MIT */
#include "analyzer/trace_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/page_book.h"
#include "analyzer/xalloc.h"

#define KEEP_BYTES (256u << 20) /* larger captures do not stay in memory */

static enum gs_status map_fd(struct gs_mapped_file *out, int fd, const char *path,
                             struct gs_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return gs_error_set(err, GS_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return gs_error_set(err, GS_ERR_IO, "%s is not a regular file", path);
    out->path = gs_xstrndup(path, strlen(path));
    out->len = (size_t)st.st_size;
    if (out->len == 0)
        return GS_OK;
    void *p = mmap(NULL, out->len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        free(out->path);
        memset(out, 0, sizeof(*out));
        return gs_error_set(err, GS_ERR_IO, "cannot map %s: %s", path, strerror(errno));
    }
    out->data = p;
    return GS_OK;
}

enum gs_status gs_file_map(struct gs_mapped_file *out, const char *path, struct gs_error *err)
{
    memset(out, 0, sizeof(*out));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return gs_error_set(err, GS_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    enum gs_status s = map_fd(out, fd, path, err);
    close(fd);
    return s;
}

void gs_file_unmap(struct gs_mapped_file *f)
{
    if (f->data && f->path)
        munmap((void *)f->data, f->len);
    free(f->path);
    memset(f, 0, sizeof(*f));
}

static enum gs_status refuse(const struct gs_walk_item *it, const char *name, struct gs_error *err)
{
    if (it->status == GS_ERR_VERSION)
        return gs_error_set(err, it->status,
                            "%s has format %u.%u, this gilscope reads %d.x: use the gilscope that "
                            "recorded it",
                            name, it->file.major, it->file.minor, GS_FORMAT_MAJOR);
    return gs_error_set(err, it->status,
                        "%s uses features this gilscope does not know (0x%x): use a newer one",
                        name, it->file.feat_incompat);
}

struct gs_chunk_head gs_chunk_head_of(const struct gs_chunk_hdr *h)
{
    return (struct gs_chunk_head){
        .process_key = h->process_key,
        .seq0 = h->seq0,
        .seq1 = h->seq1,
        .total_len = h->total_len,
        .n_rows = h->n_rows,
        .gil = h->gil,
        .chunk_no = h->chunk_no,
        .lost_before = h->lost_before,
        .clock_epoch = h->clock_epoch,
        .stream = h->stream,
    };
}

bool gs_chunk_header(const struct gs_chunk_ref *c, struct gs_chunk_hdr *out)
{
    return gs_chunk_hdr_decode(c->data, c->hdr.total_len, out) == GS_OK &&
           out->n_rows == c->hdr.n_rows;
}

static void add_item(struct gs_captures *c, const struct gs_walk_item *it,
                     struct gs_mapped_file *file)
{
    static const enum gs_chunk_state states[] = {
        [GS_WALK_CHUNK] = GS_CHUNK_SOUND,
        [GS_WALK_UNKNOWN] = GS_CHUNK_UNKNOWN,
        [GS_WALK_DAMAGED] = GS_CHUNK_DAMAGED,
    };
    if (it->kind == GS_WALK_FILE_HDR) {
        if (it->file.minor > c->minor)
            c->minor = it->file.minor;
        c->feat_ro |= it->file.feat_ro;
        return;
    }
    if (it->kind == GS_WALK_DAMAGED) {
        c->damaged_runs++;
        c->skipped_bytes += it->len;
        if (!it->has_chunk)
            return;
    }
    struct gs_chunk_ref ref = {it->data, file, gs_chunk_head_of(&it->chunk), states[it->kind]};
    GS_PUSH(c->chunks, c->n_chunks, c->cap_chunks, ref);
}

static enum gs_status add_all(struct gs_captures *c, const void *data, size_t len, const char *name,
                              struct gs_mapped_file *file, struct gs_error *err)
{
    struct gs_walk w;
    struct gs_walk_item it;
    bool any = false;
    c->major = GS_FORMAT_MAJOR;
    gs_walk_init(&w, data, len);
    while (gs_walk_next(&w, &it)) {
        if (it.kind == GS_WALK_FILE_HDR && it.status != GS_OK)
            return refuse(&it, name, err);
        any |= it.kind != GS_WALK_DAMAGED;
        add_item(c, &it, file);
        if (file)
            gs_file_forget(file, it.off, it.len);
    }
    if (!any && len > 0)
        return gs_error_set(err, GS_ERR_MAGIC, "%s is not a gilscope capture", name);
    return GS_OK;
}

enum gs_status gs_captures_add(struct gs_captures *c, const void *data, size_t len,
                               const char *name, struct gs_error *err)
{
    return add_all(c, data, len, name, NULL, err);
}

#define CMP(x, y)                                                                                  \
    if ((x) != (y))                                                                                \
    return (x) < (y) ? -1 : 1

static int by_checksums(const struct gs_chunk_ref *ra, const struct gs_chunk_ref *rb)
{
    struct gs_chunk_hdr a, b;
    memcpy(&a, ra->data, sizeof(a));
    memcpy(&b, rb->data, sizeof(b));
    CMP(a.crc_header, b.crc_header);
    CMP(a.crc_payload, b.crc_payload);
    return 0;
}

static int by_process_and_number(const void *pa, const void *pb)
{
    const struct gs_chunk_ref *a = pa, *b = pb;
    CMP(a->hdr.process_key, b->hdr.process_key);
    CMP(a->hdr.chunk_no, b->hdr.chunk_no);
    CMP(a->state, b->state); /* a sound copy before a damaged one */
    return by_checksums(a, b);
}

#undef CMP

static bool is_sorted(const struct gs_captures *c)
{
    for (size_t i = 1; i < c->n_chunks; i++)
        if (by_process_and_number(&c->chunks[i - 1], &c->chunks[i]) > 0)
            return false;
    return true;
}

/* The same chunk twice (a copied or overlapping file) counts once. */
void gs_captures_sort(struct gs_captures *c)
{
    if (c->n_chunks == 0)
        return;
    if (!is_sorted(c)) /* a file is, as agents write it; the sort takes as much memory again */
        qsort(c->chunks, c->n_chunks, sizeof(*c->chunks), by_process_and_number);
    size_t kept = 1;
    for (size_t i = 1; i < c->n_chunks; i++) {
        const struct gs_chunk_head *last = &c->chunks[kept - 1].hdr, *h = &c->chunks[i].hdr;
        if (h->process_key != last->process_key || h->chunk_no != last->chunk_no)
            c->chunks[kept++] = c->chunks[i];
    }
    c->n_chunks = kept;
}

/* All of them before any is read: only then is known whether they may stay in memory. */
static enum gs_status map_files(struct gs_captures *out, const struct gs_path_list *list,
                                uint64_t keep_bytes, struct gs_error *err)
{
    out->files = gs_xcalloc(list->n, sizeof(*out->files));
    for (; out->n_files < list->n; out->n_files++) {
        enum gs_status s = gs_file_map(&out->files[out->n_files], list->paths[out->n_files], err);
        if (s != GS_OK)
            return s;
        out->mapped_bytes += out->files[out->n_files].len;
    }
    if (out->mapped_bytes > keep_bytes)
        out->book = gs_page_book_open(out->files, out->n_files);
    return GS_OK;
}

static enum gs_status read_files(struct gs_captures *out, struct gs_error *err)
{
    for (size_t i = 0; i < out->n_files; i++) {
        struct gs_mapped_file *f = &out->files[i];
        enum gs_status s = add_all(out, f->data, f->len, f->path, f, err);
        if (s != GS_OK)
            return s;
    }
    if (out->n_chunks == 0)
        return gs_error_set(err, GS_ERR_TRUNCATED,
                            "%s holds no data: the program ended before anything was recorded",
                            out->files[0].path);
    return GS_OK;
}

static enum gs_status list_and_open(struct gs_captures *out, const char *const *paths, size_t n,
                                    uint64_t keep_bytes, struct gs_error *err)
{
    struct gs_path_list list;
    memset(out, 0, sizeof(*out));
    enum gs_status s = gs_paths_expand(paths, n, &list, err);
    if (s == GS_OK)
        s = map_files(out, &list, keep_bytes, err);
    if (s == GS_OK)
        s = read_files(out, err);
    gs_path_list_free(&list);
    if (s != GS_OK)
        gs_captures_close(out);
    return s;
}

/* A ring that is being written removes files between the list and the look: then once more. */
enum gs_status gs__captures_open(struct gs_captures *out, const char *const *paths, size_t n,
                                 uint64_t keep_bytes, struct gs_error *err)
{
    enum gs_status s = list_and_open(out, paths, n, keep_bytes, err);
    for (int again = 3; s == GS_ERR_IO && again > 0; again--)
        s = list_and_open(out, paths, n, keep_bytes, err);
    if (s == GS_OK)
        gs_captures_sort(out);
    return s;
}

enum gs_status gs_captures_open(struct gs_captures *out, const char *const *paths, size_t n,
                                struct gs_error *err)
{
    return gs__captures_open(out, paths, n, KEEP_BYTES, err);
}

void gs_captures_close(struct gs_captures *c)
{
    for (size_t i = 0; i < c->n_files; i++)
        gs_file_unmap(&c->files[i]);
    free(c->files);
    gs_page_book_close(c->book);
    free(c->chunks);
    memset(c, 0, sizeof(*c));
}
