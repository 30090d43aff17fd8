/* One version of a handler in one file: its text, its path and chunk name, and all library
 * sources that it was loaded with, so that it can be loaded again where its own file no longer
 * can. Not its contract: that is checked again each time it is loaded.
 *
 * The file: "kaalua version\n", format (u32), checksum of all that follows (i64), then type,
 * path, chunk, text, and a count of libraries with module, chunk and text each, as the fields of
 * a frame (base/frame.h). Mode 0600. Any thread; a version is no one else's meanwhile. */
#ifndef KAALUA_SUPERVISION_VERSION_FILE_H
#define KAALUA_SUPERVISION_VERSION_FILE_H

#include "base/buffer.h"
#include "base/error.h"
#include "supervision/version.h"

#include <stddef.h>

/* Appends the file's content. */
void version_file_pack(const struct version *version, struct buffer *out);

/* Returns 0 with *version owned (one reference, the contract is the defaults'), or with `error`:
 * -ENOENT: there is none; -EBADMSG: damaged; -EPROTONOSUPPORT: of a format that this program does
 * not know; -EPERM: others can write it; another negative errno: it cannot be read. */
int version_file_read(const char *path, struct version **version, struct error *error);

/* Puts these bytes at `path`, durably and in one step: whoever reads it, also after a power cut,
 * finds what was there before or all that is there now. What holds the same bytes is not written
 * again. Returns 0, or a negative errno with `error`; then what was there is there. */
int version_file_write(const char *path, const char *bytes, size_t size, struct error *error);

#endif
