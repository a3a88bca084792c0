/* SPDX-License-Identifier: MIT
 * Where in Python's own library a lock was used, by the innermost frames of the stack. Functions of
 * threading and queue have these names in all versions; before 3.11 without their class.
 */
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/whatif/acts_finder.h"

#define FRAMES_UP 6u /* from the call of a lock: Condition's methods lie between */

static bool is_function(const struct gs_stacks *s, uint32_t node, const char *file,
                        const char *function)
{
    uint32_t name = (uint32_t)(s->frame_map.keys[s->nodes[node].frame] >> 32);
    const char *path = s->strings.text[s->names.keys[name] >> 32];
    const char *func = s->strings.text[(uint32_t)s->names.keys[name]];
    const char *dot = strrchr(func, '.');
    return strcmp(gs_fmt_basename(path), file) == 0 && strcmp(dot ? dot + 1 : func, function) == 0;
}

static enum gs__place look_at(const struct gs_stacks *s, uint32_t node)
{
    bool waits = false, itself_waits = node && is_function(s, node, "threading.py", "wait");
    bool itself_wakes = node && is_function(s, node, "threading.py", "notify");
    for (unsigned up = 0; node && up < FRAMES_UP; up++, node = s->nodes[node].parent) {
        waits |= is_function(s, node, "threading.py", "wait");
        if (is_function(s, node, "queue.py", "put"))
            return waits ? GS__WAITS_IN_QUEUE : GS__IN_PUT;
        if (is_function(s, node, "queue.py", "get"))
            return waits ? GS__WAITS_IN_QUEUE : GS__IN_GET;
        if (itself_waits && is_function(s, node, "threading.py", "_wait"))
            return GS__WAITS_AT_BARRIER;
        if (itself_wakes && is_function(s, node, "threading.py", "_release"))
            return GS__OPENS_BARRIER;
    }
    return GS__ELSEWHERE;
}

enum gs__place gs__place_of(struct gs__finder *f, uint32_t node)
{
    if (f->places[node] == GS__NOT_LOOKED)
        f->places[node] = (uint8_t)look_at(f->stacks, node);
    return (enum gs__place)f->places[node];
}
