/* SPDX-License-Identifier: MIT */
#include "cuda/engine_memory.cuh"

#include <string.h>

cudaError_t gs_buffer_reserve(gs_buffer *b, size_t bytes)
{
    void *fresh = NULL;
    if (bytes <= b->bytes)
        return cudaSuccess;
    gs_buffer_free(b);
    GS_TRY(cudaMalloc(&fresh, bytes));
    *b = {static_cast<char *>(fresh), bytes};
    return cudaSuccess;
}

void gs_buffer_free(gs_buffer *b)
{
    if (b->at)
        cudaFree(b->at);
    *b = {NULL, 0};
}

cudaError_t gs_free_bytes(size_t *out)
{
    size_t available = 0, total = 0;
    GS_TRY(cudaMemGetInfo(&available, &total));
    *out = available - available / 8;
    return cudaSuccess;
}

cudaError_t gs_uploader_open(gs_uploader *u)
{
    GS_TRY(cudaStreamCreateWithFlags(&u->stream, cudaStreamNonBlocking));
    for (unsigned k = 0; k < GS_PIECES; k++) {
        void *piece = NULL;
        GS_TRY(cudaHostAlloc(&piece, GS_PIECE_BYTES, cudaHostAllocDefault));
        u->piece[k] = static_cast<char *>(piece);
        GS_TRY(cudaEventCreateWithFlags(&u->copied[k], cudaEventDisableTiming));
    }
    return cudaSuccess;
}

void gs_uploader_close(gs_uploader *u)
{
    if (u->stream) {
        cudaStreamSynchronize(u->stream);
        cudaStreamDestroy(u->stream);
    }
    for (unsigned k = 0; k < GS_PIECES; k++) {
        if (u->copied[k])
            cudaEventDestroy(u->copied[k]);
        if (u->piece[k])
            cudaFreeHost(u->piece[k]);
    }
    *u = {};
}

static cudaError_t begin_piece(gs_uploader *u, char *to)
{
    if (u->in_flight[u->now])
        GS_TRY(cudaEventSynchronize(u->copied[u->now]));
    u->in_flight[u->now] = false;
    u->to = to;
    return cudaSuccess;
}

cudaError_t gs_upload(gs_uploader *u, void *to, const void *from, size_t bytes)
{
    char *out = static_cast<char *>(to);
    const char *in = static_cast<const char *>(from);
    while (bytes) {
        if (u->used == GS_PIECE_BYTES || out != u->to + u->used)
            GS_TRY(gs_upload_flush(u));
        if (!u->used)
            GS_TRY(begin_piece(u, out));
        size_t left = GS_PIECE_BYTES - u->used, n = bytes < left ? bytes : left;
        memcpy(u->piece[u->now] + u->used, in, n);
        u->used += n;
        out += n;
        in += n;
        bytes -= n;
    }
    return cudaSuccess;
}

cudaError_t gs_upload_flush(gs_uploader *u)
{
    if (!u->used)
        return cudaSuccess;
    GS_TRY(cudaMemcpyAsync(u->to, u->piece[u->now], u->used, cudaMemcpyHostToDevice, u->stream));
    GS_TRY(cudaEventRecord(u->copied[u->now], u->stream));
    u->in_flight[u->now] = true;
    u->now = (u->now + 1) % GS_PIECES;
    u->used = 0;
    return cudaSuccess;
}
