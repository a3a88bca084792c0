/* SPDX-License-Identifier: MIT
 * The report's page, built from viz/ by viz/embed.c. `gilscope report` replaces the one
 * <!--GILSCOPE-DATA--> in it: blocks of <script type="application/octet-stream" class="gs-data">
 * (base64 of gzip of the report's JSON, in order, at most 4 MB each), then a <noscript> summary.
 * Nothing else may be put into the page: its Content-Security-Policy would refuse it.
 */
#ifndef GS_VIZ_BUNDLE_H
#define GS_VIZ_BUNDLE_H

#include <stddef.h>

#define GS_VIZ_DATA_MARK "<!--GILSCOPE-DATA-->"

extern const unsigned char gs_viz_html[]; /* UTF-8; a NUL follows, not counted */
extern const size_t gs_viz_html_len;

#endif
