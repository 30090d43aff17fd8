/* The known name that a misspelt one most likely means. Pure. */
#ifndef KAALUA_BASE_NEAREST_H
#define KAALUA_BASE_NEAREST_H

#include <stddef.h>

/* The first of `names` with the fewest slips (a letter too many, missing, wrong, or swapped with
 * its neighbour; case does not count), at most two, one for words of up to three letters; else
 * the first that begins as the word does. Borrowed from `names`; NULL where none is near. */
const char *nearest_name(const char *word, const char *const *names, size_t count);

#endif
