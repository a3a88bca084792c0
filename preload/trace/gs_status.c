/* SPDX-License-Identifier: MIT */
#include "preload/trace/gs_status.h"

const char *gs_status_message(enum gs_status status)
{
    switch (status) {
#define X(name, number, message)                                                                   \
    case name:                                                                                     \
        return message;
        GS_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}
