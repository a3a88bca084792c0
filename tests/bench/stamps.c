/* SPDX-License-Identifier: MIT
 * Two time stamps a turn of the GIL and nothing else, where the agent takes its own: the part of
 * the agent's cost that no agent with exact times can be without.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <x86intrin.h>

static int (*real)(pthread_cond_t *);
static volatile uint64_t stamp;

__attribute__((visibility("default"))) int pthread_cond_signal(pthread_cond_t *cond)
{
    stamp = __rdtsc();
    return real(cond);
}

__attribute__((constructor)) static void resolve(void)
{
    real = (int (*)(pthread_cond_t *))dlvsym(RTLD_NEXT, "pthread_cond_signal", "GLIBC_2.3.2");
}
