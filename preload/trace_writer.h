/* SPDX-License-Identifier: MIT
 * From ring slots and definitions to chunks in the capture file. Everything here runs in one
 * thread at a time: the drain thread, or the thread that ends the process when there is none.
 */
#ifndef GS_TRACE_WRITER_H
#define GS_TRACE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/trace/trace_codec.h"
#include "preload/trace_sink.h"

struct gs_writer {
    struct gs_sink sink;
    struct gs_record_writer rec; /* the open RECORDS chunk */
    uint32_t n_records;
    uint32_t chunk_no;
    uint64_t lost_written; /* rows counted as lost in chunk headers so far */
    uint64_t cuda_rows;    /* taken from rings */
    struct gs_writer_buffers *buf;
};
extern struct gs_writer gs_writer;

/* Maps the buffers (once); false when memory is refused. */
bool gs_writer_init(void);
/* Creates the file and writes its header. 0 or -errno. */
int gs_writer_open(bool keep_open);
void gs_writer_file_hdr(void);
/* Moves all that lies in rings and definitions into the file, then totals that changed. */
void gs_writer_drain(void);
/* For streams that come from elsewhere than rings (SCHED): fill columns, then write n rows. */
uint64_t *gs_writer_column(unsigned col);
void gs_writer_chunk(uint8_t stream, uint32_t gil, size_t n);
/* Writes the open RECORDS chunk, if it holds anything. */
void gs_writer_flush_records(void);
/* Room for a record of about `bytes`, flushing first if needed. */
struct gs_record_writer *gs_writer_records(size_t bytes);
void gs_writer_record_done(void);
void gs_writer_forget(void);

#endif
