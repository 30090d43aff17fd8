#include "supervision/confinement.h"

#include "base/kernel.h"
#include "base/log.h"

#include <errno.h>
#include <unistd.h>

enum { ABI_RENAMES = 2, ABI_SIGNALS = 6 };

static void add(json_t *missing, const char *text)
{
  json_array_append_new(missing, json_string(text));
}

static void add_files(json_t *missing, int abi)
{
  static const char by_lua[] = "needs.write is held by the Lua environment alone";
  if (abi == -ENOSYS)
    json_array_append_new(missing, json_sprintf("files: this kernel has no Landlock: %s", by_lua));
  else if (abi == -EOPNOTSUPP)
    json_array_append_new(missing, json_sprintf("files: Landlock is switched off at boot (lsm=): "
                                                "%s", by_lua));
  else if (abi < 0)
    json_array_append_new(missing, json_sprintf("files: Landlock is withheld here, as containers "
                                                "do: %s", by_lua));
  else if (abi < ABI_RENAMES)
    add(missing, "files: with this kernel's Landlock no narrowed needs.write moves a file from "
                 "one folder to another");
}

static void add_user(json_t *missing, const struct handler_user *user)
{
  if (!handler_user_is_own(user))
    return;
  if (geteuid())
    add(missing, "user: handlers run as the agent's own user, so file ownership keeps nothing of "
                 "the agent's from them");
  else
    add(missing, "user: handlers run as root, so file ownership keeps nothing from them: make a "
                 "user kaalua-handler, or set handler_user");
}

json_t *confinement_report(const struct workplace *workplace)
{
  int abi = kernel_landlock_abi();
  bool has_seccomp = kernel_has_seccomp();
  json_t *missing = json_array();
  add_files(missing, abi);
  if (!has_seccomp)
    add(missing, "system calls: this kernel has no seccomp filters: programs and sockets are kept "
                 "from handlers by the Lua environment alone");
  add_user(missing, &workplace->user);
  return json_pack("{s:i,s:b,s:b,s:s,s:b,s:o}", "landlock", abi > 0 ? abi : 0, "seccomp",
                   has_seccomp, "no_new_privs", 1, "user", workplace->user.name, "user_is_own",
                   handler_user_is_own(&workplace->user), "missing", missing);
}

void confinement_log(const struct workplace *workplace)
{
  json_t *report = confinement_report(workplace);
  size_t i;
  json_t *each;
  json_array_foreach(json_object_get(report, "missing"), i, each)
    log_info("handler", "not enforced on this machine", "what", json_string_value(each));
  json_decref(report);
}
