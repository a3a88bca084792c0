#!/bin/bash
# SPDX-License-Identifier: MIT
# Regenerates the offset rows from every Python with DWARF (or headers) on this machine and
# compares them with the checked-in ones. 77 when there is none.
exec "$(dirname "$0")/../../preload/pyabi/gen/regenerate.sh" --check "$@"
