/* Where the control socket of the agent is that is meant: S/control with --state S, else where
 * the configuration says (--config F, $KAALUA_CONFIG, /etc/kaalua/kaalua.lua). */
#ifndef KAALUA_CLI_CONTROL_PLACE_H
#define KAALUA_CLI_CONTROL_PLACE_H

#include "cli/command_line.h"

struct control_place {
  char *path;  /* of the socket */
  char *state; /* the agent's state directory */
  bool is_by_state; /* of --state S: where its configuration has `control`, the agent is elsewhere */
};

/* Returns 0, or CLI_USAGE once it has said on standard error what is wrong with the
 * configuration. control_place_clear() in either case. */
int control_place_find(struct control_place *place, const struct command_line *line);
void control_place_clear(struct control_place *place);

/* One line on why the socket cannot be connected to, by `code` (an errno value); returns
 * owned. Names who may where permission is denied. */
char *control_place_trouble(const struct control_place *place, int code);

#endif
