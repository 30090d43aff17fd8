/* kaalua-http: HTTP for the host, with libcurl, in a process of its own so that
 * the host need not carry it. Started by the host only; base/http_frames.h says
 * what lies on which descriptor. */
#include "base/http_frames.h"
#include "http/fetch.h"
#include "http/session.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* Tokens, passwords and keys are in our memory: no debugger, core dump or /proc shows them. */
static void hide(void)
{
  setrlimit(RLIMIT_CORE, &(struct rlimit){0});
#if !defined(__SANITIZE_ADDRESS__) /* whose leak check traces us */
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

int main(int argc, char **argv)
{
  if (argc == 2 && !strcmp(argv[1], "--version")) {
    printf("kaalua-http %s (%s)\n", KAALUA_VERSION, curl_version());
    return 0;
  }
  bool is_fetch = argc == 2 && !strcmp(argv[1], "fetch");
  if ((argc != 1 && !is_fetch) || fcntl(HTTP_FRAMES_FD, F_SETFD, FD_CLOEXEC) < 0) {
    fputs("kaalua-http is started by kaalua, not by hand\n", stderr);
    return EXIT_USAGE;
  }
  hide();
  signal(SIGPIPE, SIG_IGN);
  if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
    fputs("kaalua-http: libcurl cannot be initialised\n", stderr);
    return EXIT_FAILURE;
  }
  _exit(is_fetch ? fetch_run() : session_run()); /* a thread may still look a name up */
}
