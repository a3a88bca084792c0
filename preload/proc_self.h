/* SPDX-License-Identifier: MIT
 * What the kernel tells about this process, read from /proc by the drain thread. No malloc.
 */
#ifndef GS_PROC_SELF_H
#define GS_PROC_SELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t gs_proc_cpus(void); /* this process may run on */
/* The thread's name (comm). */
bool gs_proc_thread_name(uint32_t tid, char *buf, size_t len);
/* False when /proc does not tell; that says nothing about the thread: see gs_proc_task_has_ended().
 * CPU and run-queue time since the thread's start. */
bool gs_proc_schedstat(uint32_t tid, uint64_t *cpu_ns, uint64_t *runqueue_ns);
/* Accounts of a thread since its start; false where /proc does not tell all of them. */
struct gs_accounts;
bool gs_proc_accounts(uint32_t tid, struct gs_accounts *out);
/* True when the kernel knows no such thread of this process. */
bool gs_proc_task_has_ended(uint32_t tid);
/* False when it runs, would run had it a core, or has ended; true where nobody knows. */
bool gs_proc_task_sleeps(uint32_t tid);
#define GS_TASK_END_NS 2000000u
/* Is a thread that is to end worth waiting for? GS_TASK_END_NS any is; then, up to 50 ms, one that
 * only lacks a core: it ends with the next one it gets, who sleeps may do so for long (a disk, the
 * loader's lock). Tid 0: it has not had its first core. */
bool gs_proc_task_may_end_soon(uint32_t tid, uint64_t waited_ns);
/* Waits as long as that may be, since begin_ns (CLOCK_MONOTONIC); true when the thread has ended.
 */
bool gs_proc_await_task_end(uint32_t tid, uint64_t begin_ns);
/* True when every other thread has ended: only the caller and a zombie leader are left. */
bool gs_proc_only_task(void);

/* Resident bytes of the process, and those of them that are pages of files or shared. */
bool gs_proc_statm(uint64_t *rss_bytes, uint64_t *file_rss_bytes);

#endif
