#include "http/session.h"

#include "base/frame.h"
#include "base/http_frames.h"
#include "base/memory.h"
#include "http/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
  WAIT_MS = 60000,
  READ_BYTES = 64 * 1024,
  KEPT_CONNECTIONS = 8, /* as many as the host has requests under way */
};

struct session {
  CURLM *multi;
  struct transfer_setup setup;
  bool is_set_up;
  struct frame_reader reader;
  struct buffer out;
  bool is_over;
  int exit_status;
};

static void end(struct session *session, const char *why)
{
  session->is_over = true;
  if (!why)
    return;
  fprintf(stderr, "kaalua-http: %s\n", why);
  session->exit_status = EXIT_FAILURE;
}

static void send_answers(struct session *session)
{
  struct buffer *out = &session->out;
  size_t at = 0;
  while (at < out->size_bytes && !session->is_over) {
    ssize_t n = send(HTTP_FRAMES_FD, out->data + at, out->size_bytes - at, MSG_NOSIGNAL);
    if (n > 0)
      at += (size_t)n;
    else if (errno != EINTR)
      end(session, NULL); /* the host is gone */
  }
  if (out->capacity_bytes > READ_BYTES)
    buffer_clear(out);
  else
    buffer_reset(out);
}

static void set_up(struct session *session, struct frame *frame)
{
  struct transfer_setup *setup = &session->setup;
  setup->base = frame_get_text(frame);
  setup->ca_file = frame_get_text(frame);
  setup->cert_file = frame_get_text(frame);
  setup->key_file = frame_get_text(frame);
  setup->username = frame_get_text(frame);
  setup->password_file = frame_get_text(frame);
  setup->connect_ms = frame_get_i64(frame);
  setup->silence_s = frame_get_i64(frame);
  setup->total_ms = frame_get_i64(frame);
  setup->max_body = frame_get_i64(frame);
  session->is_set_up = true;
}

static void begin(struct session *session, struct frame *frame)
{
  uint32_t number = frame_get_u32(frame);
  char *path = frame_get_text(frame);
  size_t size;
  const char *body = frame_get_bytes(frame, &size);
  struct transfer *transfer = transfer_create(&session->setup, number, path, body, size);
  if (transfer_fault(transfer) ||
      curl_multi_add_handle(session->multi, transfer_handle(transfer))) {
    transfer_answer(transfer, CURLE_FAILED_INIT, &session->out);
    transfer_destroy(transfer);
  }
}

static void take_frame(struct session *session, struct frame *frame)
{
  if (frame->kind == HTTP_SETUP && !session->is_set_up)
    set_up(session, frame);
  else if (frame->kind == HTTP_REQUEST && session->is_set_up)
    begin(session, frame);
  else
    frame->bad = true;
  if (frame->bad)
    end(session, "a frame that is not of this version");
}

/* The host's frames, as many as are there. */
static void read_frames(struct session *session)
{
  char bytes[READ_BYTES];
  ssize_t n = recv(HTTP_FRAMES_FD, bytes, sizeof bytes, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n <= 0) {
    end(session, NULL);
    return;
  }
  frame_feed(&session->reader, bytes, (size_t)n);
  struct frame frame;
  int rc = 0;
  while (!session->is_over && (rc = frame_next(&session->reader, &frame)) > 0)
    take_frame(session, &frame);
  if (rc < 0)
    end(session, "the other side does not speak frames");
}

static void finish_transfers(struct session *session)
{
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(session->multi, &left))) {
    if (message->msg != CURLMSG_DONE)
      continue;
    CURLcode code = message->data.result; /* gone with the handle */
    CURL *handle = message->easy_handle;
    struct transfer *transfer = transfer_of(handle);
    curl_multi_remove_handle(session->multi, handle);
    transfer_answer(transfer, code, &session->out);
    transfer_destroy(transfer);
  }
}

static void turn(struct session *session)
{
  struct curl_waitfd host = {.fd = HTTP_FRAMES_FD, .events = CURL_WAIT_POLLIN};
  int running, ready;
  if (curl_multi_poll(session->multi, &host, 1, WAIT_MS, &ready)) {
    end(session, "poll failed");
    return;
  }
  if (host.revents)
    read_frames(session);
  if (curl_multi_perform(session->multi, &running)) {
    end(session, "libcurl failed");
    return;
  }
  finish_transfers(session);
  send_answers(session);
}

int session_run(void)
{
  struct session session = {.multi = curl_multi_init()};
  if (!session.multi)
    return EXIT_FAILURE;
  curl_multi_setopt(session.multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
  while (!session.is_over)
    turn(&session);
  frame_reader_clear(&session.reader);
  buffer_clear(&session.out);
  /* What is under way goes with the process: the host does not wait for it, and a
   * name lookup could hold its end up. */
  return session.exit_status;
}
