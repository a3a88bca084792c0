/* SPDX-License-Identifier: MIT
 * cuGetProcAddress(): the newest variant of a name that neither the version asked for nor the
 * simulated driver's (FAKECUDA_VERSION) forbids.
 */
#include "tests/cuda/fakecuda.h"

#include <string.h>

#define FLAG_PER_THREAD  2u
#define STATUS_FOUND     0
#define STATUS_NOT_FOUND 1
#define STATUS_TOO_OLD   2

enum stream { ANY, LEGACY, PER_THREAD };

static const struct entry {
    const char *name;
    void (*function)(void);
    int since;
    enum stream stream;
} entries[] = {
#define FAKE_CALL(symbol, name, since, stream, params)                                             \
    {#name, (void (*)(void))symbol, since, stream},
#include "tests/cuda/driver_calls.def"
#undef FAKE_CALL
};

/* Of a pair, the per-thread one comes second in the table and is as good or better. */
static const struct entry *find(const char *name, int version, uint64_t flags, int *status)
{
    int driver = (int)fake_setting(FAKE_SET_VERSION);
    const struct entry *best = NULL;
    *status = STATUS_NOT_FOUND;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        const struct entry *e = &entries[i];
        if (strcmp(e->name, name) || e->since > driver)
            continue;
        if (e->since > version) {
            *status = best ? *status : STATUS_TOO_OLD;
            continue;
        }
        if (e->stream == PER_THREAD && !(flags & FLAG_PER_THREAD))
            continue;
        if (!best || e->since > best->since || e->stream == PER_THREAD)
            best = e;
    }
    *status = best ? STATUS_FOUND : *status;
    return best;
}

static CUresult look_up(const char *symbol, const char *name, void **pfn, int version,
                        uint64_t flags, int *status)
{
    FAKE_BEGIN_AS(symbol, QUERY, NOTHING);
    if (!name || !pfn || flags > FLAG_PER_THREAD)
        rc = FAKE_INVALID_VALUE;
    const struct entry *e = rc ? NULL : find(name, version, flags, status);
    if (!rc)
        *pfn = e ? (void *)e->function : NULL;
    return FAKE_END("%s %d %llu status %d", name ? name : "-", version, (unsigned long long)flags,
                    *status);
}

/* What is not there is an error for the older one, and no pointer from the newer one. */
CUresult cuGetProcAddress(const char *name, void **pfn, int version, uint64_t flags)
{
    int status = STATUS_NOT_FOUND;
    CUresult rc = look_up(__func__, name, pfn, version, flags, &status);
    return rc || status == STATUS_FOUND ? rc : FAKE_NOT_FOUND;
}

CUresult cuGetProcAddress_v2(const char *name, void **pfn, int version, uint64_t flags, int *status)
{
    int ignored = STATUS_NOT_FOUND;
    if (version > (int)fake_setting(FAKE_SET_VERSION))
        return FAKE_INVALID_VALUE;
    return look_up(__func__, name, pfn, version, flags, status ? status : &ignored);
}
