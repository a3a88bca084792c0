/* SPDX-License-Identifier: MIT */
#include "analyzer/engine_rates.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/parallel.h"

/* Assumed until they are measured: that a driver takes so long to begin, and that one core moves so
 * many bytes of a file into pinned memory in a nanosecond, which bounds a device that counts
 * faster.
 */
#define ASSUMED_OPEN_NS      350e6
#define ASSUMED_BYTES_PER_NS 5.0
/* What one thread of a device takes for an operation of a replay: cuda/README.md. */
#define ASSUMED_STEP_NS      2000.0

double gs_rates_open_ns(const struct gs_rates *r)
{
    return r->cuda_open_ns > 0 ? r->cuda_open_ns : ASSUMED_OPEN_NS;
}

double gs_rates_cuda_ns(const struct gs_rates *r, const struct gs_rates_job *job)
{
    return r->cuda_ns > 0 ? (double)job->rows * r->cuda_ns
                          : (double)job->encoded_bytes / ASSUMED_BYTES_PER_NS;
}

/* The CPU engine decodes all rows again, and then has more to do than the survey had: what that
 * took is the least that it will take. */
double gs_rates_saved_ns(const struct gs_rates *r, const struct gs_rates_job *job)
{
    double cpu_ns = r->cpu_ns > 0 ? (double)job->rows * r->cpu_ns : (double)job->survey_ns;
    return cpu_ns - gs_rates_cuda_ns(r, job);
}

double gs_rates_sweep_saved_ns(const struct gs_rates *r, const struct gs_rates_sweep *sweep)
{
    size_t rounds = (sweep->n + sweep->workers - 1) / sweep->workers;
    double step_ns = r->cuda_step_ns > 0 ? r->cuda_step_ns : ASSUMED_STEP_NS;
    return (double)rounds * (double)sweep->one_ns - (double)sweep->one_steps * step_ns;
}

/* ---- the file ---- */

static bool folder_of_cache(char out[PATH_MAX])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (cache && cache[0] == '/')
        n = snprintf(out, PATH_MAX - 64, "%s/gilscope", cache);
    else if (home && home[0] == '/')
        n = snprintf(out, PATH_MAX - 64, "%s/.cache/gilscope", home);
    return n > 0 && n < PATH_MAX - 64;
}

/* Of which machine and version the rates are. */
static void title(char *out, size_t cap)
{
    snprintf(out, cap, "gilscope %s, %u cores", GILSCOPE_VERSION, gs_parallel_workers(0, UINT_MAX));
}

static bool is_rate(long long v)
{
    return v >= 0 && v < 1000000000000;
}

void gs_rates_load(struct gs_rates *r)
{
    char path[PATH_MAX], line[128], want[128];
    long long cpu_ps, cuda_ps, open_us, step_ps = 0;
    *r = (struct gs_rates){0};
    if (!folder_of_cache(path))
        return;
    strcat(path, "/engine-rates");
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    title(want, sizeof(want));
    bool ours = fgets(line, sizeof(line), f) && strncmp(line, want, strlen(want)) == 0 &&
                line[strlen(want)] == '\n';
    if (ours &&
        fscanf(f, "cpu_ps %lld cuda_ps %lld cuda_open_us %lld cuda_step_ps %lld", &cpu_ps, &cuda_ps,
               &open_us, &step_ps) >= 3 &&
        is_rate(cpu_ps) && is_rate(cuda_ps) && is_rate(open_us) && is_rate(step_ps))
        *r = (struct gs_rates){(double)cpu_ps / 1e3, (double)cuda_ps / 1e3, (double)open_us * 1e3,
                               (double)step_ps / 1e3};
    fclose(f);
}

/* Into a file of its own first, so that nobody reads half of it. */
void gs_rates_save(const struct gs_rates *r)
{
    char folder[PATH_MAX], path[PATH_MAX + 64], fresh[PATH_MAX + 64], head[128];
    if (!folder_of_cache(folder) || (mkdir(folder, 0700) != 0 && errno != EEXIST))
        return;
    snprintf(path, sizeof(path), "%s/engine-rates", folder);
    snprintf(fresh, sizeof(fresh), "%s/engine-rates.%ld", folder, (long)getpid());
    FILE *f = fopen(fresh, "wxe");
    if (!f)
        return;
    title(head, sizeof(head));
    fprintf(f, "%s\ncpu_ps %.0f cuda_ps %.0f cuda_open_us %.0f cuda_step_ps %.0f\n", head,
            r->cpu_ns * 1e3, r->cuda_ns * 1e3, r->cuda_open_ns / 1e3, r->cuda_step_ns * 1e3);
    if (fclose(f) != 0 || rename(fresh, path) != 0)
        unlink(fresh);
}
