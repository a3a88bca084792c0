/* SPDX-License-Identifier: MIT
 * Runs one fuzz target over files and directories of them, without a fuzzer: every input as it
 * is, then with --mutate N deterministic mutations of it. A crash names its input on stderr.
 *
 * usage: replay_X [--mutate N] FILE|DIR...
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long n_mutations;
static unsigned long n_inputs, n_runs;

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* An exact-size heap copy each time, so that a sanitizer sees the first byte read too far. */
static void run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = calloc(size ? size : 1, 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    n_runs++;
}

/* Truncates, flips bits, overwrites with telling bytes or copies a run over another. */
static size_t mutate(uint8_t *data, size_t size, uint64_t *rng)
{
    static const uint8_t telling[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
    unsigned n_edits = 1 + next_random(rng) % 4;

    if (next_random(rng) % 4 == 0)
        size = next_random(rng) % size;
    while (size && n_edits--) {
        size_t at = next_random(rng) % size;
        switch (next_random(rng) % 3) {
        case 0:
            data[at] ^= (uint8_t)(1u << next_random(rng) % 8);
            break;
        case 1:
            data[at] = telling[next_random(rng) % sizeof(telling)];
            break;
        default: {
            size_t from = next_random(rng) % size;
            size_t len = size - (at > from ? at : from);
            memmove(data + at, data + from, len > 16 ? next_random(rng) % 16 : len);
        }
        }
    }
    return size;
}

static void run_input(const uint8_t *data, size_t size)
{
    uint64_t rng = 0x9e3779b97f4a7c15u ^ size;
    uint8_t *work;

    n_inputs++;
    run_copy(data, size);
    if (!size || !n_mutations)
        return;
    work = malloc(size);
    if (!work)
        abort();
    for (unsigned long i = 0; i < n_mutations; i++) {
        memcpy(work, data, size);
        run_copy(work, mutate(work, size, &rng));
    }
    free(work);
}

static int run_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0, room = 0, got;

    if (!in)
        goto fail;
    do {
        if (size == room) {
            uint8_t *bigger = realloc(data, room = room ? 2 * room : 65536);
            if (!bigger)
                goto fail;
            data = bigger;
        }
        got = fread(data + size, 1, room - size, in);
        size += got;
    } while (got);
    fclose(in);
    fprintf(stderr, "\r\033[K%s", path); /* the last one named is the one that crashed */
    run_input(data, size);
    free(data);
    return 0;

fail:
    fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
    if (in)
        fclose(in);
    free(data);
    return 1;
}

static int run_path(const char *path)
{
    struct stat st;
    struct dirent **entries;
    int n, failed = 0;

    if (stat(path, &st) || !S_ISDIR(st.st_mode))
        return run_file(path);
    n = scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        return 1;
    }
    for (int i = 0; i < n; i++) {
        char child[4096];
        snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            failed |= run_path(child);
        free(entries[i]);
    }
    free(entries);
    return failed;
}

int main(int argc, char **argv)
{
    int i = 1, failed = 0;

    if (argc > 2 && !strcmp(argv[1], "--mutate")) {
        n_mutations = strtoul(argv[2], NULL, 10);
        i = 3;
    }
    run_copy((const uint8_t *)"", 0);
    for (; i < argc; i++)
        failed |= run_path(argv[i]);
    fprintf(stderr, "\r\033[K");
    printf("%lu inputs, %lu runs\n", n_inputs, n_runs);
    if (!n_inputs)
        fprintf(stderr, "replay: the corpus is empty\n");
    return failed || !n_inputs;
}
