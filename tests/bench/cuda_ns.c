/* SPDX-License-Identifier: MIT
 * Calls of the driver in a loop, through what dlsym() hands out (our wrappers, where the agent is)
 * or past it: RTLD_NEXT of this library is the driver itself. Returns ns a round.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef int launch_fn(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                      unsigned bz, unsigned shared, void *stream, void **params, void **extra);
typedef int sync_fn(void *stream);
typedef int alloc_fn(uint64_t *p, size_t bytes);
typedef int free_fn(uint64_t p);

static struct calls {
    launch_fn *launch;
    sync_fn *sync;
    alloc_fn *alloc;
    free_fn *free;
} past, through;

static struct calls look_up(void *where)
{
    return (struct calls){
        (launch_fn *)dlsym(where, "cuLaunchKernel"), (sync_fn *)dlsym(where, "cuStreamSynchronize"),
        (alloc_fn *)dlsym(where, "cuMemAlloc_v2"), (free_fn *)dlsym(where, "cuMemFree_v2")};
}

int start(void)
{
    past = look_up(RTLD_NEXT);
    through = look_up(dlopen("libcuda.so.1", RTLD_NOW));
    return past.launch != through.launch;
}

static double now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

double launches(int wrapped, int n, void *kernel)
{
    const struct calls *c = wrapped ? &through : &past;
    double t0 = now_ns();
    for (int i = 0; i < n; i++)
        c->launch(kernel, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL);
    return (now_ns() - t0) / n;
}

double syncs(int wrapped, int n)
{
    const struct calls *c = wrapped ? &through : &past;
    double t0 = now_ns();
    for (int i = 0; i < n; i++)
        c->sync(NULL);
    return (now_ns() - t0) / n;
}

double pairs(int wrapped, int n)
{
    const struct calls *c = wrapped ? &through : &past;
    double t0 = now_ns();
    for (int i = 0; i < n; i++) {
        uint64_t p;
        c->alloc(&p, 4096);
        c->free(p);
    }
    return (now_ns() - t0) / n;
}
