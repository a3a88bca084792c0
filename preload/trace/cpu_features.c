/* SPDX-License-Identifier: MIT
 * CPUID by hand: __builtin_cpu_supports needs libgcc's constructor to have run, and the agent may
 * be called before any constructor; target_clones would add ifuncs, which run before relocation.
 */
#include "preload/trace/trace_internal.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum { FEAT_PROBED = 1, FEAT_SSE42 = 2, FEAT_PCLMUL = 4, FEAT_AVX2 = 8 };

/* Does the kernel save the upper halves of the vector registers (XCR0 bits 1 and 2)? */
static bool os_saves_ymm(void)
{
    uint32_t lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (lo & 6) == 6;
}

static int probe(void)
{
    unsigned a, b, c, d;
    int feat = FEAT_PROBED;

    if (!__get_cpuid(1, &a, &b, &c, &d))
        return feat;
    if (c & bit_SSE4_2)
        feat |= FEAT_SSE42;
    if (c & bit_PCLMUL)
        feat |= FEAT_PCLMUL;
    if ((c & bit_OSXSAVE) && (c & bit_AVX) && os_saves_ymm() &&
        __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2))
        feat |= FEAT_AVX2;
    return feat;
}

static bool has(int bit)
{
    static int cached; /* two threads may both probe: they store the same value */
    int feat = __atomic_load_n(&cached, __ATOMIC_RELAXED);

    if (!feat) {
        feat = probe();
        __atomic_store_n(&cached, feat, __ATOMIC_RELAXED);
    }
    return feat & bit;
}

bool gs__cpu_has_sse42(void)
{
    return has(FEAT_SSE42);
}

bool gs__cpu_has_pclmul(void)
{
    return has(FEAT_PCLMUL);
}

bool gs__cpu_has_avx2(void)
{
    return has(FEAT_AVX2);
}

#else

bool gs__cpu_has_sse42(void)
{
    return false;
}

bool gs__cpu_has_pclmul(void)
{
    return false;
}

bool gs__cpu_has_avx2(void)
{
    return false;
}

#endif
