/* The system calls that are refused in a working process, as a program for seccomp. It is
 * made while kaalua is built (worker/confine_filter_make.c), by libseccomp, so that no
 * worker spends time and memory on it. */
#ifndef KAALUA_WORKER_CONFINE_FILTER_H
#define KAALUA_WORKER_CONFINE_FILTER_H

#include <linux/filter.h>
#include <stddef.h>

/* Stands in the program for the process's own id; no process has it as its id. */
#define CONFINE_FILTER_SELF 0x7f5e1f00u

extern const struct sock_filter confine_filter[];
extern const size_t confine_filter_count;

#endif
