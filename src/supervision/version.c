#include "supervision/version.h"

#include "base/frame.h"
#include "base/memory.h"
#include "base/worker_frames.h"
#include "supervision/requires.h"

#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_DEFAULT_MS = 30000, TIMEOUT_MAX_S = 86400 };

struct version *version_create(const char *type, const char *path, const char *chunk,
                               const char *text, size_t text_bytes, struct library *library)
{
  struct version *version = memory_zeroed(1, sizeof *version);
  version->references = 1;
  version->type = memory_text(type);
  version->path = memory_text(path);
  version->source.chunk = memory_text(chunk);
  version->source.text = memory_copied(text, text_bytes);
  version->source.text_bytes = text_bytes;
  version->library = library_keep(library);
  version->hash = requires_hash(text, text_bytes, library);
  version->timeout_ms = TIMEOUT_DEFAULT_MS;
  version->has_run = true;
  version->workers = 1;
  version->needs = json_object();
  return version;
}

struct version *version_keep(struct version *version)
{
  version->references++;
  return version;
}

void version_drop(struct version *version)
{
  if (!version || --version->references > 0)
    return;
  free(version->type);
  free(version->path);
  source_clear(&version->source);
  library_drop(version->library);
  free(version->summary);
  free(version->exclusive);
  json_decref(version->needs);
  free(version);
}

static enum command_policy read_policy(const json_t *contract)
{
  const char *name = json_string_value(json_object_get(contract, "on_interrupt"));
  if (name && !strcmp(name, "retry"))
    return COMMAND_RETRY;
  return name && !strcmp(name, "resume") ? COMMAND_RESUME : COMMAND_REPORT;
}

static void read_workers(struct version *version, const json_t *contract)
{
  json_int_t workers = json_integer_value(json_object_get(contract, "workers"));
  version->workers = workers >= 1 && workers <= VERSION_WORKERS_MAX ? (size_t)workers : 1;
  version->ordered = json_is_true(json_object_get(contract, "ordered"));
  free(version->exclusive);
  version->exclusive = memory_text(json_string_value(json_object_get(contract, "exclusive")));
}

void version_set_contract(struct version *version, const json_t *contract)
{
  double timeout_s = json_number_value(json_object_get(contract, "timeout_s"));
  if (timeout_s > 0 && timeout_s <= TIMEOUT_MAX_S)
    version->timeout_ms = (int64_t)(timeout_s * 1000);
  free(version->summary);
  version->summary = memory_text(json_string_value(json_object_get(contract, "summary")));
  version->has_run = json_is_true(json_object_get(contract, "run"));
  read_workers(version, contract);
  version->every_s = json_number_value(json_object_get(contract, "every_s"));
  const char *per = json_string_value(json_object_get(contract, "per"));
  version->ticks_per_agent = per && !strcmp(per, "agent");
  version->poll_s = json_number_value(json_object_get(contract, "poll_s"));
  version->policy = read_policy(contract);
  version->has_resume = json_is_true(json_object_get(contract, "resume"));
  json_t *needs = json_object_get(contract, "needs");
  version->has_contract = true;
  json_decref(version->needs);
  version->needs = json_is_object(needs) ? json_incref(needs) : json_object();
}

void version_write(const struct version *version, const char *purpose, const char *options,
                   struct buffer *out)
{
  size_t place = frame_begin(out, WORKER_VERSION);
  frame_put_text(out, purpose);
  frame_put_text(out, version->type);
  frame_put_text(out, version->source.chunk);
  frame_put_bytes(out, version->source.text, version->source.text_bytes);
  frame_put_text(out, options);
  frame_put_u32(out, (uint32_t)version->library->count);
  for (size_t i = 0; i < version->library->count; i++) {
    const struct source *source = &version->library->sources[i];
    frame_put_text(out, source->module);
    frame_put_text(out, source->chunk);
    frame_put_bytes(out, source->text, source->text_bytes);
  }
  frame_end(out, place);
}
