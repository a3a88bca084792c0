/* SPDX-License-Identifier: MIT
 * What is known of the machine (analyzer/engine_rates.h), in a cache folder of a test's own. Header
 * only.
 */
#ifndef GS_RATES_FILE_H
#define GS_RATES_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/parallel.h"

static inline void write_all_rates(const char *version, unsigned cpu_ps, unsigned cuda_ps,
                                   unsigned open_us, unsigned step_ps)
{
    char folder[] = "/tmp/gilscope-cache-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    setenv("XDG_CACHE_HOME", folder, 1);
    snprintf(path, sizeof(path), "%s/gilscope", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/gilscope/engine-rates", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "gilscope %s, %u cores\ncpu_ps %u cuda_ps %u cuda_open_us %u", version,
            gs_parallel_workers(0, UINT32_MAX), cpu_ps, cuda_ps, open_us);
    if (step_ps)
        fprintf(f, " cuda_step_ps %u", step_ps);
    fputs("\n", f);
    fclose(f);
}

/* Without the rate of replays, as files of older gilscopes are. */
static inline void write_rates(const char *version, unsigned cpu_ps, unsigned cuda_ps,
                               unsigned open_us)
{
    write_all_rates(version, cpu_ps, cuda_ps, open_us, 0);
}

static inline void drop_rates(void)
{
    char path[64];
    const char *folder = getenv("XDG_CACHE_HOME");
    snprintf(path, sizeof(path), "%s/gilscope/engine-rates", folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/gilscope", folder);
    rmdir(path);
    rmdir(folder);
    unsetenv("XDG_CACHE_HOME");
}

#endif
