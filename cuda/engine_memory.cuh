/* SPDX-License-Identifier: MIT
 * Memory of the device that the engine keeps, and the way of the host's bytes into it: through two
 * pinned pieces, of which one is filled while the other is copied.
 */
#ifndef GS_ENGINE_MEMORY_CUH
#define GS_ENGINE_MEMORY_CUH

#include "cuda/primitives.cuh"

struct gs_buffer {
    char *at;
    size_t bytes;
};
/* What was in it is lost, unless there was room already. */
cudaError_t gs_buffer_reserve(gs_buffer *b, size_t bytes);
void gs_buffer_free(gs_buffer *b);
/* What may be taken. An eighth stays free: other programs have a share in the device, and memory
 * comes in pages. */
cudaError_t gs_free_bytes(size_t *out);
/* To give out pieces of it. */
inline gs_carver gs_carve(const gs_buffer &b)
{
    return {b.at, 0, b.bytes};
}

#define GS_PIECE_BYTES (16u << 20)
#define GS_PIECES      2u
struct gs_uploader {
    cudaStream_t stream;
    char *piece[GS_PIECES]; /* pinned */
    cudaEvent_t copied[GS_PIECES];
    bool in_flight[GS_PIECES];
    unsigned now;
    char *to;    /* of the device: where the first byte of the piece in hand goes */
    size_t used; /* bytes of it */
};
cudaError_t gs_uploader_open(gs_uploader *u);
void gs_uploader_close(gs_uploader *u);
/* The source may be forgotten afterwards. What lies side by side goes as one copy: flush() where
 * another buffer begins. The device has it all when the stream gets behind flush(). */
cudaError_t gs_upload(gs_uploader *u, void *to, const void *from, size_t bytes);
cudaError_t gs_upload_flush(gs_uploader *u);

/* cudaMalloc() and the like, in arrays of T. */
template <class T> cudaError_t gs_upload_array(gs_uploader *u, T *to, const T *from, size_t n)
{
    return n ? gs_upload(u, to, from, n * sizeof(T)) : cudaSuccess;
}

#endif
