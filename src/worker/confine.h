/* What the kernel holds a working process to, whatever becomes of its Lua environment. The
 * host runs programs and speaks to the network for handlers, so nothing here depends on
 * what they need but where they may write.
 *
 *   confine_identity      before anything of the handler is there: another user, and none
 *                         of root's capabilities but those over files
 *   confine_process       no more privileges, limits of resources, refused system calls,
 *                         no way to other processes
 *   confine_before_load   once the version is known: where it may write, if that is known
 *   confine_after_load    … or now, by its contract; and its limit of memory
 *
 * None of it can be taken back. What the kernel lacks is left out (the host says so); what
 * it has and refuses ends the process: it must not run unconfined. One thread. */
#ifndef KAALUA_WORKER_CONFINE_H
#define KAALUA_WORKER_CONFINE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct worker;

/* A path that may be written, and what was there when that was said to the kernel. */
struct confine_path {
  char *path;
  dev_t device;
  ino_t inode;
};

/* Where a handler may write: `needs.write`. */
struct confine_grant {
  bool is_known;    /* before the file is loaded */
  bool is_enforced; /* the kernel holds it */
  bool is_all;
  struct confine_path *paths;
  size_t count;
};

/* `ids` as in base/worker_frames.h; NULL: the user stays. */
void confine_identity(const char *ids);

void confine_process(void);

/* Takes the grant from the version's options, where they say it. */
void confine_before_load(struct worker *worker);

/* Takes the grant from the contract at the top of the stack, where it is not known. Lua may
 * raise. */
void confine_read_contract(lua_State *L, struct confine_grant *grant);

void confine_after_load(struct worker *worker);

/* Whether a granted path leads to another file or directory than at the start (a stick was
 * put in, a folder made): only a new worker may write there. */
bool confine_is_outdated(const struct confine_grant *grant);

#endif
