/* kaa-local: stands in for the Kaa platform's command service on one machine. */
#include "app.h"

#include <errno.h>
#include <stdio.h>

enum { EXIT_USAGE = 2, EXIT_TRY_AGAIN = 75 };

int main(int argc, char **argv)
{
  struct options options;
  struct error error = {0};
  int status = 0;
  if (options_read(&options, argc, argv, &error)) {
    fprintf(stderr, "kaa-local: %s\n\n%s", error.text, options_help);
    status = EXIT_USAGE;
  } else if (options.wants_help) {
    fputs(options_help, stdout);
  } else {
    int rc = app_run(&options, &error);
    if (rc)
      fprintf(stderr, "kaa-local: %s\n", error.text);
    status = !rc ? 0 : rc == -EINVAL || rc == -EEXIST ? EXIT_USAGE : EXIT_TRY_AGAIN;
  }
  options_clear(&options);
  return status;
}
