/* SPDX-License-Identifier: MIT
 * A CUDA driver on host memory, for tests: what an agent that wraps the driver's functions meets on
 * a machine with a GPU, with exact bookkeeping to compare with. Sizes and layouts are those of the
 * driver's ABI; names inside the structs are ours.
 *
 * One lock is held from the begin to the end of each call (not while it sleeps): the log's order is
 * the order of effects. Set up by the environment (fake_faults.c), changed by fake_set().
 */
#ifndef FAKECUDA_H
#define FAKECUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_API         __attribute__((visibility("default")))
#define FAKE_MAX_DEVICES 8

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef unsigned long long CUmemHandle;
typedef struct fake_context *CUcontext;
typedef struct fake_stream *CUstream;
typedef struct fake_event *CUevent;
typedef struct fake_pool *CUmemoryPool;
typedef struct fake_graph *CUgraph;
typedef struct fake_graph_node *CUgraphNode;
typedef struct fake_graph_exec *CUgraphExec;
typedef void *CUmodule;
typedef void *CUfunction;
typedef void *CUarray;

enum fake_result {
    FAKE_OK = 0,
    FAKE_INVALID_VALUE = 1,
    FAKE_OUT_OF_MEMORY = 2,
    FAKE_NOT_INITIALIZED = 3,
    FAKE_INVALID_DEVICE = 101,
    FAKE_INVALID_CONTEXT = 201,
    FAKE_FILE_NOT_FOUND = 301,
    FAKE_INVALID_HANDLE = 400,
    FAKE_NOT_FOUND = 500,
    FAKE_CONTEXT_DESTROYED = 709,
    FAKE_ALREADY_REGISTERED = 712,
    FAKE_NOT_REGISTERED = 713,
    FAKE_NOT_SUPPORTED = 801
};

/* As in the capture format: what fake_live_bytes() is asked for. */
enum fake_kind {
    FAKE_DEVICE = 1,
    FAKE_MANAGED,
    FAKE_VMM,
    FAKE_POOL,
    FAKE_ARRAY,
    FAKE_HOST,
    FAKE_REGISTERED,
    FAKE_GRAPH,
    FAKE_IPC,
    FAKE_MODULE,
    FAKE_N_KINDS
};

struct fake_array_desc {
    size_t width, height;
    int format;
    unsigned channels;
};

struct fake_array3d_desc {
    size_t width, height, depth;
    int format;
    unsigned channels, flags;
};

struct fake_ipc_handle {
    char bytes[64];
};

struct fake_location {
    int type, id;
};

struct fake_pool_props {
    int type, handle_types;
    struct fake_location where;
    void *security;
    char rest[64];
};

struct fake_vmm_props {
    int type, handle_types;
    struct fake_location where;
    void *security;
    char rest[8];
};

struct fake_graph_alloc {
    struct fake_pool_props props;
    const void *access;
    size_t n_access, bytes;
    CUdeviceptr address;
};

struct fake_launch {
    unsigned grid[3], block[3], shared;
    CUstream stream;
    void *attributes;
    unsigned n_attributes;
};

struct fake_context {
    CUcontext next; /* of those that ended */
    uint64_t life;  /* how often the handle was given */
    int device;
    bool primary, alive;
    unsigned refs, flags;
    uint64_t busy_until_ns; /* of all its streams */
};

struct fake_stream {
    CUcontext context;
    uint64_t life; /* of the context, that it goes with */
    bool alive;
    uint64_t busy_until_ns;
};

#define FAKE_CALL(symbol, name, since, stream, params) FAKE_API CUresult symbol params;
#include "tests/cuda/driver_calls.def"
#undef FAKE_CALL

/* ---- for tests ---- */

FAKE_API uint64_t fake_live_bytes(int kind);
FAKE_API uint64_t fake_live_blocks(int kind);
/* Live bytes of the kinds that are memory of a device (1 to 5), and the most there ever were. */
FAKE_API uint64_t fake_device_bytes(void);
FAKE_API uint64_t fake_device_peak_bytes(void);
/* What the process takes of a device: contexts and all that is charged to it. */
FAKE_API uint64_t fake_used_bytes(int device);
/* Calls so far with an effect, calls that only ask; time spent asleep in synchronizing calls. */
FAKE_API uint64_t fake_effects(void);
FAKE_API uint64_t fake_queries(void);
FAKE_API uint64_t fake_sync_ns(void);
/* A setting by its name (FAKECUDA_OOM_AT is "OOM_AT"); false when there is none. */
FAKE_API bool fake_set(const char *name, uint64_t value);

/* ---- between the files ---- */

#define FAKE_SETTINGS(X)                                                                           \
    X(VERSION, 13000)                                                                              \
    X(DEVICES, 1)                                                                                  \
    X(MEMORY_MB, 80 * 1024)                                                                        \
    X(CONTEXT_MB, 300) /* what a context takes of its device */                                    \
    X(MODULE_KB, 1024) /* what a module does */                                                    \
    X(OOM_AT, 0)       /* allocation that fails, from 1 */                                         \
    X(OOM_ABOVE, 0)    /* greater ones fail, bytes */                                              \
    X(STICKY_AFTER, 0) /* calls; all later ones that need a context fail */                        \
    X(STICKY_CODE, 700)                                                                            \
    X(SYNC_US, 0)   /* the least that a synchronizing call takes */                                \
    X(COPY_US, 0)   /* of a copy that waits */                                                     \
    X(KERNEL_US, 0) /* what a launch keeps its stream busy */                                      \
    X(LOAD_US, 0)   /* of loading a module */                                                      \
    X(FREE_US, 0)   /* of a free, which may wait for the device */                                 \
    X(ALLOC_US, 0)

#define X(name, value) FAKE_SET_##name,
enum fake_setting { FAKE_SETTINGS(X) FAKE_N_SETTINGS };
#undef X

enum fake_class { FAKE_QUERY, FAKE_EFFECT };
enum fake_needs { FAKE_NEEDS_NOTHING, FAKE_NEEDS_INIT, FAKE_NEEDS_CONTEXT };

struct fake_call {
    const char *name;
    enum fake_class class;
    uint64_t begin_ns;
    bool locked;
};

/* BEGIN takes the lock and makes `rc`, not 0 when the call is to do nothing; END logs and gives rc.
 */
#define FAKE_BEGIN_AS(name, class, needs)                                                          \
    struct fake_call call_;                                                                        \
    CUresult rc = fake_begin(&call_, name, FAKE_##class, FAKE_NEEDS_##needs)
#define FAKE_BEGIN(class, needs) FAKE_BEGIN_AS(__func__, class, needs)
#define FAKE_END(...)            fake_end(&call_, rc, __VA_ARGS__)

CUresult fake_begin(struct fake_call *c, const char *name, enum fake_class class,
                    enum fake_needs needs);
CUresult fake_end(struct fake_call *c, CUresult rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

uint64_t fake_now_ns(void);
/* Sleeps without the lock until then, at least `least_us`; counts it when `sync`. */
void fake_sleep(uint64_t until_ns, uint64_t least_us, bool sync);

uint64_t fake_setting(enum fake_setting s);
CUresult fake_init_state(void);
void fake_mark_init(void);
CUresult fake_fault_of(enum fake_needs needs);
bool fake_fault_of_allocation(size_t bytes);

CUcontext fake_current(void);
bool fake_device_ok(CUdevice device);

/* Memory of a device that this process takes, in the table that all processes share. */
bool fake_charge(int device, uint64_t bytes);
void fake_uncharge(int device, uint64_t bytes);
uint64_t fake_free_bytes(int device);

struct fake_block {
    struct fake_block *next;
    uint64_t address; /* or handle */
    size_t bytes, charged;
    enum fake_kind kind;
    int device;
    CUcontext context;
    CUmemoryPool pool;
    unsigned refs, maps; /* VMM */
};

/* Address space; 0 when there is none left. Sizes are rounded up to a power of two. */
uint64_t fake_space_take(size_t bytes);
void fake_space_give(uint64_t address, size_t bytes);

/* Remembers a block (address 0: names it) and charges its device; NULL when that has no room. */
struct fake_block *fake_block_add(struct fake_block what);
struct fake_block *fake_block_at(uint64_t address);
/* The block an address lies in. */
struct fake_block *fake_block_around(uint64_t address);
void fake_block_remove(struct fake_block *b);
void fake_free_all_of(CUcontext context);
CUresult fake_free_address(uint64_t address, unsigned kinds);

/* Charges go to the pool's reserve instead; fake_pools_trim() at a synchronization. */
bool fake_pool_take(CUmemoryPool pool, size_t bytes);
void fake_pool_give(CUmemoryPool pool, size_t bytes);
void fake_pools_trim(void);
bool fake_graph_take(int device, size_t bytes);
void fake_graph_give(int device, size_t bytes);

bool fake_mapped(uint64_t address, size_t bytes);
bool fake_stream_ok(CUstream stream);
/* Work of that long is put into the stream. */
void fake_stream_work(CUstream stream, uint64_t us);

#endif
