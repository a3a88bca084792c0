/* SPDX-License-Identifier: MIT
 * What `gilscope doctor` looks at. Each check prints its line on stdout; nothing is changed on the
 * machine but a temporary directory that is removed again.
 */
#ifndef GS_DOCTOR_H
#define GS_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum gs_mark {
    GS_MARK_OK,
    GS_MARK_NOTE, /* works, with less detail or as information */
    GS_MARK_BAD,  /* does not work: doctor exits with 1 */
};
/* Prints "ok    what: ..."; returns false for GS_MARK_BAD. */
bool gs_doctor_line(enum gs_mark mark, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* False if something is unusable. */
bool gs_doctor_machine(const char *output_dir);
/* One interpreter: `required` means that its being unusable is a failure. */
bool gs_doctor_python(const char *exe, bool required);

/* Runs a program without any GILSCOPE_* variable; standard output and error go to `out`
 * (terminated). Returns its wait status, or -1 if it did not start or ran past timeout_ms. */
int gs_doctor_spawn(char *const argv[], unsigned timeout_ms, char *out, size_t cap);

#endif
