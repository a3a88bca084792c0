/* SPDX-License-Identifier: MIT */
#include "cuda/engine_times.cuh"

static cudaError_t open_laps(gs_laps *l)
{
    GS_TRY(cudaEventCreateWithFlags(&l->copy_begin, cudaEventDefault));
    GS_TRY(cudaEventCreateWithFlags(&l->copy_end, cudaEventDefault));
    for (cudaEvent_t &e : l->begin)
        GS_TRY(cudaEventCreateWithFlags(&e, cudaEventDefault));
    return cudaSuccess;
}

static void drop(cudaEvent_t e)
{
    if (e)
        cudaEventDestroy(e);
}

cudaError_t gs_times_open(gs_times *t)
{
    for (gs_laps &l : t->laps)
        GS_TRY(open_laps(&l));
    return cudaSuccess;
}

void gs_times_close(gs_times *t)
{
    for (gs_laps &l : t->laps) {
        drop(l.copy_begin);
        drop(l.copy_end);
        for (cudaEvent_t e : l.begin)
            drop(e);
    }
    *t = {};
}

static cudaError_t add(double *ms, cudaEvent_t from, cudaEvent_t to)
{
    float passed = 0;
    GS_TRY(cudaEventElapsedTime(&passed, from, to));
    *ms += passed;
    return cudaSuccess;
}

void gs_times_begin(gs_times *t)
{
    for (double &ms : t->ms)
        ms = 0;
    for (gs_laps &l : t->laps)
        l.is_counted = false;
}

cudaError_t gs_times_add_copy(gs_times *t, const gs_laps *l)
{
    return add(&t->ms[GS_CUDA_STEP_COPY], l->copy_begin, l->copy_end);
}

cudaError_t gs_times_add_steps(gs_times *t, gs_laps *l)
{
    for (int step = GS_CUDA_STEP_DECODE; step < GS_CUDA_STEPS && l->is_counted; step++)
        GS_TRY(add(&t->ms[step], l->begin[step], l->begin[step + 1]));
    l->is_counted = false;
    return cudaSuccess;
}
