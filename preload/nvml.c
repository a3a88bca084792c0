/* SPDX-License-Identifier: MIT */
#include "preload/nvml.h"

#include <string.h>
#include <sys/stat.h>

#include "preload/elf_symbols.h"
#include "preload/nvml_instance.h"
#include "preload/raw_sys.h"

#define MAX_PROCESSES    1024
#define NOT_AVAILABLE    UINT64_MAX
#define INITIAL_PID_NS   0xEFFFFFFCu /* inode of the machine's own namespace of process ids */
#define FROM_VERSION_2   24u         /* bytes of a row since then, and before it */
#define FROM_VERSION_1   16u
#define ERROR_NO_ROOM    7
#define ERROR_NOT_LISTED (-1)

typedef int processes_fn(void *device, unsigned *count, void *rows);

/* One of the two lists of a device: what runs on it, and what does so through MPS. */
struct list {
    processes_fn *ask;
    uint32_t row_bytes;
};

static struct {
    uint32_t generation;
    bool loaded, initialised;
    const char *never; /* why it is not asked again */
    const char *why;
    int (*init)(void);
    int (*shutdown)(void);
    int (*device)(const char *pci_bus_id, void **out);
    struct list running, through_mps;
} n;

/* A row begins with the process id (32 bits); the bytes used are its second 64 bits. */
static uint64_t rows[MAX_PROCESSES * FROM_VERSION_2 / sizeof(uint64_t)];

static uintptr_t either(const struct gs_elf_object *o, const char *name, const char *older)
{
    uintptr_t p = gs_elf_symbol(o, name);
    return p ? p : gs_elf_symbol(o, older);
}

static struct list list_of(const struct gs_elf_object *o, const char *v3, const char *v2,
                           const char *v1)
{
    struct list l = {(processes_fn *)either(o, v3, v2), FROM_VERSION_2};
    return l.ask ? l : (struct list){(processes_fn *)gs_elf_symbol(o, v1), FROM_VERSION_1};
}

static bool load(void)
{
    struct gs_elf_object o;
    n.never = gs_nvml_instance(n.generation, &o);
    if (n.never)
        return false;
    n.init = (int (*)(void))either(&o, "nvmlInit_v2", "nvmlInit");
    n.shutdown = (int (*)(void))gs_elf_symbol(&o, "nvmlShutdown");
    n.device = (int (*)(const char *, void **))either(&o, "nvmlDeviceGetHandleByPciBusId_v2",
                                                      "nvmlDeviceGetHandleByPciBusId");
    n.running =
        list_of(&o, "nvmlDeviceGetComputeRunningProcesses_v3",
                "nvmlDeviceGetComputeRunningProcesses_v2", "nvmlDeviceGetComputeRunningProcesses");
    n.through_mps = list_of(&o, "nvmlDeviceGetMPSComputeRunningProcesses_v3",
                            "nvmlDeviceGetMPSComputeRunningProcesses_v2",
                            "nvmlDeviceGetMPSComputeRunningProcesses");
    n.loaded = n.init && n.shutdown && n.device && n.running.ask;
    if (!n.loaded)
        n.never = "libnvidia-ml.so.1 lacks functions that are needed";
    return n.loaded;
}

static const char *text_of(int error)
{
    switch (error) {
    case 2:
    case 6:
        return "NVML knows no such device";
    case 3:
        return "NVML does not tell the memory of processes on this device";
    case 4:
        return "NVML: no permission";
    case ERROR_NO_ROOM:
        return "more processes use the device than can be looked at";
    case 9:
        return "NVML: the driver is not loaded";
    case 15:
        return "NVML: the device is lost";
    case 18:
        return "NVML and the driver are of different versions";
    default:
        return "NVML failed";
    }
}

static bool initialise(void)
{
    if (n.initialised)
        return true;
    int error = n.init();
    n.initialised = !error;
    if (error)
        n.never = text_of(error);
    return n.initialised;
}

/* ---- which rows are ours ---- */

static const void *row(const struct list *l, unsigned i)
{
    return (const char *)rows + (size_t)i * l->row_bytes;
}

static uint32_t pid_of(const void *at)
{
    uint32_t pid;
    memcpy(&pid, at, sizeof(pid));
    return pid;
}

static bool is_here(uint32_t pid)
{
    char path[24] = "/proc/", digits[12];
    size_t len = 6, d = 0;
    do
        digits[d++] = (char)('0' + pid % 10);
    while (pid /= 10);
    while (d)
        path[len++] = digits[--d];
    path[len] = 0;
    return gs_sys3(SYS_faccessat, AT_FDCWD, path, 0) == 0;
}

/* In a container the ids may be the machine's, and one of them equal ours by chance. Such a list is
 * known by ids that nobody here has. */
static bool are_ids_ours(const struct list *l, unsigned count)
{
    struct stat st;
    if (gs_sys4(SYS_newfstatat, AT_FDCWD, "/proc/self/ns/pid", &st, 0) ||
        st.st_ino == INITIAL_PID_NS)
        return true;
    for (unsigned i = 0; i < count; i++)
        if (!is_here(pid_of(row(l, i))))
            return false;
    return true;
}

/* With MIG a process may have a row for each of its instances. */
static bool sum_own(const struct list *l, unsigned count, uint64_t *used_bytes)
{
    uint32_t pid = gs_getpid();
    bool listed = false;
    *used_bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t used;
        if (pid_of(row(l, i)) != pid)
            continue;
        listed = true;
        memcpy(&used, (const char *)row(l, i) + sizeof(used), sizeof(used));
        *used_bytes = used == NOT_AVAILABLE || *used_bytes == NOT_AVAILABLE ? NOT_AVAILABLE
                                                                            : *used_bytes + used;
    }
    return listed;
}

static int look_up(const struct list *l, void *device, uint64_t *used_bytes)
{
    unsigned count = MAX_PROCESSES;
    int error = l->ask ? l->ask(device, &count, rows) : ERROR_NOT_LISTED;
    if (error)
        return error;
    if (count > MAX_PROCESSES)
        return ERROR_NO_ROOM;
    return sum_own(l, count, used_bytes) && are_ids_ours(l, count) ? 0 : ERROR_NOT_LISTED;
}

static const char *ask(const char *pci_bus_id, uint64_t *used_bytes)
{
    void *device;
    int error = n.device(pci_bus_id, &device);
    if (error)
        return text_of(error);
    error = look_up(&n.running, device, used_bytes);
    if (error == ERROR_NOT_LISTED && !look_up(&n.through_mps, device, used_bytes))
        error = 0;
    if (error == ERROR_NOT_LISTED)
        return "NVML does not list this process (in a container it may know it by another id)";
    if (error)
        return text_of(error);
    return *used_bytes == NOT_AVAILABLE ? "NVML lists this process without its memory" : NULL;
}

bool gs_nvml_used(const char *pci_bus_id, uint64_t *used_bytes)
{
    if (!n.never && (n.loaded || load()) && initialise())
        n.why = ask(pci_bus_id, used_bytes);
    else
        n.why = n.never;
    return !n.why;
}

const char *gs_nvml_why_not(void)
{
    return n.why;
}

void gs_nvml_drain_begins(void)
{
    if (n.initialised)
        n.shutdown();
    n.initialised = false;
}

void gs_nvml_forget(void)
{
    uint32_t generation = n.generation + 1;
    memset(&n, 0, sizeof(n));
    n.generation = generation;
}
