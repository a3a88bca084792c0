/* SPDX-License-Identifier: MIT
 * Which pages of mapped files were read, so that they can be given back to the system. A page that
 * is read brings its neighbours with it (16 of them, or whatever the page cache has in one piece),
 * and so does one that was given back a moment ago, for the chunk beside it. So pages go back in
 * long stretches and now and then, not chunk by chunk.
 */
#ifndef GS_PAGE_BOOK_H
#define GS_PAGE_BOOK_H

#include "analyzer/trace_reader.h"

/* For these files, which stay where they are. */
struct gs_page_book *gs_page_book_open(struct gs_mapped_file *files, size_t n);
void gs_page_book_close(struct gs_page_book *b); /* NULL is none */

/* These bytes of it were read. From any thread; does nothing for a file without a book. */
void gs_file_forget(struct gs_mapped_file *f, size_t off, size_t len);

#endif
