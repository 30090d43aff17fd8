/* Which libraries a Lua source requires, told by reading it without running it: the word
 * `require` with a string behind it names one, followed through the libraries. Where a
 * source uses `require` in another way (another name for it, a computed string), or what
 * could hide that (load, _G, _ENV), it is taken to require all. */
#ifndef KAALUA_SUPERVISION_REQUIRES_H
#define KAALUA_SUPERVISION_REQUIRES_H

#include <stddef.h>
#include <stdint.h>

struct library;

/* The hash of a source with the libraries that it requires, those that are missing among
 * them: equal as long as it would do the same. */
uint64_t requires_hash(const char *text, size_t text_bytes, const struct library *library);

#endif
