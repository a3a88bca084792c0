/* SPDX-License-Identifier: MIT
 * Where in Python's own library a lock was used, by the innermost frames of the stack. Functions of
 * threading and queue have these names in all versions; before 3.11 without their class.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/whatif/acts_finder.h"
#include "analyzer/whatif/stack_frame.h"
#include "analyzer/xalloc.h"

#define FRAMES_UP 6u /* from the call of a lock: Condition's methods lie between */

struct gs_frame gs_frame_of(const struct gs_stacks *s, uint32_t node)
{
    struct gs__frame f = gs__frame_of(s, node);
    return (struct gs_frame){gs_fmt_basename(f.path), f.function, f.line};
}

static bool is_function(const struct gs_stacks *s, uint32_t node, const char *file,
                        const char *function)
{
    struct gs_frame f = gs_frame_of(s, node);
    return strcmp(f.file, file) == 0 && strcmp(gs__bare_name(f.function), function) == 0;
}

bool gs_file_is_librarys(const char *file)
{
    static const char *const files[] = {"threading.py", "queue.py", "_base.py", "thread.py"};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (strcmp(files[i], file) == 0)
            return true;
    return false;
}

char *gs__name_at(const struct gs__finder *f, const char *what, uint32_t node)
{
    const struct gs_stacks *s = f->stacks;
    while (node && gs_file_is_librarys(gs_frame_of(s, node).file))
        node = s->nodes[node].parent;
    if (!node)
        return gs_xasprintf("%s", what);
    struct gs_frame at = gs_frame_of(s, node);
    return gs_xasprintf("%s at %s:%u %s", what, at.file, at.line, at.function);
}

static enum gs__place look_at(const struct gs_stacks *s, uint32_t node)
{
    bool waits = false, itself_waits = node && is_function(s, node, "threading.py", "wait");
    if (node && (is_function(s, node, "threading.py", "join") ||
                 is_function(s, node, "threading.py", "_shutdown")))
        return GS__JOINS;
    bool itself_wakes = node && is_function(s, node, "threading.py", "notify");
    for (unsigned up = 0; node && up < FRAMES_UP; up++, node = s->nodes[node].parent) {
        waits |= is_function(s, node, "threading.py", "wait");
        bool puts = is_function(s, node, "queue.py", "put");
        if (puts || is_function(s, node, "queue.py", "get"))
            return waits          ? GS__WAITS_IN_QUEUE
                   : itself_wakes ? GS__WAKES_IN_QUEUE
                   : puts         ? GS__IN_PUT
                                  : GS__IN_GET;
        if (itself_waits && is_function(s, node, "threading.py", "_wait"))
            return GS__WAITS_AT_BARRIER;
        if (itself_wakes && is_function(s, node, "threading.py", "_release"))
            return GS__OPENS_BARRIER;
        if (itself_wakes && is_function(s, node, "threading.py", "_bootstrap_inner"))
            return GS__SAYS_IT_RUNS;
    }
    return GS__ELSEWHERE;
}

enum gs__place gs__place_of(struct gs__finder *f, uint32_t node)
{
    if (f->places[node] == GS__NOT_LOOKED)
        f->places[node] = (uint8_t)look_at(f->stacks, node);
    return (enum gs__place)f->places[node];
}
