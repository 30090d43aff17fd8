#include "listener.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Cuts "ADDRESS:PORT" into two owned texts; a bracketed IPv6 address loses its brackets. */
static int cut_address(const char *text, char **host, char **port, struct error *error)
{
  const char *colon = strrchr(text, ':');
  if (!colon || colon == text || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")] ||
      strtoul(colon + 1, NULL, 10) > 65535)
    return error_set(error, -EINVAL, "'%s' is not ADDRESS:PORT, like 127.0.0.1:8080", text);
  bool has_brackets = *text == '[' && colon[-1] == ']';
  *host = memory_copied(text + has_brackets, (size_t)(colon - text) - 2 * (size_t)has_brackets);
  *port = memory_text(colon + 1);
  return 0;
}

static int try_listen(const char *host, const char *port, struct error *error)
{
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                           .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  int rc = getaddrinfo(host, port, &hints, &found);
  if (rc)
    return error_set(error, -EINVAL, "the address %s: %s", host, gai_strerror(rc));
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, 128)) {
    rc = error_set(error, -errno, "cannot listen on %s port %s: %s", host, port, strerror(errno));
    if (fd >= 0)
      close(fd);
    fd = rc;
  }
  freeaddrinfo(found);
  return fd;
}

int listener_open(const char *address, bool may_move, char **url, struct error *error)
{
  char *host = NULL, *port = NULL;
  int rc = cut_address(address, &host, &port, error);
  if (rc)
    return rc;
  int fd = try_listen(host, port, error);
  if (fd == -EADDRINUSE && may_move)
    fd = try_listen(host, "0", error);
  struct sockaddr_storage bound;
  socklen_t size = sizeof bound;
  char number[8];
  if (fd >= 0) {
    getsockname(fd, (struct sockaddr *)&bound, &size);
    getnameinfo((struct sockaddr *)&bound, size, NULL, 0, number, sizeof number, NI_NUMERICSERV);
    *url = memory_format(strchr(host, ':') ? "http://[%s]:%s" : "http://%s:%s", host, number);
  }
  free(host);
  free(port);
  return fd;
}

bool listener_is_plain_host(const char *host)
{
  char name[INET6_ADDRSTRLEN];
  struct in6_addr address;
  bool has_brackets = *host == '[';
  size_t size = strcspn(host + has_brackets, has_brackets ? "]" : ":");
  const char *port = host + has_brackets + size;
  if (size >= sizeof name || (has_brackets && *port++ != ']') ||
      (*port && (*port != ':' || port[1 + strspn(port + 1, "0123456789")])))
    return false;
  memcpy(name, host + has_brackets, size);
  name[size] = '\0';
  if (has_brackets)
    return inet_pton(AF_INET6, name, &address) == 1;
  return !strcasecmp(name, "localhost") || inet_pton(AF_INET, name, &address) == 1;
}
