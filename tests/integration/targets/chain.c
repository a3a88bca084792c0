/* SPDX-License-Identifier: MIT
 * A known chain of calls, static and inlined ones among them, that keeps the GIL; with LETS_GO it
 * then lets it go and waits for it. Also compiled as C++: one of the chain is a member then.
 */
#include <time.h>

#ifdef __cplusplus
#define EXPORTED extern "C"
#else
#define EXPORTED extern
#endif
#define KEEPS_ITS_FRAME __asm__ volatile("" ::: "memory")

EXPORTED void *PyEval_SaveThread(void);
EXPORTED void PyEval_RestoreThread(void *);
EXPORTED void enters(int ms);

static void spin_ms(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    long end = t.tv_sec * 1000 + t.tv_nsec / 1000000 + ms;
    do {
        for (volatile int i = 0; i < 1000;)
            i = i + 1;
        clock_gettime(CLOCK_MONOTONIC, &t);
    } while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < end);
}

static inline __attribute__((always_inline)) void inlined(int ms)
{
    spin_ms(ms);
#ifdef LETS_GO
    PyEval_RestoreThread(PyEval_SaveThread()); /* line 34 */
#endif
}

static __attribute__((noinline)) void holds(int ms)
{
    inlined(ms);
    KEEPS_ITS_FRAME;
}

#ifdef __cplusplus
namespace outer
{
struct Worker {
    static void work(int ms);
};
} // namespace outer
__attribute__((noinline)) void outer::Worker::work(int ms)
{
    holds(ms);
    KEEPS_ITS_FRAME;
}
#define holds outer::Worker::work
#endif

void enters(int ms)
{
    holds(ms);
    KEEPS_ITS_FRAME;
}
