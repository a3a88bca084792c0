/* SPDX-License-Identifier: MIT
 * Compiled with -g against one CPython's own headers, only for the DWARF that pyabi_gen.c reads,
 * where no libpython with debug information is at hand. Never part of the agent.
 */
#define Py_BUILD_CORE 1
#include <Python.h>
/* Before 3.14 the frame and the debug offsets live in these two. */
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_pystate.h"
#include "internal/pycore_runtime.h"
#if __has_include("internal/pycore_interpframe_structs.h")
#include "internal/pycore_interpframe_structs.h"
#endif

/* One object of each type: unused types leave no DWARF. */
PyThreadState gs_tstate;
PyInterpreterState *gs_interp;
_PyRuntimeState *gs_runtime;
struct _gc_runtime_state gs_gc;
_PyStackChunk gs_chunk;
struct _PyInterpreterFrame gs_frame;
PyCodeObject gs_code;
PyHeapTypeObject gs_heap_type;
PyVarObject gs_var;
PyDictObject gs_dict;
PyDictKeysObject *gs_keys;
PyDictValues gs_values;
PyUnicodeObject gs_unicode;
PyBytesObject gs_bytes;
_Py_DebugOffsets gs_debug_offsets;
