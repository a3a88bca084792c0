# SPDX-License-Identifier: MIT
# cmake -DFROM=calibrate.py -DTO=calibrate_py.c -P embed.cmake
file(READ ${FROM} bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE ${TO} "extern const char gs_calibrate_py[];\nconst char gs_calibrate_py[] = {${bytes}0};\n")
