/* SPDX-License-Identifier: MIT
 * Whether an extension module says that it needs no GIL. Free-threaded Python takes the GIL back
 * when it imports one that does not.
 *
 * Looked at is the file that was recorded, of a Python with the GIL, if it is here and as it was.
 * A module that is set up in phases says it in a table, the same for all builds. One that is not
 * says it by a call that only a free-threaded Python has, and Cython's say it in builds for that
 * alone: of these nothing is known.
 */
#ifndef GS_WHATIF_EXTENSION_H
#define GS_WHATIF_EXTENSION_H

#include <stddef.h>
#include <stdint.h>

/* id, "key" of the JSON */
#define GS_GIL_ANSWERS(X)                                                                          \
    X(NOT_NEEDED, "not needed")                                                                    \
    X(NOT_SAID, "not said") /* built as it is, it brings the GIL back */                           \
    X(UNKNOWN, "unknown")
enum gs_gil_answer {
#define GS_GIL_ANSWER_ENUM(id, key) GS_GIL_##id,
    GS_GIL_ANSWERS(GS_GIL_ANSWER_ENUM)
#undef GS_GIL_ANSWER_ENUM
        GS_N_GIL_ANSWERS
};
extern const char *const gs_gil_answer_keys[GS_N_GIL_ANSWERS];

struct gs_recording;
struct gs_extension {
    char *path; /* as it was recorded; owned */
    enum gs_gil_answer answer;
    const char *why; /* UNKNOWN; else NULL */
};

/* Sets answer and why of the extension at `path`. Nothing of the capture is trusted: only a regular
 * file whose name ends in .so is opened, and no more of it comes out than the answer. */
void gs_extension_look(struct gs_extension *e, const struct gs_recording *r);
/* The same of a file in memory, whatever it is called. */
void gs_extension_look_at(struct gs_extension *e, char *image, size_t size);

#endif
