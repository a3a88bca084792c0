/* SPDX-License-Identifier: MIT
 * That nothing depends on the order of chunks, or on how often one comes. For cmocka tests.
 */
#ifndef CAPTURE_ORDER_H
#define CAPTURE_ORDER_H

#include "tests/unit/capture_builder.h"

CAP_UNUSED uint8_t *cap_shuffled(const struct cap *c, uint64_t *rng)
{
    size_t order[CAP_MAX_CHUNKS], at = GS_FILE_HDR_LEN;
    uint8_t *out = malloc(c->len);
    for (size_t i = 0; i < c->n_chunks; i++) {
        size_t k = cap_random(rng) % (i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    memcpy(out, c->data, GS_FILE_HDR_LEN);
    for (size_t i = 0; i < c->n_chunks; i++) {
        size_t from = c->chunk_off[order[i]], len = c->chunk_off[order[i] + 1] - from;
        memcpy(out + at, c->data + from, len);
        at += len;
    }
    return out;
}

/* The same JSON from any order of chunks and from either engine; `needle` must be in it. */
CAP_UNUSED void cap_check_any_order(const struct cap *c, const char *needle)
{
    uint64_t rng = 7;
    char *expected = cap_json_of(c->data, c->len, "cpu");
    assert_non_null(strstr(expected, needle));
    for (unsigned round = 0; round < 5; round++) {
        uint8_t *other = cap_shuffled(c, &rng);
        char *json = cap_json_of(other, c->len, round % 2 ? "cpu" : "reference");
        assert_string_equal(json, expected);
        free(json);
        free(other);
    }
    free(expected);
}

/* Chunks that come again count once. */
CAP_UNUSED void cap_check_twice_is_once(struct cap *c)
{
    char *once = cap_json_of(c->data, c->len, "cpu");
    size_t len = c->len;
    cap_reserve(c, len);
    memcpy(c->data + len, c->data, len);
    char *twice = cap_json_of(c->data, 2 * len, "cpu");
    assert_string_equal(once, twice);
    free(once);
    free(twice);
}

#endif
