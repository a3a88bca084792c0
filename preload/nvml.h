/* SPDX-License-Identifier: MIT
 * What this process uses of a device, asked of NVML by the drain thread alone.
 *
 * The drain thread's table of descriptors is its own, and NVML keeps descriptors in process-wide
 * state: were it the program's NVML, ours would open what the program cannot see, or use the
 * program's numbers. So it is another instance, from a copy of the file (nvml_instance.h). Its
 * first call takes tens of milliseconds (reading 2 MB, nvmlInit), and waits while another thread is
 * inside dlopen(); later ones take less than one.
 */
#ifndef GS_NVML_H
#define GS_NVML_H

#include <stdbool.h>
#include <stdint.h>

/* All memory of the device that the machine says is this process's. Only with a table of
 * descriptors of one's own. CTX: drain, at most once a second. */
bool gs_nvml_used(const char *pci_bus_id, uint64_t *used_bytes);
/* Why the last gs_nvml_used() was false, NULL when it was not. CTX: drain. */
const char *gs_nvml_why_not(void);
/* A drain thread begins, its table of descriptors still empty: what NVML opened in the one before
 * is gone, and it closes those numbers here, where they are nobody's. CTX: drain. */
void gs_nvml_drain_begins(void);
/* Forked child: the instance's descriptors were not inherited; another is loaded if it is needed.
 */
void gs_nvml_forget(void);

#endif
