/* SPDX-License-Identifier: MIT */
#include "tests/bench/one_gil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void one_gil_fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

struct gs_captures one_gil_captures(const char *const *paths, size_t n)
{
    struct gs_captures captures;
    struct gs_error err = {0};
    if (gs_captures_open(&captures, paths, n, &err) != GS_OK)
        one_gil_fail(paths[0], err.text);
    return captures;
}

void one_gil_open(struct one_gil *g, const char *path)
{
    memset(g, 0, sizeof(*g));
    g->captures = one_gil_captures(&path, 1);
    const struct gs_captures *c = &g->captures;
    if (c->n_chunks == 0)
        one_gil_fail(path, "no chunk is in it");
    if (c->chunks[0].hdr.process_key != c->chunks[c->n_chunks - 1].hdr.process_key)
        one_gil_fail(path, "wants one process");
    gs_stacks_init(&g->stacks);
    gs_recording_open(&g->r, c->chunks, c->n_chunks);
    gs_recording_read(&g->r, &g->stacks, c->chunks, c->n_chunks);
    if (g->r.n_gils != 1)
        one_gil_fail(path, "wants one GIL");
    g->gil = &g->r.gils[0];
}

void one_gil_close(struct one_gil *g)
{
    gs_recording_free(&g->r);
    gs_stacks_free(&g->stacks);
    gs_captures_close(&g->captures);
}
