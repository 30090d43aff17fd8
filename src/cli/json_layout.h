/* The white space of a JSON text, changed; every number, name and string stays as it is
 * written, but for characters that steer a terminal (U+007F to U+009F), which are escaped. */
#ifndef KAALUA_CLI_JSON_LAYOUT_H
#define KAALUA_CLI_JSON_LAYOUT_H

#include "base/buffer.h"

/* Appends `text`, valid JSON, without any white space between its parts. */
void json_layout_compact(struct buffer *out, const char *text);

/* Appends `text`, valid JSON: in one line where it fits in `columns`, else a member or an
 * element a line; lines behind the first begin with `indent` spaces. No newline at the end. */
void json_layout_pretty(struct buffer *out, const char *text, size_t columns, size_t indent);

#endif
