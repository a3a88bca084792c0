/* SPDX-License-Identifier: MIT
 * The capture file. Held open only in the drain thread's private descriptor table; where the
 * kernel refuses one, or another thread must write (exit without a drain thread), the file is
 * reopened by path for each append and its identity compared.
 */
#ifndef GS_TRACE_SINK_H
#define GS_TRACE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_sink {
    char path[4096];
    long fd; /* -1: reopen for each append */
    bool created;
    int error; /* errno of the last write; 0: it succeeded */
    uint64_t dev, ino;
    uint64_t bytes; /* written, whole chunks only */
    uint64_t failed_writes;
};

/* Creates the file, 0600, O_EXCL|O_NOFOLLOW; a name that exists gets -1, -2, ... (or is replaced,
 * with `force`); a device, pipe or socket is refused, -ESPIPE. keep_open: the caller has a private
 * table. 0 or -errno. */
int gs_sink_create(struct gs_sink *s, bool force, bool keep_open);
/* Goes on in a new file of that name, created as above but for -EEXIST; on failure in the old one.
 */
int gs_sink_switch(struct gs_sink *s, const char *path, bool force);
/* Removes a file that was ours: only while the name still means the same regular file. */
void gs_sink_remove(const char *path, uint64_t dev, uint64_t ino);
/* Appends all of it or nothing (a torn chunk is cut off again); false is counted. */
bool gs_sink_append(struct gs_sink *s, const void *data, size_t len);
/* Opens the file again and keeps it open, in a new thread's private table. */
bool gs_sink_attach(struct gs_sink *s);
/* Does its name still lead to the file? */
bool gs_sink_is_in_reach(const struct gs_sink *s);
/* From now on this sink's descriptor is not ours (the thread that held it has ended). */
void gs_sink_detach(struct gs_sink *s);

#endif
