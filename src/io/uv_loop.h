/* For the files of src/io that are built on libuv: the loop behind struct loop. */
#ifndef KAALUA_IO_UV_LOOP_H
#define KAALUA_IO_UV_LOOP_H

#include "io/loop.h"

#include <uv.h>

uv_loop_t *loop_uv(struct loop *loop);

enum { LOOP_SCRATCH_BYTES = 64 * 1024 };

/* Where a read may put its bytes until its callback returns. Borrowed. */
char *loop_scratch(struct loop *loop);

#endif
