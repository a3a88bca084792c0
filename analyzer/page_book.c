/* SPDX-License-Identifier: MIT */
#include "analyzer/page_book.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "analyzer/xalloc.h"

#define HOLD_BYTES   (32u << 20)  /* pages that may stay until the next time */
#define BESIDE_BYTES (256u << 10) /* that the system maps beside a chunk, about */
#define STRETCH      (2u << 20)   /* the largest piece it may map at once */

struct gs_page_book {
    pthread_mutex_t lock;
    struct gs_mapped_file *files;
    size_t n_files;
    size_t held_bytes; /* at most; since pages were given back last */
};

struct gs_page_book *gs_page_book_open(struct gs_mapped_file *files, size_t n)
{
    struct gs_page_book *b = gs_xcalloc(1, sizeof(*b));
    pthread_mutex_init(&b->lock, NULL);
    b->files = files;
    b->n_files = n;
    for (size_t i = 0; i < n; i++)
        files[i].book = b;
    return b;
}

void gs_page_book_close(struct gs_page_book *b)
{
    if (!b)
        return;
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* What other threads have in hand may be among it: they read it again. */
static void give_back(struct gs_mapped_file *f)
{
    if (f->from >= f->to)
        return;
    uintptr_t from = (uintptr_t)f->data + f->from, to = (uintptr_t)f->data + f->to;
    uintptr_t first = (uintptr_t)f->data, end = first + f->len;
    from &= ~(uintptr_t)(STRETCH - 1);
    to = (to + STRETCH - 1) & ~(uintptr_t)(STRETCH - 1);
    from = from > first ? from : first; /* beside the mapping lies what is not ours to drop */
    to = to < end ? to : end;
    madvise((void *)from, to - from, MADV_DONTNEED);
    f->from = f->to = 0;
}

static void note(struct gs_mapped_file *f, size_t from, size_t to)
{
    if (f->from >= f->to) {
        f->from = from;
        f->to = to;
        return;
    }
    f->from = from < f->from ? from : f->from;
    f->to = to > f->to ? to : f->to;
}

void gs_file_forget(struct gs_mapped_file *f, size_t off, size_t len)
{
    struct gs_page_book *b = f->book;
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    note(f, off, off + len);
    b->held_bytes += len + BESIDE_BYTES;
    if (b->held_bytes > HOLD_BYTES) {
        for (size_t i = 0; i < b->n_files; i++)
            give_back(&b->files[i]);
        b->held_bytes = 0;
    }
    pthread_mutex_unlock(&b->lock);
}

void gs_chunk_forget(const struct gs_chunk_ref *chunk)
{
    struct gs_mapped_file *f = chunk->file;
    if (f)
        gs_file_forget(f, (size_t)(chunk->data - f->data), chunk->hdr.total_len);
}
