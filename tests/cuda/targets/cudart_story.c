/* SPDX-License-Identifier: MIT
 * A library for Python that uses the CUDA runtime, linked to it statically or not: one of each kind
 * of memory freed, then one of each left (device 1000, managed 3 MiB, host 5000, pool 70000 bytes).
 * story() gives 0, or the first error.
 */
#include <stddef.h>

extern int cudaMalloc(void **p, size_t bytes);
extern int cudaFree(void *p);
extern int cudaMallocManaged(void **p, size_t bytes, unsigned flags);
extern int cudaHostAlloc(void **p, size_t bytes, unsigned flags);
extern int cudaFreeHost(void *p);
extern int cudaMallocAsync(void **p, size_t bytes, void *stream);
extern int cudaFreeAsync(void *p, void *stream);
extern int cudaDeviceSynchronize(void);

int story(void);

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        if (rc_)                                                                                   \
            return rc_;                                                                            \
    } while (0)

int story(void)
{
    void *device, *managed, *host, *pool;
    for (int i = 0; i < 2; i++) {
        TRY(cudaMalloc(&device, 1000));
        TRY(cudaMallocManaged(&managed, 3u << 20, 1));
        TRY(cudaHostAlloc(&host, 5000, 0));
        TRY(cudaMallocAsync(&pool, 70000, NULL));
        TRY(cudaDeviceSynchronize());
        if (i)
            break;
        TRY(cudaFree(device));
        TRY(cudaFree(managed));
        TRY(cudaFreeHost(host));
        TRY(cudaFreeAsync(pool, NULL));
    }
    return 0;
}
