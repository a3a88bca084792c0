/* SPDX-License-Identifier: MIT
 * For tests/bench/alloc_ns, by ctypes.PyDLL: Python's allocators with the agent's hooks and
 * without, in turn, in one process. The agent's ctx begins with the allocator that it wraps.
 */
#include <stddef.h>
#include <time.h>

struct allocator { /* PyMemAllocatorEx */
    void *ctx;
    void *functions[4];
};
extern void PyMem_GetAllocator(int domain, struct allocator *a);
extern void PyMem_SetAllocator(int domain, struct allocator *a);
extern void *PyObject_Malloc(size_t size);
extern void PyObject_Free(void *block);

static struct allocator hooks[3], plain[3]; /* 1 mem, 2 obj */

void start(void)
{
    for (int i = 1; i < 3; i++) {
        PyMem_GetAllocator(i, &hooks[i]);
        plain[i] = hooks[i].ctx ? *(struct allocator *)hooks[i].ctx : hooks[i];
    }
}

void use(int hooked)
{
    for (int i = 1; i < 3; i++)
        PyMem_SetAllocator(i, hooked ? &hooks[i] : &plain[i]);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ns of one PyObject_Malloc and its PyObject_Free, `batch` of which live at once. */
double pairs(size_t size, size_t n, size_t batch)
{
    static void *blocks[4096];
    double t0 = now_ns();
    for (size_t i = 0; i < n; i += batch) {
        for (size_t k = 0; k < batch; k++)
            blocks[k] = PyObject_Malloc(size);
        for (size_t k = 0; k < batch; k++)
            PyObject_Free(blocks[k]);
    }
    return (now_ns() - t0) / (double)n;
}
