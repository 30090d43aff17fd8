/* kaalua-worker: runs one handler, evaluates a configuration file, or starts a
 * program, each under a leader that ends all of it. Started by the host only;
 * base/worker_frames.h says what lies on which descriptor. */
#include "worker/leader.h"
#include "worker/session.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
  if ((argc == 2 || argc == 3) && !strcmp(argv[1], "lua"))
    return leader_run_worker(session_run, argv[2]);
  if (argc >= 3 && !strcmp(argv[1], "exec"))
    return leader_run_program(argv + 2);
  if (argc >= 3 && !strcmp(argv[1], "serve"))
    return leader_serve_program(argv + 2);
  if (argc >= 3 && !strcmp(argv[1], "detach"))
    return leader_detach_program(argv + 2);
  if (argc == 2 && !strcmp(argv[1], "--version")) {
    puts("kaalua-worker " KAALUA_VERSION);
    return 0;
  }
  fputs("kaalua-worker is started by kaalua, not by hand\n", stderr);
  return EXIT_USAGE;
}
