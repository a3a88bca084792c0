/* SPDX-License-Identifier: MIT
 * The wire format of a capture (.gsc), as C. The normative text is TRACE_FORMAT.md beside this
 * file; a second decoder written from that text alone (tests/py/decode_trace.py) keeps both honest.
 * All integers little-endian. Times are TSC ticks of the recording machine unless named _ns.
 */
#ifndef GS_TRACE_FORMAT_H
#define GS_TRACE_FORMAT_H

#include <stdint.h>

#define GS_FORMAT_MAJOR   1 /* a reader refuses another major */
#define GS_FORMAT_MINOR   7 /* additions a reader may ignore */

#define GS_FILE_MAGIC     "GILSCOPE"  /* 8 bytes, no terminator */
#define GS_CHUNK_MAGIC    0x4b435347u /* "GSCK" */
#define GS_CHUNK_END      0x4753434bu /* "KCSG", last 4 bytes of a chunk */
#define GS_FILE_HDR_LEN   64u
#define GS_CHUNK_HDR_LEN  128u
#define GS_CHUNK_TAIL_LEN 8u /* u32 total_len, u32 GS_CHUNK_END */
#define GS_CHUNK_MAX_ROWS 4096u
#define GS_CHUNK_MAX_LEN  (4u << 20)
#define GS_CHUNK_MAX_COLS 10u
#define GS_BLOCK_ROWS     1024u
#define GS_BLOCK_HDR_LEN  16u
#define GS_NO_GIL         0xffffffffu /* chunk header: not about one GIL */
#define GS_STACK_NONE     0u          /* stack id: not known or not taken */

/* feat_incompat: the process image lies in several files, of which the older may be deleted. */
#define GS_FEAT_SEGMENTS  1u
#define GS_FEAT_INCOMPAT  GS_FEAT_SEGMENTS /* all that are known */

/* File header, 64 bytes; may stand again wherever a chunk may (concatenated files). */
struct gs_file_hdr {
    char magic[8];
    uint16_t major, minor;
    uint16_t header_len; /* 64 */
    uint16_t reserved0;
    uint32_t feat_compat;   /* unknown bits: ignore */
    uint32_t feat_incompat; /* unknown bit: refuse */
    uint32_t feat_ro;       /* unknown bit: read, never rewrite (recover) */
    uint32_t reserved1;
    uint64_t process_key;
    int64_t created_unix_ns;
    uint8_t reserved2[12];
    uint32_t crc; /* CRC32C of the 60 bytes before it */
};
_Static_assert(sizeof(struct gs_file_hdr) == GS_FILE_HDR_LEN, "file header is 64 bytes");

/* Chunk header, 128 bytes. Chunks are self-describing: any of them can be read alone. */
struct gs_chunk_hdr {
    uint32_t magic;
    uint16_t header_len; /* 128 */
    uint8_t stream;      /* enum gs_stream; unknown: skip by total_len */
    uint8_t flags;       /* 0; unknown bit: skip the chunk and count it */
    uint32_t total_len;  /* header + payload + tail */
    uint32_t n_rows;
    uint64_t process_key; /* random, one per recorded process image */
    uint32_t gil;         /* index of the GIL the rows are about, or GS_NO_GIL */
    uint32_t reserved0;
    uint64_t t0, t1;      /* least and greatest time column value */
    uint64_t seq0, seq1;  /* least and greatest sequence number, 0 without a seq column */
    uint32_t chunk_no;    /* 0, 1, 2 ... of a process_key; a gap is a lost chunk */
    uint32_t lost_before; /* rows of this stream dropped since the last chunk of the stream */
    uint16_t clock_epoch; /* +1 when the clock was found to have stepped */
    uint8_t n_cols;
    uint8_t reserved1;
    uint32_t n_dict;                     /* entries in the chunk's stack dictionary */
    uint32_t col_off[GS_CHUNK_MAX_COLS]; /* from the chunk's start; 0 for absent columns */
    uint32_t crc_payload;                /* CRC32C of all from byte 128 to the tail */
    uint32_t crc_header;                 /* CRC32C of the 124 bytes before it */
};
_Static_assert(sizeof(struct gs_chunk_hdr) == GS_CHUNK_HDR_LEN, "chunk header is 128 bytes");

/* Block header, 16 bytes: one per 1024 rows of a column. A full block (1024 values) is packed in
 * 32 interleaved lanes; a shorter one contiguously. */
struct gs_block_hdr {
    uint8_t width;  /* bits a value, 0..64; above 32 the block is two-part, see TRACE_FORMAT.md */
    uint8_t codec;  /* enum gs_codec */
    uint16_t n;     /* values, 1..1024 */
    uint32_t words; /* 32-bit words that follow */
    uint64_t base;  /* FOR: minimum; DELTA: value before the first; CONST: the value */
};
_Static_assert(sizeof(struct gs_block_hdr) == GS_BLOCK_HDR_LEN, "block header is 16 bytes");

enum gs_codec {
    GS_CODEC_RAW = 0,   /* n 64-bit values */
    GS_CODEC_FOR = 1,   /* value - base, bit-packed */
    GS_CODEC_CONST = 2, /* all equal base, no words */
    GS_CODEC_DELTA = 3, /* zig-zag of value - previous, bit-packed; prefix sum from base */
};

/* Columnar streams: X(NAME, number, name, doc); columns: X(stream, column, kind).
 * Column kinds: F = FOR, D = delta, S = stack id through the chunk's dictionary. */
#define GS_STREAM_LIST(X)                                                                          \
    X(RECORDS, 1, "records", "tagged records: definitions, totals, events (no columns)")           \
    X(SLICE, 2, "slice", "GIL turns and the waits that ended them, in order of seq")               \
    X(HOLD_SAMPLE, 3, "hold_sample", "Poisson samples of uncontended holds")                       \
    X(HOLDER_SAMPLE, 4, "holder_sample", "the holder's stack while it held")                       \
    X(EDGE, 5, "edge", "waker -> wakee of locks (sem_post -> sem_wait)")                           \
    X(SCHED, 6, "sched", "per-thread CPU and run-queue time, cumulative")                          \
    X(POOLS, 7, "pools", "pymalloc pools of an arena that changed, four a row")                    \
    X(ALLOC, 8, "alloc", "Poisson samples of allocations, over bytes")                             \
    X(FREE, 9, "free", "sampled allocations that were freed")                                      \
    X(CUDA, 10, "cuda", "calls of the CUDA driver, in order of seq")                               \
    X(SYNC, 11, "sync", "what Python code does with locks and queues, and CPU clocks of threads")  \
    X(COUNTED, 12, "counted", "what counters counted under a stack")

enum gs_stream {
#define X(NAME, number, name, doc) GS_STREAM_##NAME = number,
    GS_STREAM_LIST(X)
#undef X
};

/* SLICE: one acquire (seq) of one GIL. flags says which halves the row holds; both halves of one
 * seq may also come as two rows. */
#define GS_SLICE_COLUMNS(X)                                                                        \
    X(seq, D)        /* acquire number of this GIL, from 1, dense over ALL acquires */             \
    X(t_acq, D)      /* time of the acquire */                                                     \
    X(thread, F)     /* dense thread index */                                                      \
    X(flags, F)      /* GS_SLICE_* */                                                              \
    X(hold, F)       /* TURN: release - acquire */                                                 \
    X(hold_stack, S) /* TURN: stack at the release */                                              \
    X(wait, F)       /* WAIT: acquire - begin of the wait */                                       \
    X(wait_ds, F)    /* WAIT: acquires since the wait began, this one included (>= 1) */           \
    X(wait_stack, S) /* WAIT: stack that waited */
enum gs_slice_flag {
    GS_SLICE_TURN = 1,       /* hold, hold_stack are valid */
    GS_SLICE_WAIT = 2,       /* wait, wait_ds, wait_stack are valid */
    GS_SLICE_WAITED_FOR = 4, /* somebody waited at the release */
    GS_SLICE_FORCED = 8,     /* a waiter had asked for the drop */
};

/* HOLD_SAMPLE: points of a Poisson process over uncontended hold time. */
#define GS_HOLD_SAMPLE_COLUMNS(X)                                                                  \
    X(t_rel, D) /* time of the release */                                                          \
    X(thread, F)                                                                                   \
    X(hold, F)   /* the whole hold */                                                              \
    X(weight, F) /* points that fell into it, >= 1 */                                              \
    X(stack, S)

/* HOLDER_SAMPLE: what the holder of turn `seq` was doing at time t. */
#define GS_HOLDER_SAMPLE_COLUMNS(X)                                                                \
    X(seq, D)                                                                                      \
    X(t, D)                                                                                        \
    X(thread, F) /* the holder */                                                                  \
    X(kind, F)   /* enum gs_holder_sample_kind */                                                  \
    X(stack, S)
enum gs_holder_sample_kind {
    GS_HOLDER_AT_WAIT = 1,   /* a waiter, as its wait began */
    GS_HOLDER_AT_EXPIRY = 2, /* a waiter, as the switch interval expired */
    GS_HOLDER_BY_DRAIN = 3,  /* the drain thread, inside a long hold */
};

/* EDGE: a blocked semaphore wait from libpython and the post that ended it. */
#define GS_EDGE_COLUMNS(X)                                                                         \
    X(t_wake, D)                                                                                   \
    X(blocked, F) /* wait begin = t_wake - blocked */                                              \
    X(wakee, F)                                                                                    \
    X(waker, F)      /* thread indexes; waker GS_EDGE_NO_WAKER if unknown */                       \
    X(wake_delay, F) /* t_wake - time of the post; 0 if unknown */                                 \
    X(wakee_stack, S) X(waker_stack, S) X(result, F) /* 0 taken, 1 timed out or interrupted */
#define GS_EDGE_NO_WAKER               0xffffffffu

#define GS_SCHED_COLUMNS(X)            X(t, D) X(thread, F) X(cpu_ns, F) X(runqueue_ns, F)

/* POOLS: pools 4 * quad to 4 * quad + 3 of an arena, counted from its first aligned one; rows of
 * the same t and arena are one reading, and what it has no row for was never used. cells: pool 4 *
 * quad + i in bits 16i to 16i + 15, each GS_POOL_CELL(). */
#define GS_POOLS_COLUMNS(X)            X(t, D) X(arena, D) X(quad, F) X(cells, F)
/* size_class 0: never used; c: blocks of 16 * c bytes. used: blocks in use, 0 in an emptied pool.
 */
#define GS_POOL_CELL(size_class, used) ((uint32_t)(size_class) << 10 | (uint32_t)(used))
#define GS_POOL_CELL_CLASS(cell)       ((uint32_t)(cell) >> 10)
#define GS_POOL_CELL_USED(cell)        ((uint32_t)(cell)&0x3ffu)
#define GS_POOL_CLASSES                32u
#define GS_POOL_HDR_BYTES              48u /* in front of a pool's blocks */
#define GS_ARENA_POOLS                 64u /* at most */

/* ALLOC: points of a Poisson process over allocated bytes, one each `mean_bytes` (ALLOC_STATE). */
#define GS_ALLOC_COLUMNS(X)                                                                        \
    X(t, D)       /* of the allocation */                                                          \
    X(id, D)      /* never given twice */                                                          \
    X(address, F) /* of the block */                                                               \
    X(bytes, F)   /* asked for */                                                                  \
    X(points, F)  /* that fell into it, >= 1: it stands for points * mean_bytes */                 \
    X(domain, F)  /* enum gs_alloc_domain */                                                       \
    X(thread, F)                                                                                   \
    X(stack, S)
enum gs_alloc_domain { GS_ALLOC_OBJ = 0, GS_ALLOC_MEM = 1 };

#define GS_FREE_COLUMNS(X) X(t, D) X(id, D)

/* CUDA: one call of the driver (or what one call let go of). */
#define GS_CUDA_COLUMNS(X)                                                                         \
    X(t, D)        /* the call began */                                                            \
    X(seq, D)      /* from 1, dense over all rows, lost ones too: the order of effects */          \
    X(what, F)     /* GS_CUDA_WHAT() */                                                            \
    X(thread, F)   /* GS_NO_THREAD: one that never used the GIL */                                 \
    X(context, F)  /* CUDA_CONTEXT record; 0: none */                                              \
    X(result, F)   /* CUresult, 0 is success */                                                    \
    X(duration, F) /* ticks */                                                                     \
    X(bytes, F) /* ALLOC: asked for; FREE: let go; COPY: copied, 0 unknown; LOAD: of the image */  \
    X(address, F) /* of the memory, or the handle that names it */                                 \
    X(stack, S)
#define GS_NO_THREAD 0xffffffffu
#define GS_CUDA_WHAT(op, kind, flags, call)                                                        \
    ((uint64_t)(op) | (uint64_t)(kind) << 8 | (uint64_t)(flags) << 16 | (uint64_t)(call) << 32)
#define GS_CUDA_WHAT_OP(what)    ((unsigned)((what)&0xff))
#define GS_CUDA_WHAT_KIND(what)  ((unsigned)((what) >> 8 & 0xff))
#define GS_CUDA_WHAT_FLAGS(what) ((unsigned)((what) >> 16 & 0xffff))
#define GS_CUDA_WHAT_CALL(what)  ((unsigned)((what) >> 32 & 0xffff)) /* CUDA_CALL record */

/* What a call is for, to us. */
#define GS_CUDA_OP_LIST(X)                                                                         \
    X(ALLOC, 1, "alloc")                                                                           \
    X(FREE, 2, "free")                                                                             \
    X(SYNC, 3, "sync") /* waits for the device, and does nothing else */                           \
    X(COPY, 4, "copy") /* a copy or fill that returns when it is done */                           \
    X(LOAD, 5, "load") /* of a module or library */                                                \
    X(UNLOAD, 6, "unload")                                                                         \
    X(CONTEXT, 7, "context")         /* made, retained, or made current */                         \
    X(CONTEXT_END, 8, "context end") /* bytes: what lived in it and went with it */                \
    X(POOL, 9, "pool")               /* of stream-ordered memory: made, trimmed, set up */         \
    X(LAUNCH, 10, "launch")          /* only counted: no rows */                                   \
    X(OTHER, 11, "other")

/* What memory a call is about. DEVICE to ARRAY are memory of a device. */
#define GS_CUDA_KIND_LIST(X)                                                                       \
    X(NONE, 0, "none")                                                                             \
    X(DEVICE, 1, "device")                                                                         \
    X(MANAGED, 2, "managed")                                                                       \
    X(VMM, 3, "vmm")   /* cuMemCreate: lives until released and unmapped */                        \
    X(POOL, 4, "pool") /* stream-ordered */                                                        \
    X(ARRAY, 5, "array")                                                                           \
    X(HOST, 6, "host")             /* the host's, page-locked, from the driver */                  \
    X(REGISTERED, 7, "registered") /* the program's own, page-locked */                            \
    X(GRAPH, 8, "graph")           /* a graph's memory node: there while the graph runs */         \
    X(IPC, 9, "ipc")               /* another process's */                                         \
    X(MODULE, 10, "module")        /* bytes: of the image */

#define X(NAME, number, text) GS_CUDA_OP_##NAME = number,
enum gs_cuda_op { GS_CUDA_OP_LIST(X) };
#undef X
#define X(NAME, number, text) GS_CUDA_KIND_##NAME = number,
enum gs_cuda_kind { GS_CUDA_KIND_LIST(X) };
#undef X

enum gs_cuda_flag {
    GS_CUDA_HELD = 1,    /* the thread held the GIL from the call's begin to its end */
    GS_CUDA_HAD = 2,     /* it held the GIL as the call began; with HELD, too */
    GS_CUDA_AGAIN = 4,   /* ALLOC: told once more, for a new segment */
    GS_CUDA_UNKNOWN = 8, /* FREE: of memory nobody saw allocated; bytes is 0 */
};

/* SYNC: one operation on a lock or queue, or one reading of a thread's CPU clock. */
#define GS_SYNC_COLUMNS(X)                                                                         \
    X(t, D) /* the operation was over; CPU: of the reading */                                      \
    X(thread, F)                                                                                   \
    X(op, F)     /* enum gs_sync_op */                                                             \
    X(object, F) /* address, marked; given again once the object is gone */                        \
    X(value, F)  /* what the op says */                                                            \
    X(stack, S)
#define GS_SYNC_OP_LIST(X)                                                                         \
    X(ACQUIRED, 1, "acquired") /* value: ticks the call took */                                    \
    X(RELEASED, 2, "released") /* value: 1: an RLock, however often it was taken */                \
    X(REFUSED, 3, "refused")   /* without the lock, or the item; value: ticks the call took */     \
    X(PUT, 4, "put")                                                                               \
    X(GOT, 5, "got") /* value: ticks the call took */                                              \
    X(CPU, 6, "cpu") /* value: the thread's CPU clock, ns; object, stack 0 */
enum gs_sync_op {
#define X(NAME, number, text) GS_SYNC_##NAME = number,
    GS_SYNC_OP_LIST(X)
#undef X
};
/* What is recorded, in LOCKS and NO_LOCKS: bits. */
enum gs_sync_type { GS_SYNC_LOCK = 1, GS_SYNC_RLOCK = 2, GS_SYNC_SIMPLE_QUEUE = 4 };
/* Of an object, whose address is even: it is an RLock. */
#define GS_SYNC_REENTRANT  1u
#define GS_SYNC_MARK(type) ((type) == GS_SYNC_RLOCK ? GS_SYNC_REENTRANT : 0)

/* COUNTED: what one counter counted in a turn, a wait, or the time away before one. */
#define GS_COUNTED_COLUMNS(X)                                                                      \
    X(t, D) /* it ended */                                                                         \
    X(thread, F)                                                                                   \
    X(what, F)  /* GS_COUNTED_WHAT() */                                                            \
    X(count, F) /* as COUNTS have it */                                                            \
    X(stack, S)
/* The counter's number, 0 holding 1 waiting 2 away, and whether the count is an estimate of what
 * the thread counted in all turns like this one, which a point of the sampler hit. */
#define GS_COUNTED_WHAT(counter, state, is_estimate)                                               \
    ((uint32_t)(counter) | (uint32_t)(state) << 8 | (uint32_t)(is_estimate) << 16)
#define GS_COUNTED_COUNTER(what)     ((uint32_t)(what)&0xff)
#define GS_COUNTED_STATE(what)       ((uint32_t)(what) >> 8 & 0xff)
#define GS_COUNTED_IS_ESTIMATE(what) ((uint32_t)(what) >> 16 & 1)
#define GS_COUNTED_MAX               (UINT64_MAX >> 16) /* no count is greater */

/* CUDA_CONTEXT flags */
enum gs_cuda_context_flag { GS_CUDA_PRIMARY = 1 };
/* CUDA_DRIVER lazy */
enum gs_cuda_loading {
    GS_CUDA_LOADING_UNKNOWN = 0,
    GS_CUDA_LOADING_EAGER = 1,
    GS_CUDA_LOADING_LAZY = 2
};

/* Tagged records of stream RECORDS: each is LEB128 tag, LEB128 length, payload. Payload fields in
 * the listed order: u = LEB128 unsigned, z = LEB128 zig-zag, s = LEB128 length + bytes (UTF-8),
 * b = LEB128 length + bytes, * = the field repeats (count first, as u). A reader ignores unknown
 * tags and bytes after the last field it knows; missing trailing fields read as 0. */
#define GS_RECORD_LIST(X)                                                                          \
    X(PROCESS, 1,                                                                                  \
      "u pid, u ppid, z start_unix_ns, u start_ticks, u python_hex, u free_threaded,"              \
      " s exe, s* cmdline, s hostname, s agent_version, u level, u n_cpus,"                        \
      " u clock_kind (0 tsc, 1 monotonic ns), s* settings (key=value)")                            \
    X(CLOCK, 2, "u ticks, u monotonic_raw_ns, z unix_ns")                                          \
    X(THREAD, 3, "u thread, u tid, u t_first, s name, s python_name")                              \
    X(THREAD_END, 4, "u thread, u t")                                                              \
    X(GIL, 5, "u gil, z interpreter, u t_first, u switch_us")                                      \
    X(CODE, 6, "u code, s filename, s qualname, z first_line, u linetable_kind, b linetable")      \
    X(STACK, 7, "u stack, u truncated, u n, then n times: u code, u instr_off; innermost first")   \
    X(LEVEL, 8, "u t, u old, u new, s reason")                                                     \
    X(TOTALS, 9,                                                                                   \
      "u thread, u gil, u t, u acquisitions, u releases, u contended, u forced,"                   \
      " u folded_n, u folded_hold, u lost_n, u lost_hold, u lost_wait_n, u lost_wait,"             \
      " u open_kind (0 none, 1 holding, 2 waiting), u open_since, u open_stack")                   \
    X(FOLD_HIST, 10, "u thread, u gil, u n, then n times: u log2_ticks, u count (cumulative)")     \
    X(EVENT, 11, "u t, u kind (GS_EVENT_*), u value, s text")                                      \
    X(END, 12, "u t, u reason (GS_EVENT_*)")                                                       \
    X(OVERHEAD, 13, "u t, u hook_ns, u stack_ns, u drain_cpu_ns, u process_cpu_ns")                \
    X(LOST, 14, "u t, u slots, u definitions, u stacks, u writes (all cumulative)")                \
    X(SEGMENT, 15,                                                                                 \
      "u t, u segment, u first_segment, u first_chunk, u first_t; chunks 1 to first_chunk - 1"     \
      " are deleted")                                                                              \
    X(BASE, 16,                                                                                    \
      "u segment, u thread, u gil, u folded_n, u folded_hold, u turns, u hold, u waits, u wait;"   \
      " sums of all before the segment")                                                           \
    X(ENDED, 17,                                                                                   \
      "u gil, u threads, u acquisitions, u releases, u contended, u forced, u folded_n,"           \
      " u folded_hold, u lost_n, u lost_hold, u lost_wait_n, u lost_wait, u turns, u hold,"        \
      " u waits, u wait, u n, then n times: u log2_ticks, u count")                                \
    X(ARENA, 18, "u arena, u t, u address, u bytes, u pool_bytes, u stack")                        \
    X(ARENA_END, 19, "u arena, u t")                                                               \
    X(MEMORY, 20,                                                                                  \
      "u t, u rss_bytes, u file_rss_bytes, u arenas, u arena_bytes, u chunks, u chunk_bytes,"      \
      " u arenas_unread, u arenas_untracked")                                                      \
    X(MAPS, 21,                                                                                    \
      "u t, u rss_bytes, u pss_bytes, u anonymous_bytes, u uss_bytes, u swap_bytes, u n,"          \
      " then n times: u kind (GS_MAP_*), u rss_bytes")                                             \
    X(HEAP, 22, "u t, u in_use_bytes, u retained_bytes")                                           \
    X(ALLOC_STATE, 23, "u t, u mean_bytes, u samples, u lost_allocs, u lost_frees")                \
    X(CUDA_DRIVER, 24, "u t, u version, u loading, s path")                                        \
    X(CUDA_DEVICE, 25, "u device, s name, s pci_bus_id, u total_bytes")                            \
    X(CUDA_CONTEXT, 26,                                                                            \
      "u context, u t, u device, u flags, u duration, u free_before_bytes, u free_after_bytes,"    \
      " u total_bytes, u thread, u stack")                                                         \
    X(CUDA_CONTEXT_END, 27, "u context, u t")                                                      \
    X(CUDA_CALL, 28,                                                                               \
      "u call, u op, s name, u t, u calls, u failed, u ticks, u held_calls, u held_ticks")         \
    X(CUDA_LIVE, 29,                                                                               \
      "u t, u context, u kind, u allocs, u frees, u failed, u live_bytes, u peak_bytes")           \
    X(CUDA_STATE, 30,                                                                              \
      "u t, u rows, u lost_rows, u unknown_frees, u untracked, u live_bytes, u peak_bytes")        \
    X(CUDA_USED, 31, "u t, u device, u used_bytes")                                                \
    X(MODULE, 32, "u t, s path")                                                                   \
    X(GC, 33,                                                                                      \
      "u t, u interpreter, u enabled, u live, u looks, u looked, u hits, u hit, u has_duration,"   \
      " u duration_ns")                                                                            \
    X(GC_GENERATION, 34,                                                                           \
      "u t, u interpreter, u generation, u collections, u collected, u uncollectable,"             \
      " z threshold, z count")                                                                     \
    X(GC_THREAD, 35, "u thread, u hit")                                                            \
    X(COUNTER, 36, "u counter, s name, u source (GS_COUNTER_*), u type, u config, s why_not")      \
    X(COUNTS, 37,                                                                                  \
      "u t, u thread, u counter, u count, u enabled_ns, u running_ns, u holding, u waiting,"       \
      " u off_gil, u shared (all cumulative)")                                                     \
    X(NATIVE_MODULE, 38,                                                                           \
      "u module, u t, u start, u end, u bias, b build_id, s path; executable bytes of a file")     \
    X(NATIVE_MODULE_END, 39, "u module, u t")                                                      \
    X(NATIVE_STACK, 40,                                                                            \
      "u stack, u python_stack, u truncated, u* runs, u n, then n times: u module, u offset;"      \
      " innermost first")                                                                          \
    X(SYMBOL, 41, "u module, u offset, u depth (0 innermost), s function, s file, z line")

enum gs_record_tag {
#define X(NAME, number, fields) GS_RECORD_##NAME = number,
    GS_RECORD_LIST(X)
#undef X
};

/* EVENT kinds and END reasons. */
#define GS_EVENT_LIST(X)                                                                           \
    X(EXIT, 1, "exit")               /* orderly end of the process */                              \
    X(FORK, 2, "fork")               /* value = child pid if known */                              \
    X(EXEC, 3, "exec")               /* the process image is replaced */                           \
    X(EXEC_FAILED, 4, "exec failed") /* recording goes on */                                       \
    X(DURATION, 5, "duration reached")                                                             \
    X(MAX_SIZE, 6, "size limit reached")                                                           \
    X(DISK_FULL, 7, "write failed")                                                                \
    X(PASSIVE, 8, "agent went passive")                                                            \
    X(CLOCK_STEP, 9, "clock stepped")                                                              \
    X(NO_SAFE_READ, 10, "holder sampling is off: process_vm_readv refused")                        \
    X(ONLY_TASK, 11, "every other thread has ended")                                               \
    X(MORE_GILS, 12, "more GILs than are recorded: turns on the last ones are missing")            \
    X(NO_ARENAS, 13, "arenas are not recorded")                         /* text: why */            \
    X(NO_ALLOCS, 14, "allocations are not sampled")                     /* text: why */            \
    X(NO_CUDA, 15, "CUDA is not recorded")                              /* text: why */            \
    X(NO_NVML, 16, "what the process uses of its devices is not known") /* text: why */            \
    X(NO_LOCKS, 17, "locks are not recorded")                           /* text: why */            \
    X(LOCKS, 18, "locks are recorded")                   /* value: GS_SYNC_LOCK ... */             \
    X(NO_GC, 19, "garbage collections are not recorded") /* text: why */                           \
    X(NO_NATIVE, 20, "native stacks are not taken")      /* text: why */

enum gs_event_kind {
#define X(NAME, number, text) GS_EVENT_##NAME = number,
    GS_EVENT_LIST(X)
#undef X
};

/* COUNTER: who counts. */
#define GS_COUNTER_SOURCE_LIST(X)                                                                  \
    X(NONE, 0, "not counted")           /* why_not says why */                                     \
    X(KERNEL, 1, "kernel's accounts")   /* of each thread, since it began */                       \
    X(PERF, 2, "perf_event")            /* user and kernel mode */                                 \
    X(PERF_USER, 3, "perf_event, user") /* the kernel is not counted: it was refused */

enum gs_counter_source {
#define X(NAME, number, text) GS_COUNTER_##NAME = number,
    GS_COUNTER_SOURCE_LIST(X)
#undef X
};

#define GS_COUNTS_PROCESS 0xffffffffu /* COUNTS thread: the whole process */

/* MAPS: what the memory of the process that is resident is of. Kinds
 * 1, 3 to 5 and 8 are whole mappings but for what of them is 2, 6 or 7. */
#define GS_MAP_LIST(X)                                                                             \
    X(FILE, 1, "pages of files")                                                                   \
    X(FILE_PRIVATE, 2, "private copies of pages of files, and zeroed data behind them")            \
    X(HEAP, 3, "the C library's heap")                                                             \
    X(THREAD_HEAPS, 4, "the C library's heaps of threads")                                         \
    X(STACK, 5, "the main thread's stack")                                                         \
    X(ARENAS, 6, "pymalloc's arenas")                                                              \
    X(AGENT, 7, "gilscope's own")                                                                  \
    X(OTHER, 8, "other anonymous mappings")

enum gs_map_kind {
#define X(NAME, number, text) GS_MAP_##NAME = number,
    GS_MAP_LIST(X)
#undef X
};

/* TOTALS (cumulative, in ticks, per thread and GIL): `acquisitions, releases, contended, forced`
 * count everything. Time is split so that nothing is counted twice: turns and waits in SLICE rows
 * are NOT in TOTALS; `folded_*` are uncontended turns never written as rows; `lost_*` are turns
 * and waits whose row was dropped. So
 *   hold_ns = sum(SLICE hold) + folded_hold + lost_hold,   wait_ns = sum(SLICE wait) + lost_wait.
 */

#endif
