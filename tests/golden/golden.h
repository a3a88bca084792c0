/* SPDX-License-Identifier: MIT
 * A capture under construction, and the pieces the golden captures are made of. All of it is
 * deterministic: the files are compared byte for byte.
 */
#ifndef GS_GOLDEN_H
#define GS_GOLDEN_H

#include "preload/trace/trace_codec.h"

#define KEY_A 0x0123456789abcdefull
#define KEY_B 0xfedcba9876543210ull

struct capture {
    uint8_t data[512u << 10];
    size_t len;
    uint64_t key;      /* of the chunks that follow */
    uint32_t chunk_no; /* of the next one */
};

/* golden_streams.c */
void put_file_hdr(struct capture *c, uint64_t key);
/* n rows with values that look like a recording; returns where the chunk begins. */
size_t put_rows(struct capture *c, uint8_t stream, size_t n);
/* n rows that use every codec and awkward widths. */
size_t put_adversarial_rows(struct capture *c, uint8_t stream, size_t n);
size_t put_definitions(struct capture *c);
size_t put_end(struct capture *c);
void make_all_records(struct capture *c);
void make_segments(struct capture *c);
void make_memory(struct capture *c);
void make_cuda(struct capture *c);
void make_sync(struct capture *c);
void make_gc(struct capture *c);
void make_counters(struct capture *c);
void make_counted(struct capture *c);

/* golden_native.c */
void make_native(struct capture *c);

/* golden_damage.c */
void make_lost_chunks(struct capture *c);
void make_sigkill(struct capture *c);
void make_damaged_payload(struct capture *c);
void make_damaged_header(struct capture *c);
void make_damaged_file_header(struct capture *c);
void make_garbage_between(struct capture *c);
void make_torn_then_next(struct capture *c);
void make_zero_padding(struct capture *c);
void make_unknown_stream(struct capture *c);
void make_corrupt_contents(struct capture *c);
void make_future_minor(struct capture *c);
void make_future_major(struct capture *c);
void make_unknown_incompat(struct capture *c);
void make_not_a_capture(struct capture *c);

#endif
