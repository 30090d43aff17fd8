#include "worker/confine.h"

#include "base/memory.h"
#include "worker/confine_parts.h"
#include "worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EXIT_UNCONFINED = 75, LOADING_MIB = 32 };

static void demand(const char *what, int rc)
{
  if (rc >= 0)
    return;
  fprintf(stderr, "kaalua-worker: %s: %s\n", what, strerror(-rc));
  _exit(EXIT_UNCONFINED);
}

void confine_identity(const char *ids)
{
  demand("the handlers' user", confine_become(ids));
  demand("capabilities", confine_drop_capabilities());
}

/* No program of its user may look into a worker, nor another worker. */
static void hide(void)
{
#if !defined(__SANITIZE_ADDRESS__) /* whose leak check traces us */
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

void confine_process(void)
{
  hide();
  demand("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  demand("limits of resources", confine_limit_resources());
  demand("limit of memory", confine_limit_memory(LOADING_MIB, false));
  demand("Landlock", confine_separate());
  demand("seccomp", confine_refuse_system_calls());
}

static void add_path(struct confine_grant *grant, const char *path)
{
  grant->paths = memory_resized(grant->paths, (grant->count + 1) * sizeof *grant->paths);
  grant->paths[grant->count++] = (struct confine_path){.path = memory_text(path)};
}

/* `needs` NULL: nothing is said. A ceiling is written as needs are. */
static void read_needs(const json_t *needs, struct confine_grant *grant)
{
  const json_t *write = json_object_get(needs, "write");
  grant->is_known = needs != NULL;
  grant->is_all = json_is_true(write);
  for (size_t i = 0; i < json_array_size(write); i++)
    if (json_is_string(json_array_get(write, i)))
      add_path(grant, json_string_value(json_array_get(write, i)));
}

static void enforce(struct confine_grant *grant)
{
  grant->is_enforced = true;
  if (!grant->is_all)
    demand("Landlock", confine_keep_files(grant));
}

/* A configuration writes nothing, and no handler beyond the ceiling, whatever its contract says
 * and wherever a link leads: what is enforced last takes nothing back. */
void confine_before_load(struct worker *worker)
{
  struct confine_grant *grant = &worker->write_grant;
  read_needs(json_object_get(worker->version.options, "ceiling"), &worker->write_ceiling);
  if (worker->write_ceiling.is_known)
    enforce(&worker->write_ceiling);
  read_needs(json_object_get(worker->version.options, "needs"), grant);
  if (worker->version.is_config)
    grant->is_known = true;
  if (grant->is_known)
    enforce(grant);
}

void confine_read_contract(lua_State *L, struct confine_grant *grant)
{
  int top = lua_gettop(L);
  if (grant->is_known)
    return;
  lua_getfield(L, -1, "needs");
  lua_getfield(L, -1, "write");
  int write = lua_gettop(L);
  grant->is_all = lua_isboolean(L, write) && lua_toboolean(L, write);
  for (lua_Integer i = 1; lua_istable(L, write); i++) {
    if (lua_rawgeti(L, write, i) != LUA_TSTRING)
      break;
    add_path(grant, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_settop(L, top);
}

/* Of a file with a fault nothing is granted. */
void confine_after_load(struct worker *worker)
{
  demand("limit of files", confine_let_files_grow());
  if (!worker->write_grant.is_enforced)
    enforce(&worker->write_grant);
  if (worker->memory_mib)
    demand("limit of memory", confine_limit_memory(worker->memory_mib, true));
}
