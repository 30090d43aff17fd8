#include "host/handlers_report.h"

#include "base/memory.h"
#include "host/handler.h"
#include "host/plain_text.h"

#include <stdbool.h>
#include <stdlib.h>

static json_t *fault_of(const struct handler *handler)
{
  if (handler->deaths < HANDLER_DEATHS_MAX)
    return plain_text(handler->fault);
  char *text = memory_format("quarantined: its worker died %d times in a row (%s)", handler->deaths,
                             handler->last_death);
  json_t *fault = plain_text(text);
  free(text);
  return fault;
}

json_t *handlers_report(const struct handlers *handlers)
{
  json_int_t in_service = 0;
  json_t *faulty = json_array();
  const struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link) {
    if (handler->is_removed)
      continue;
    bool serves = handler->current && handler->deaths < HANDLER_DEATHS_MAX;
    json_t *fault = fault_of(handler);
    in_service += serves;
    if (fault)
      json_array_append_new(faulty, json_pack("{s:s,s:o,s:b}", "type", handler->type, "fault", fault,
                                              "in_service", serves));
  }
  return json_pack("{s:I,s:o,s:o*}", "in_service", in_service, "faulty", faulty, "directories",
                   plain_text(handlers->directory_fault));
}
