/* SPDX-License-Identifier: MIT
 * libnvidia-ml.so.1 for tests: tells what processes take of devices, from the file that the driver
 * on host memory shares (fake_shared.h). Like the real one it keeps a descriptor and process-wide
 * state: a query from a table of descriptors where that number is not its own fails.
 *
 * FAKENVML_HIDE=all|pids|mixed  nobody listed; listed by ids of another namespace, ours hidden, or
 * by chance the same as another's FAKENVML_MPS=1           listed as clients of MPS only
 * FAKENVML_NA=1            the memory of processes is not available
 * FAKENVML_FAIL=code, FAKENVML_INIT_FAIL=code   results of process queries, of nvmlInit_v2()
 * FAKENVML_LOG=file        a line a call: pid tid instance call result descriptor
 */
#include "tests/cuda/fake_shared.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define API __attribute__((visibility("default")))

enum {
    OK = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    GPU_IS_LOST = 15
};

typedef int nvmlReturn_t;
typedef struct device *nvmlDevice_t;

struct device {
    int index;
};

struct pci_info {
    char legacy_id[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char id[32];
};

struct memory {
    unsigned long long total, free, used;
};

struct process_v1 {
    unsigned pid;
    unsigned long long used;
};

struct process {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
};

API nvmlReturn_t nvmlInit_v2(void);
API nvmlReturn_t nvmlShutdown(void);
API const char *nvmlErrorString(nvmlReturn_t code);
API nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned length);
API nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count);
API nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *out);
API nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *id, nvmlDevice_t *out);
API nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, struct pci_info *out);
API nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, struct memory *out);
API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned *count,
                                                      struct process_v1 *out);
API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned *count,
                                                         struct process *out);
API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count,
                                                         struct process *out);
API nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count,
                                                            struct process *out);

/* An instance's own count; exported, and so reached through the dynamic linker. */
API int fake_nvml_calls;

static struct device devices[FAKE_SHARED_DEVICES] = {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}};
static struct fake_shared *shared;
static int descriptor = -1, references;
static struct stat opened;

static unsigned long long setting(const char *name, unsigned long long value)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : value;
}

static unsigned n_devices(void)
{
    return (unsigned)setting("FAKECUDA_DEVICES", 1);
}

static nvmlReturn_t logged(const char *call, nvmlReturn_t rc)
{
    const char *path = getenv("FAKENVML_LOG");
    fake_nvml_calls++;
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return rc;
    dprintf(fd, "%d %d %p %s %d %d\n", (int)getpid(), (int)syscall(SYS_gettid),
            (void *)&fake_nvml_calls, call, rc, descriptor);
    close(fd);
    return rc;
}

/* The device nodes are asked on every query. */
static nvmlReturn_t ready(void)
{
    struct stat now;
    if (!references)
        return UNINITIALIZED;
    if (fstat(descriptor, &now) || now.st_rdev != opened.st_rdev || now.st_ino != opened.st_ino)
        return GPU_IS_LOST;
    return OK;
}

nvmlReturn_t nvmlInit_v2(void)
{
    nvmlReturn_t fail = (nvmlReturn_t)setting("FAKENVML_INIT_FAIL", 0);
    if (fail || references++)
        return logged(__func__, fail);
    descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &opened)) {
        references = 0;
        return logged(__func__, 9); /* no driver */
    }
    if (!shared)
        shared = fake_shared_map();
    return logged(__func__, OK);
}

nvmlReturn_t nvmlShutdown(void)
{
    if (!references)
        return logged(__func__, UNINITIALIZED);
    if (!--references) {
        close(descriptor);
        descriptor = -1;
    }
    return logged(__func__, OK);
}

const char *nvmlErrorString(nvmlReturn_t code)
{
    switch (code) {
    case OK:
        return "Success";
    case 3:
        return "Not Supported";
    case 4:
        return "Insufficient Permissions";
    case 9:
        return "Driver Not Loaded";
    case GPU_IS_LOST:
        return "GPU is lost";
    default:
        return "Unknown Error";
    }
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned length)
{
    nvmlReturn_t rc = ready();
    if (!rc && snprintf(version, length, "999.0") >= (int)length)
        rc = INSUFFICIENT_SIZE;
    return logged(__func__, rc);
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count)
{
    nvmlReturn_t rc = ready();
    if (!rc)
        *count = n_devices();
    return logged(__func__, rc);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *out)
{
    nvmlReturn_t rc = ready();
    if (!rc && index >= n_devices())
        rc = INVALID_ARGUMENT;
    if (!rc)
        *out = &devices[index];
    return logged(__func__, rc);
}

/* With four or eight digits of the domain. */
nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *id, nvmlDevice_t *out)
{
    unsigned domain, bus, slot;
    nvmlReturn_t rc = ready();
    if (!rc && sscanf(id, "%x:%x:%x", &domain, &bus, &slot) != 3)
        rc = INVALID_ARGUMENT;
    if (!rc && (domain || slot || bus < 0x3b || bus >= 0x3b + n_devices()))
        rc = NOT_FOUND;
    if (!rc)
        *out = &devices[bus - 0x3b];
    return logged(__func__, rc);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, struct pci_info *out)
{
    nvmlReturn_t rc = ready();
    if (!rc) {
        *out = (struct pci_info){.bus = 0x3bu + (unsigned)device->index};
        snprintf(out->legacy_id, sizeof out->legacy_id, "0000:%02X:00.0", out->bus);
        snprintf(out->id, sizeof out->id, "00000000:%02X:00.0", out->bus);
    }
    return logged(__func__, rc);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, struct memory *out)
{
    nvmlReturn_t rc = ready();
    if (!rc) {
        *out = (struct memory){.total = setting("FAKECUDA_MEMORY_MB", 80 * 1024) << 20};
        for (int i = 0; shared && i < FAKE_SHARED_ROWS; i++)
            if (fake_shared_lives(shared->rows[i].pid))
                out->used += shared->rows[i].used_bytes[device->index];
        out->free = out->total - out->used;
    }
    return logged(__func__, rc);
}

static struct process process_of(const struct fake_shared_row *row, int device)
{
    const char *hide = getenv("FAKENVML_HIDE");
    struct process p = {.pid = (unsigned)row->pid,
                        .used = row->used_bytes[device],
                        .gpu_instance = ~0u,
                        .compute_instance = ~0u};
    if (hide && !strcmp(hide, "pids"))
        p.pid += 1000000;
    if (setting("FAKENVML_NA", 0))
        p.used = ~0ull;
    return p;
}

/* `count` in: room, out: how many there are. */
static nvmlReturn_t list(nvmlDevice_t device, unsigned *count, struct process *out, bool mps)
{
    unsigned n = 0, room = *count;
    const char *hide = getenv("FAKENVML_HIDE");
    bool empty = (setting("FAKENVML_MPS", 0) != 0) != mps || (hide && !strcmp(hide, "all"));
    nvmlReturn_t rc = ready();
    if (!rc)
        rc = (nvmlReturn_t)setting("FAKENVML_FAIL", 0);
    if (rc)
        return rc;
    for (int i = 0; !empty && shared && i < FAKE_SHARED_ROWS; i++) {
        const struct fake_shared_row *row = &shared->rows[i];
        if (!fake_shared_lives(row->pid) || !row->used_bytes[device->index])
            continue;
        if (n < room)
            out[n] = process_of(row, device->index);
        n++;
    }
    if (!empty && hide && !strcmp(hide, "mixed") && n < room)
        out[n++] = (struct process){.pid = 4100000000u, .used = 1 << 20};
    *count = n;
    return n > room ? INSUFFICIENT_SIZE : OK;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count,
                                                     struct process *out)
{
    return logged(__func__, list(device, count, out, false));
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned *count,
                                                     struct process *out)
{
    return logged(__func__, list(device, count, out, false));
}

nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count,
                                                        struct process *out)
{
    return logged(__func__, list(device, count, out, true));
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned *count,
                                                  struct process_v1 *out)
{
    struct process all[FAKE_SHARED_ROWS];
    unsigned room = *count;
    if (room > FAKE_SHARED_ROWS)
        *count = room = FAKE_SHARED_ROWS;
    nvmlReturn_t rc = list(device, count, all, false);
    for (unsigned i = 0; !rc && i < *count; i++)
        out[i] = (struct process_v1){all[i].pid, all[i].used};
    return logged(__func__, rc);
}
