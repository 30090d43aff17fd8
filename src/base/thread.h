/* A thread for work that must not hold the loop up. */
#ifndef KAALUA_BASE_THREAD_H
#define KAALUA_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Starts `run` with `context`, on a stack of so many bytes and with all signals blocked: those
 * are the loop's. Returns 0, or an errno value; then *thread is not set. */
int thread_start(pthread_t *thread, size_t stack_bytes, void *(*run)(void *context), void *context);

#endif
