#include "base/code_variable.h"

#include <stddef.h>
#include <string.h>

/* One that ends with * stands for all that begin so. */
static const char *const names[] = {
    "LD_*",       "GLIBC_TUNABLES", "GCONV_PATH",  "LOCPATH",    "NLSPATH",
    "PATH",       "ENV",            "BASH_ENV",    "BASH_FUNC_*", "SHELLOPTS", "PS4",
    "PERL5*",     "PERLLIB",        "PYTHON*",     "RUBY*",      "NODE_*",
    "LUA_*",      "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "OPENSSL_*", "GIT_*",
    "PAGER",      "EDITOR",         "VISUAL",      "BROWSER",    "SYSTEMD_PAGER", "SYSTEMD_EDITOR",
};

static bool stands_for(const char *name, const char *entry, size_t size)
{
  size_t most = strlen(name);
  if (name[most - 1] == '*')
    return size >= most - 1 && !strncmp(name, entry, most - 1);
  return size == most && !strncmp(name, entry, size);
}

bool code_variable_is(const char *entry)
{
  size_t size = strcspn(entry, "=");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (stands_for(names[i], entry, size))
      return true;
  return false;
}
