/* SPDX-License-Identifier: MIT
 * Finds what `gilscope run` is to start, and says beforehand why it could not be recorded.
 * Called from cmd_run.c and cmd_doctor.c; prints nothing.
 */
#ifndef GS_RUN_TARGET_H
#define GS_RUN_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* libgilscope.so beside this program: build tree or installed. False if it is in neither place;
 * `out` then holds the first place looked at. */
bool gs_agent_path(char out[PATH_MAX]);

/* Looks a program up as execvp would. 0, or ENOENT, EACCES. */
int gs_find_program(const char *name, char out[PATH_MAX]);
/* python3 of $VIRTUAL_ENV, else of PATH. 0 or an errno. */
int gs_find_python(char out[PATH_MAX]);
/* True for x.py, x.pyw, x.pyz and a directory that has a __main__.py. */
bool gs_is_python_script(const char *name);

/* Why a preloaded agent would not work in this program, as "what is wrong; what to do", or NULL.
 * Follows one "#!" line. Text is static or lies in `buf`. */
const char *gs_target_refusal(const char *path, char *buf, size_t cap);

#endif
