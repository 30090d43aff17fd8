/* Where the handler is: the innermost line of its own or a library's source,
 * also where it runs in a coroutine. */
#ifndef KAALUA_WORKER_PLACE_H
#define KAALUA_WORKER_PLACE_H

struct worker;

enum { PLACE_BYTES = 96 };

/* Writes "park.lua:3", or "" where none of its lines is being run. Allocates
 * nothing in Lua. */
void place_find(const struct worker *worker, char place[PLACE_BYTES]);

#endif
