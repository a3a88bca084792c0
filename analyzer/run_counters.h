/* SPDX-License-Identifier: MIT
 * --counters of `gilscope run`: names become codes here, so that the program loads no libpfm4.
 */
#ifndef GS_RUN_COUNTERS_H
#define GS_RUN_COUNTERS_H

/* What GILSCOPE_COUNTERS is to hold for a list of names, the caller's; or NULL, and *why is one
 * line of what is wrong with the list, the caller's too. */
char *gs_counters_encode(const char *list, char **why);

#endif
