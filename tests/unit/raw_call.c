/* A native module that does what a hostile one would: any system call.
 *
 *   local raw = require "raw_call"
 *   raw.call("socket", 2, 1, 0)   → "EPERM", or the number that the kernel returned
 *   raw.call(39)                  a number that has no name here
 *   raw.old_call(20)              x86-64: the same by the way of i386
 *   raw.thread()                  starts a thread and waits for it: true
 *   raw.allocate(mib)             whether malloc gives it; it is written to, and freed */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME(name) {#name, SYS_##name}

static const struct {
  const char *name;
  long number;
} names[] = {
    NAME(accept4), NAME(add_key), NAME(bind), NAME(bpf), NAME(capset), NAME(chroot),
    NAME(clock_settime), NAME(clone), NAME(clone3), NAME(connect), NAME(delete_module),
    NAME(execve), NAME(execveat), NAME(fchmodat), NAME(fchownat), NAME(fcntl), NAME(finit_module),
    NAME(getpid), NAME(getppid), NAME(init_module), NAME(ioctl), NAME(io_uring_setup), NAME(keyctl),
    NAME(kill), NAME(linkat), NAME(listen), NAME(memfd_create), NAME(mkdirat), NAME(mknodat),
    NAME(mount), NAME(openat), NAME(openat2), NAME(open_by_handle_at), NAME(perf_event_open),
    NAME(personality), NAME(pidfd_open), NAME(pivot_root), NAME(prctl), NAME(prlimit64),
    NAME(process_vm_readv), NAME(ptrace), NAME(reboot), NAME(renameat2), NAME(setns),
    NAME(setpriority), NAME(setresuid), NAME(settimeofday), NAME(setxattr), NAME(socket),
    NAME(socketpair), NAME(swapon), NAME(symlinkat), NAME(tgkill), NAME(tkill), NAME(truncate),
    NAME(umount2), NAME(unlinkat), NAME(unshare), NAME(userfaultfd), NAME(utimensat),
    NAME(ioprio_set), NAME(rt_sigqueueinfo), NAME(sched_setaffinity), NAME(sched_setscheduler),
    NAME(semop), NAME(shmat),
};

static long number_of(lua_State *L)
{
  if (lua_isinteger(L, 1))
    return (long)lua_tointeger(L, 1);
  const char *name = luaL_checkstring(L, 1);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(names[i].name, name))
      return names[i].number;
  return luaL_error(L, "%s is not in the list of raw_call.c", name);
}

static int push_outcome(lua_State *L, long rc, int why)
{
  if (rc == -1)
    lua_pushstring(L, strerrorname_np(why));
  else
    lua_pushinteger(L, rc);
  return 1;
}

static int call(lua_State *L)
{
  long number = number_of(L);
  long arguments[6] = {0};
  for (int i = 0; i < 6; i++)
    arguments[i] = lua_type(L, i + 2) == LUA_TSTRING ? (long)lua_tostring(L, i + 2)
                                                     : (long)luaL_optinteger(L, i + 2, 0);
  long rc = syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                    arguments[5]);
  return push_outcome(L, rc, errno);
}

static int old_call(lua_State *L)
{
#if defined(__x86_64__)
  long rc = (long)luaL_checkinteger(L, 1);
  __asm__ volatile("int $0x80" : "+a"(rc) : : "memory", "r8", "r9", "r10", "r11");
  return push_outcome(L, (int)rc < 0 ? -1 : rc, -(int)rc);
#else
  lua_pushstring(L, "ENOSYS");
  return 1;
#endif
}

static void *run(void *argument)
{
  *(int *)argument = 1;
  return NULL;
}

static int thread(lua_State *L)
{
  pthread_t one;
  int has_run = 0;
  int rc = pthread_create(&one, NULL, run, &has_run);
  if (!rc)
    pthread_join(one, NULL);
  lua_pushboolean(L, has_run);
  return 1;
}

static int allocate(lua_State *L)
{
  size_t size = (size_t)luaL_checkinteger(L, 1) * 1024 * 1024;
  volatile char *block = malloc(size);
  for (size_t i = 0; block && i < size; i += 4096)
    block[i] = 1;
  lua_pushboolean(L, block != NULL);
  free((void *)block);
  return 1;
}

int luaopen_raw_call(lua_State *L);

int luaopen_raw_call(lua_State *L)
{
  static const luaL_Reg functions[] = {{"call", call},
                                       {"old_call", old_call},
                                       {"thread", thread},
                                       {"allocate", allocate},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
