/* SPDX-License-Identifier: MIT
 * What version 1.6 added.
 */
#include "tests/golden/golden_records.h"

/* Two files, one of which was closed; a stack of both kinds of code, one without Python's frames,
 * one that names a stack nobody defined; names of places; a GIL whose interval was set. */
void make_native(struct capture *c)
{
    struct gs_record_writer w;

    begin_version(c, 6);
    begin_chunk(c, &w);
    RECORD(&w, GS_RECORD_GIL, U(0), Z(0), U(4000001), U(5000));
    RECORD(&w, GS_RECORD_NATIVE_MODULE, U(1), U(4000100), U(0x401000), U(0x501000), U(0),
           S("\1\2\xff"), S("/usr/bin/python3.13"));
    RECORD(&w, GS_RECORD_NATIVE_MODULE, U(2), U(4000100), U(0x7f0000001000), U(0x7f0000002000),
           U(0x7f0000000000), S(""), S("/tmp/n\xc3\xa4me.so"));
    RECORD(&w, GS_RECORD_NATIVE_STACK, U(900), U(1), U(0), U(2), U(1), U(2), U(3), U(2), U(0x1010),
           U(1), U(0x401234), U(1), U(0x401999));
    RECORD(&w, GS_RECORD_NATIVE_STACK, U(901), U(0), U(1), U(0), U(1), U(0), U(UINT64_MAX));
    RECORD(&w, GS_RECORD_NATIVE_STACK, U(902), U(77777), U(0), U(1), U(9), U(0));
    RECORD(&w, GS_RECORD_SYMBOL, U(2), U(0x1010), U(0), S("inner"), S("a.c"), Z(7));
    RECORD(&w, GS_RECORD_SYMBOL, U(2), U(0x1010), U(1), S("outer(int)"), S("b.cc"), Z(-1));
    RECORD(&w, GS_RECORD_NATIVE_MODULE_END, U(2), U(4000200));
    RECORD(&w, GS_RECORD_GIL, U(0), Z(0), U(4000001), U(700));
    RECORD(&w, GS_RECORD_EVENT, U(4000300), U(GS_EVENT_NO_NATIVE), U(0), S("a test"));
    end_chunk(c, &w);
    put_rows(c, GS_STREAM_SLICE, 3);
    put_end(c);
}
