/* SPDX-License-Identifier: MIT */
#include "analyzer/counters.h"

#include <stdlib.h>
#include <string.h>

#include "preload/trace/trace_format.h"

uint64_t gs_counts_scaled(const struct gs_prof_counts *c, uint64_t part)
{
    if (!c->running_ns || c->running_ns >= c->enabled_ns)
        return part;
    unsigned __int128 v = (unsigned __int128)part * c->enabled_ns / c->running_ns;
    return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

uint64_t gs_counters_in(const struct gs_prof_counters *c, size_t at, enum gs_counts_state state)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < c->n_counts; i++)
        if (c->counts[i].at == at && c->counts[i].thread >= 0)
            sum = plus(sum, gs_counts_scaled(&c->counts[i], c->counts[i].in[state]));
    return sum;
}

uint64_t gs_counters_all(const struct gs_prof_counters *c, size_t at)
{
    uint64_t process = 0, threads = 0;
    for (size_t i = 0; i < c->n_counts; i++) {
        const struct gs_prof_counts *one = &c->counts[i];
        if (one->at != at)
            continue;
        uint64_t count = gs_counts_scaled(one, one->count);
        if (one->thread < 0)
            process = count;
        else
            threads = plus(threads, count);
    }
    return process > threads ? process : threads;
}

uint64_t gs_counters_untold(const struct gs_prof_counters *c, size_t at)
{
    uint64_t all = gs_counters_all(c, at), told = 0;
    for (int state = 0; state < GS_N_COUNTS_STATES; state++)
        told = plus(told, gs_counters_in(c, at, (enum gs_counts_state)state));
    return all > told ? all - told : 0;
}

int64_t gs_counters_find(const struct gs_prof_counters *c, const char *name)
{
    for (size_t i = 0; i < c->n_counters; i++)
        if (c->counters[i].source != GS_COUNTER_NONE && strcmp(c->counters[i].name, name) == 0)
            return (int64_t)i;
    return -1;
}

bool gs_counters_ipc(const struct gs_prof_counters *c, enum gs_counts_state state,
                     uint64_t *thousandths)
{
    int64_t instructions = gs_counters_find(c, "instructions");
    int64_t cycles = gs_counters_find(c, "cycles");
    if (instructions < 0 || cycles < 0)
        return false;
    uint64_t n = gs_counters_in(c, (size_t)cycles, state);
    unsigned __int128 v = (unsigned __int128)gs_counters_in(c, (size_t)instructions, state) * 1000;
    if (!n || v / n > UINT64_MAX)
        return false;
    *thousandths = (uint64_t)(v / n);
    return true;
}

void gs_counters_free(struct gs_prof_counters *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_counters; i++) {
        free(c->counters[i].name);
        free(c->counters[i].why_not);
    }
    free(c->counters);
    free(c->counts);
    gs_idmap_free(&c->map);
    free(c);
}
