/* SPDX-License-Identifier: MIT
 * At most one line on stderr, "gilscope: ...", by a raw write. Never stdout, never twice.
 */
#ifndef GS_AGENT_LOG_H
#define GS_AGENT_LOG_H

void gs_log(const char *what, const char *detail);
/* "what: path: why; then" */
void gs_log_errno(const char *what, const char *path, int errno_value, const char *then);

#endif
