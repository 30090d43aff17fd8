/* What the files of the control socket's answers share: host/control_answers.c takes the
 * requests apart, host/control_reply.c words replies, host/control_inquiry.c asks the journal,
 * host/control_forget.c forgets, host/control_handlers.c is about handlers. Private to these. */
#ifndef KAALUA_HOST_CONTROL_PARTS_H
#define KAALUA_HOST_CONTROL_PARTS_H

#include "host/control_answers.h"
#include "io/control.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct reloading;

/* Exit statuses of the one who asks. */
enum { CONTROL_FAILED = 1, CONTROL_USAGE = 2, CONTROL_TRY_AGAIN = 75 };

struct control_answers {
  struct control_sources sources;
  int64_t started_ms;
  struct loop *loop;
  struct control *control; /* NULL: nobody can ask */
  LIST_HEAD(, reloading) reloadings; /* that wait for files to be loaded */
  bool is_closed;
};

/* ---- replies (host/control_reply.c); each ends the request ---- */

/* Takes `document`, the whole line. */
void control_reply_document(struct control_request *request, json_t *document);

/* Takes `answer`. */
void control_reply(struct control_request *request, json_t *answer);

void control_refuse(struct control_request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* {"error", "status"}; returns owned. */
json_t *control_refusal(int status, const char *text);

/* ---- inquiries (host/control_inquiry.c) ---- */

/* A request whose answer the journal is asked for. */
struct control_inquiry {
  struct control_answers *answers;
  struct control_request *request;
  json_t *asked;        /* the request, for the texts that the query borrows */
  const char *endpoint; /* a token; NULL: any */
  const char *type;     /* NULL: any */
  int64_t id;
  size_t limit;
  /* Replies and calls control_inquiry_finish(). */
  void (*answer)(struct control_inquiry *inquiry, const json_t *found);
};

void control_inquiry_finish(struct control_inquiry *inquiry);

/* Show and forget name one command alike: has `answer` called with what the journal finds. */
void control_inquire_one(struct control_answers *answers, struct control_request *request,
                         json_t *asked, bool is_whole,
                         void (*answer)(struct control_inquiry *inquiry, const json_t *found));

/* The one command that is meant, or NULL, which was replied to. */
const json_t *control_only_one(struct control_inquiry *inquiry, const json_t *found);

/* As the journal tells it, for people: times as stamps, the token shortened. Returns owned. */
json_t *control_for_people(const json_t *row);

/* A text of the row, "" where there is none. */
const char *control_text_of(const json_t *row, const char *key);

/* ---- the requests that ask the journal ---- */

void control_answer_history(struct control_answers *answers, struct control_request *request,
                            json_t *asked);
void control_answer_show(struct control_answers *answers, struct control_request *request,
                         json_t *asked);
void control_answer_forget(struct control_answers *answers, struct control_request *request,
                           json_t *asked);

/* ---- handlers (host/control_handlers.c) ---- */

void control_answer_handlers(struct control_answers *answers, struct control_request *request,
                             json_t *asked);
void control_answer_reload(struct control_answers *answers, struct control_request *request,
                           json_t *asked);

/* The agent ends: refuses what still waits. */
void control_handlers_close(struct control_answers *answers);

#endif
