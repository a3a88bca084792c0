/* SPDX-License-Identifier: MIT
 * The commands of the program and what they share: the table, exit codes, one-line errors.
 * Called from main.c and the cmd_*.c files. Nothing here knows what a capture is.
 */
#ifndef GS_CMD_H
#define GS_CMD_H

#include <stdbool.h>
#include <stddef.h>

enum gs_exit {
    GS_EXIT_OK = 0,
    GS_EXIT_FAILED = 1,
    GS_EXIT_USAGE = 2,
    GS_EXIT_LIMIT = 3,   /* a limit of `check` was passed */
    GS_EXIT_DAMAGED = 4, /* the capture was damaged, a partial result was written */
    GS_EXIT_NOT_STARTED = 125,
    GS_EXIT_NOT_EXECUTABLE = 126,
    GS_EXIT_NOT_FOUND = 127,
};

struct gs_cmd {
    const char *name;
    const char *group;   /* heading in --help; NULL: hidden */
    const char *summary; /* a few words */
    const char *usage;   /* what follows "gilscope NAME " */
    const char *about;   /* paragraphs, '\n' between them */
    const char *examples[3];
    int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit code */
};
extern const struct gs_cmd gs_cmds[]; /* ends with a NULL name */
const struct gs_cmd *gs_cmd_find(const char *name);

/* Prints "gilscope: ...\n" on stderr, control characters made visible; returns `code`. */
int gs_cmd_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for something that is no failure. */
void gs_cmd_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Flushes stdout; returns `code`, or GS_EXIT_FAILED with a message if data was lost. */
int gs_cmd_flush_stdout(int code);

/* "; did you mean X?" - remembers the nearest of the words offered. */
struct gs_nearest {
    const char *word, *best;
    size_t distance;
};
void gs_nearest_start(struct gs_nearest *n, const char *word);
void gs_nearest_offer(struct gs_nearest *n, const char *candidate);
const char *gs_nearest_word(const struct gs_nearest *n); /* NULL if nothing is near */

int gs_cmd_run(int argc, char **argv);
int gs_cmd_stats(int argc, char **argv);
int gs_cmd_report(int argc, char **argv);
int gs_cmd_export(int argc, char **argv);
int gs_cmd_whatif(int argc, char **argv);
int gs_cmd_calibrate(int argc, char **argv);
int gs_cmd_dump(int argc, char **argv);
int gs_cmd_recover(int argc, char **argv);
int gs_cmd_symbolize(int argc, char **argv);
int gs_cmd_doctor(int argc, char **argv);
int gs_cmd_help(int argc, char **argv);
int gs_cmd_completions(int argc, char **argv);
int gs_cmd_man(int argc, char **argv); /* hidden __man, run by the build */

#endif
