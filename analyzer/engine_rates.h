/* SPDX-License-Identifier: MIT
 * What counting costs on this machine: measured as it is done, and kept in the user's cache folder
 * ($XDG_CACHE_HOME/gilscope/engine-rates) for the next time. Another version of gilscope, or
 * another number of cores, measures anew. No result depends on it, only which engine counts.
 */
#ifndef GS_ENGINE_RATES_H
#define GS_ENGINE_RATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Wall clock; 0: not known. */
struct gs_rates {
    double cpu_ns;       /* per row, by the CPU engine */
    double cuda_ns;      /* per row, from the file into the sums */
    double cuda_open_ns; /* until the device can be used */
    double cuda_step_ns; /* per operation of a replay, while all of a sweep's run side by side */
};
/* Fewer rows, or operations of a replay, say nothing of a rate. */
#define GS_RATES_ROWS_MIN  1000000u
#define GS_RATES_STEPS_MIN 100000u

/* All 0 where nothing is kept. */
void gs_rates_load(struct gs_rates *r);
/* As well as it goes: a folder that cannot be written to is no error. */
void gs_rates_save(const struct gs_rates *r);

struct gs_rates_job {
    uint64_t rows, encoded_bytes;
    uint64_t survey_ns; /* that the survey of these rows took */
};
/* What the CUDA engine, once open, is expected to save; negative: to cost. */
double gs_rates_saved_ns(const struct gs_rates *r, const struct gs_rates_job *job);
/* What that engine is expected to take. */
double gs_rates_cuda_ns(const struct gs_rates *r, const struct gs_rates_job *job);
double gs_rates_open_ns(const struct gs_rates *r);

struct gs_rates_sweep { /* whatif/sweep.h */
    size_t n;
    unsigned workers;           /* of the CPU */
    uint64_t one_ns, one_steps; /* of one replay, on the CPU */
};
/* What an open device is expected to save of a sweep; negative: to cost. */
double gs_rates_sweep_saved_ns(const struct gs_rates *r, const struct gs_rates_sweep *sweep);

#endif
