/* Whether a granted program is there, and nobody but root and the agent can put another in its
 * place: what handlers execute runs outside of all their limits. */
#ifndef KAALUA_CLI_PROGRAM_TRUST_H
#define KAALUA_CLI_PROGRAM_TRUST_H

/* What is wrong with the program at an absolute path, or with a directory above it, links
 * followed: "/opt/x: writable by everybody; …". The owner of `state`, the agent's state
 * directory, is trusted as root and we are (NULL, or not there: nobody more). Returns owned, or
 * NULL. */
char *program_mistrust(const char *path, const char *state);

#endif
