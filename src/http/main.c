/* kaalua-http: HTTP for the host, with libcurl, in a process of its own so that
 * the host need not carry it. Started by the host only; base/http_frames.h says
 * what lies on which descriptor. */
#include "base/http_frames.h"
#include "http/session.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
  if (argc == 2 && !strcmp(argv[1], "--version")) {
    printf("kaalua-http %s (%s)\n", KAALUA_VERSION, curl_version());
    return 0;
  }
  if (argc != 1 || fcntl(HTTP_FRAMES_FD, F_SETFD, FD_CLOEXEC) < 0) {
    fputs("kaalua-http is started by kaalua, not by hand\n", stderr);
    return EXIT_USAGE;
  }
  signal(SIGPIPE, SIG_IGN);
  if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
    fputs("kaalua-http: libcurl cannot be initialised\n", stderr);
    return EXIT_FAILURE;
  }
  _exit(session_run()); /* a thread may still look a name up */
}
