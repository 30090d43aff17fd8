/* Names that one handler at a time may hold: those whose contracts say the same `exclusive`
 * never run at the same time. Each handler has a seat, takes the name before it hands
 * anything to a worker, and gives it back when nothing is with one any more; so it is held
 * across a version that still runs and the one that waits for it.
 *
 * Who finds it taken waits in line. One that others wait for takes no more work after
 * EXCLUSION_TURN_MS, so that it comes to an end. A name that is free while somebody waits is
 * told by the port `turn`; then, not from within it, the owner asks exclusion_next() until
 * that is NULL, and has each seat try again. Pure: the time comes in as an argument.
 *
 *   exclusion_take → … → exclusion_release → port turn → exclusion_next → exclusion_take … */
#ifndef KAALUA_HANDLERS_EXCLUSION_H
#define KAALUA_HANDLERS_EXCLUSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum { EXCLUSION_TURN_MS = 50 };

/* Embedded in its owner. */
struct exclusion_seat {
  TAILQ_ENTRY(exclusion_seat) link; /* in exclusions.all */
  TAILQ_ENTRY(exclusion_seat) line; /* in exclusions.waiting, while `awaited` */
  void *owner;
  char *held;    /* a name, or NULL */
  char *awaited; /* likewise; may be the one that it holds */
  int64_t since_ms;
};

TAILQ_HEAD(exclusion_seats, exclusion_seat);

/* Embedded. */
struct exclusions {
  struct exclusion_seats all;
  struct exclusion_seats waiting; /* in turn */
  struct exclusion_seat *called;  /* by exclusion_next(), or NULL */
  void (*turn)(void *context);
  void *context;
};

void exclusions_init(struct exclusions *exclusions, void (*turn)(void *context), void *context);

void exclusion_join(struct exclusions *exclusions, struct exclusion_seat *seat, void *owner);

/* What it holds is free. */
void exclusion_part(struct exclusions *exclusions, struct exclusion_seat *seat);

/* Whether the seat may take on more work under the name; where not, it is in line for it. One
 * that holds another name is not, and takes that to its end first. */
bool exclusion_take(struct exclusions *exclusions, struct exclusion_seat *seat, const char *name,
                    int64_t now_ms);

/* Whether it holds the name: what it had taken on already may be begun. */
bool exclusion_holds(const struct exclusion_seat *seat, const char *name);

/* A seat that has released the name finds, before anybody else could take it, that something
 * of its work runs on: holds it again, and takes on no more while others wait. */
void exclusion_take_again(struct exclusions *exclusions, struct exclusion_seat *seat,
                          const char *name, int64_t now_ms);

/* It has no work any more. */
void exclusion_release(struct exclusions *exclusions, struct exclusion_seat *seat);

/* The next one whose turn it is, or NULL. The one before has lost its place in line, if it
 * did not take the name. */
struct exclusion_seat *exclusion_next(struct exclusions *exclusions);

#endif
