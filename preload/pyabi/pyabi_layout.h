/* SPDX-License-Identifier: MIT
 * struct gs_pyabi: the resolved layout of one running CPython.
 *
 * GS_PYABI_OFFSET_LIST is the one list of what is known of a layout: the struct, the generator
 * (gen/pyabi_gen.c), the generated rows (pyabi_rows.def) and the check against _Py_DebugOffsets
 * all expand it. Comes with pyabi.h.
 */
#ifndef GS_PYABI_LAYOUT_H
#define GS_PYABI_LAYOUT_H

#include "preload/pyabi/pyabi.h" /* its inputs; it includes this file in turn */

#define GS_PYABI_ABSENT (-1) /* this version has no such field */

/* X(name, candidates, debug): `candidates` are DWARF member paths, the first that exists in a
 * version wins; a path that is a type alone means its size, "#" before a path the bit at which a
 * bit field starts. `debug` is the member of _Py_DebugOffsets that publishes the same number from
 * 3.13 (14, 15) on, or "". */
#define GS_PYABI_OFFSET_LIST(X)                                                                    \
    /* PyThreadState: the innermost frame, or in 3.11/3.12 the C frame that points to it. */       \
    X(tstate_frame, "_ts.current_frame|_ts.frame|_ts.cframe", "thread_state.current_frame")        \
    X(cframe_frame, "_PyCFrame.current_frame", "")                                                 \
    X(tstate_interp, "_ts.interp", "thread_state.interp")                                          \
    X(tstate_chunk, "_ts.datastack_chunk", "thread_state.datastack_chunk")                         \
    X(tstate_chunk_top, "_ts.datastack_top", "")                                                   \
    X(chunk_previous, "_stack_chunk.previous", "")                                                 \
    X(chunk_size, "_stack_chunk.size", "")                                                         \
    /* _PyRuntime: set once Py_Finalize() has begun, until Python is initialised again. */         \
    X(runtime_finalizing, "pyruntimestate._finalizing", "runtime_state.finalizing")                \
    X(interp_id, "_is.id", "interpreter_state.id")                                                 \
    X(runtime_interpreters, "pyruntimestate.interpreters.head", "runtime_state.interpreters_head") \
    X(interp_next, "_is.next", "interpreter_state.next")                                           \
    X(interp_gc, "_is.gc", "interpreter_state.gc")                                                 \
    /* _PyInterpreterFrame, before 3.11 PyFrameObject. */                                          \
    X(frame_size, "_PyInterpreterFrame|_frame", "interpreter_frame.size")                          \
    X(frame_previous, "_PyInterpreterFrame.previous|_frame.f_back", "interpreter_frame.previous")  \
    X(frame_code,                                                                                  \
      "_PyInterpreterFrame.f_executable|_PyInterpreterFrame.f_code|_frame.f_code",                 \
      "interpreter_frame.executable")                                                              \
    X(frame_instr,                                                                                 \
      "_PyInterpreterFrame.instr_ptr|_PyInterpreterFrame.prev_instr|_frame.f_lasti",               \
      "interpreter_frame.instr_ptr")                                                               \
    X(frame_owner, "_PyInterpreterFrame.owner", "interpreter_frame.owner")                         \
    X(frame_gen, "_frame.f_gen", "") /* before 3.11: set for a generator's frame */                \
    X(frame_locals, "_PyInterpreterFrame.localsplus|_frame.f_localsplus",                          \
      "interpreter_frame.localsplus")                                                              \
    X(frame_tlbc_index, "_PyInterpreterFrame.tlbc_index", "interpreter_frame.tlbc_index")          \
    /* PyCodeObject. */                                                                            \
    X(code_size, "PyCodeObject", "code_object.size")                                               \
    X(code_filename, "PyCodeObject.co_filename", "code_object.filename")                           \
    X(code_name, "PyCodeObject.co_name", "code_object.name")                                       \
    X(code_qualname, "PyCodeObject.co_qualname", "code_object.qualname")                           \
    X(code_firstlineno, "PyCodeObject.co_firstlineno", "code_object.firstlineno")                  \
    X(code_linetable, "PyCodeObject.co_linetable|PyCodeObject.co_lnotab",                          \
      "code_object.linetable")                                                                     \
    X(code_firsttraceable, "PyCodeObject._co_firsttraceable", "")                                  \
    X(code_adaptive, "PyCodeObject.co_code_adaptive", "code_object.co_code_adaptive")              \
    X(code_tlbc, "PyCodeObject.co_tlbc", "code_object.co_tlbc")                                    \
    /* Objects and types. */                                                                       \
    X(object_type, "_object.ob_type", "pyobject.ob_type")                                          \
    X(var_size, "PyVarObject.ob_size", "tuple_object.ob_size")                                     \
    X(type_name, "_typeobject.tp_name", "type_object.tp_name")                                     \
    X(type_basicsize, "_typeobject.tp_basicsize", "type_object.tp_basicsize")                      \
    X(type_flags, "_typeobject.tp_flags", "type_object.tp_flags")                                  \
    X(type_dictoffset, "_typeobject.tp_dictoffset", "type_object.tp_dictoffset")                   \
    X(type_cached_keys, "_heaptypeobject.ht_cached_keys", "heap_type_object.ht_cached_keys")       \
    /* PyDictObject and its keys. */                                                               \
    X(dict_size, "PyDictObject", "dict_object.size")                                               \
    X(dict_keys, "PyDictObject.ma_keys", "dict_object.ma_keys")                                    \
    X(dict_values, "PyDictObject.ma_values", "dict_object.ma_values")                              \
    X(values_first, "_dictvalues.values", "")                                                      \
    X(keys_slots, "_dictkeysobject.dk_size", "")                                                   \
    X(keys_log2_bytes, "_dictkeysobject.dk_log2_index_bytes", "")                                  \
    X(keys_kind, "_dictkeysobject.dk_kind", "")                                                    \
    X(keys_entries, "_dictkeysobject.dk_nentries", "")                                             \
    X(keys_indices, "_dictkeysobject.dk_indices", "")                                              \
    /* str and bytes. */                                                                           \
    X(unicode_size, "PyUnicodeObject", "unicode_object.size")                                      \
    X(unicode_length, "PyASCIIObject.length", "unicode_object.length")                             \
    X(unicode_state, "PyASCIIObject.state", "unicode_object.state")                                \
    X(unicode_kind_bit, "#PyASCIIObject.state.kind", "")                                           \
    X(unicode_ascii_data, "PyASCIIObject", "unicode_object.asciiobject_size")                      \
    X(unicode_compact_data, "PyCompactUnicodeObject",                                              \
      "unicode_object.compactunicodeobject_size")                                                  \
    X(bytes_data, "PyBytesObject.ob_sval", "bytes_object.ob_sval")                                 \
    /* The collector. Since 3.15 its sums lie behind a pointer: rings whose newest has them. */    \
    X(gc_size, "_gc_runtime_state", "gc.size")                                                     \
    X(gc_enabled, "_gc_runtime_state.enabled", "")                                                 \
    X(gc_generations, "_gc_runtime_state.generations|_gc_runtime_state.young", "")                 \
    X(gc_generation0, "_gc_runtime_state.generation0", "")                                         \
    X(gc_stats, "_gc_runtime_state.generation_stats", "gc.generation_stats")                       \
    X(gc_collecting, "_gc_runtime_state.collecting", "gc.collecting")                              \
    X(gc_long_lived, "_gc_runtime_state.long_lived_total", "")                                     \
    X(gc_pending, "_gc_runtime_state.long_lived_pending", "")                                      \
    X(generation_size, "gc_generation", "")                                                        \
    X(generation_threshold, "gc_generation.threshold", "")                                         \
    X(generation_count, "gc_generation.count", "")                                                 \
    X(stats_size, "gc_generation_stats", "")                                                       \
    X(stats_collections, "gc_generation_stats.collections", "")                                    \
    X(stats_collected, "gc_generation_stats.collected", "")                                        \
    X(stats_uncollectable, "gc_generation_stats.uncollectable", "")                                \
    X(stats_duration, "gc_generation_stats.duration", "")                                          \
    X(stats_old, "gc_stats.old", "")                                                               \
    X(stats_young_size, "gc_young_stats_buffer", "")                                               \
    X(stats_old_size, "gc_old_stats_buffer", "")

/* Offsets in bytes, GS_PYABI_ABSENT where the version has no such field. */
struct gs_pyabi_offsets {
#define X(name, candidates, debug) int32_t name;
    GS_PYABI_OFFSET_LIST(X)
#undef X
};

struct gs_pyabi {
    uint32_t version_hex;
    uint8_t minor; /* 3.minor */
    bool free_threaded;
    bool has_gc; /* the collector's state lies as the row says */
    struct gs_pyabi_inputs in;
    struct gs_pyabi_offsets off;
    int32_t code_name_key;  /* what names a code object: co_qualname, before 3.11 co_name */
    int32_t managed_dict;   /* of an instance's managed dict, relative to the instance; 3.11+ */
    uint8_t lasti_scale;    /* before 3.11: bytes per unit of f_lasti */
    uint8_t first_shim_owner; /* frames with such an owner or more are shims of the interpreter */
};

#endif
