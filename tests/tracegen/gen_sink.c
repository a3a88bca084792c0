/* SPDX-License-Identifier: MIT
 * Where chunks go: a file descriptor behind a buffer, and, to shuffle, a few chunks that are held
 * back and let go at random.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tracegen/tracegen.h"

#define BUFFER_BYTES (1u << 20)
#define HELD_CHUNKS  64u

struct held_chunk {
    uint8_t *data;
    size_t len;
};
struct gen_sink {
    int fd;
    const char *path;
    size_t len;
    uint8_t *buffer;
    bool shuffle;
    struct gen_rng rng;
    struct held_chunk held[HELD_CHUNKS];
    uint32_t n_held;
};

struct gen_sink *gen_sink_open(const char *path, bool shuffle, uint64_t seed)
{
    struct gen_sink *s = gen_alloc(1, sizeof(*s));
    bool to_stdout = strcmp(path, "-") == 0;
    s->path = path;
    s->shuffle = shuffle;
    s->rng.state = seed;
    s->buffer = gen_alloc(BUFFER_BYTES, 1);
    s->fd = to_stdout ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (s->fd < 0)
        gen_fail("cannot write %s: %s; give another place with -o", path, strerror(errno));
    return s;
}

static void write_all(struct gen_sink *s, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(s->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            gen_fail("cannot write %s: %s; give another place with -o", s->path, strerror(errno));
        data += n;
        len -= (size_t)n;
    }
}

static void flush(struct gen_sink *s)
{
    write_all(s, s->buffer, s->len);
    s->len = 0;
}

void gen_sink_write(struct gen_sink *s, const void *data, size_t len)
{
    if (s->len + len > BUFFER_BYTES)
        flush(s);
    if (len > BUFFER_BYTES) {
        write_all(s, data, len);
        return;
    }
    memcpy(s->buffer + s->len, data, len);
    s->len += len;
}

static void let_go(struct gen_sink *s, uint32_t i)
{
    gen_sink_write(s, s->held[i].data, s->held[i].len);
    free(s->held[i].data);
    s->held[i] = s->held[--s->n_held];
}

void gen_sink_chunk(struct gen_sink *s, const void *data, size_t len)
{
    if (!s->shuffle) {
        gen_sink_write(s, data, len);
        return;
    }
    if (s->n_held == HELD_CHUNKS)
        let_go(s, gen_below(&s->rng, s->n_held));
    struct held_chunk *h = &s->held[s->n_held++];
    h->len = len;
    h->data = gen_alloc(len + 1, 1);
    memcpy(h->data, data, len);
}

void gen_sink_close(struct gen_sink *s)
{
    while (s->n_held > 0)
        let_go(s, gen_below(&s->rng, s->n_held));
    flush(s);
    if (s->fd != STDOUT_FILENO && close(s->fd) != 0)
        gen_fail("cannot write %s: %s; give another place with -o", s->path, strerror(errno));
    free(s->buffer);
    free(s);
}
