#include "rest_state.h"

#include "answer.h"
#include "descriptor.h"

#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PAGE_SIZE = 20, MAX_PAGE_SIZE = 2000 };

struct values {
  json_t *list;
  bool has_bad_text;
};

/* Both "a,b" and a repeated parameter are lists in use. */
static void add_values(void *context, const char *value)
{
  struct values *values = context;
  char *copy = memory_text(value);
  char *rest = copy;
  for (char *one; (one = strsep(&rest, ","));)
    if (*one && json_array_append_new(values->list, json_string(one)))
      values->has_bad_text = true;
  free(copy);
}

/* Reads a list; it must not be empty where the parameter is there: that would be no filter.
 * Returns false where the request has been answered. */
static bool read_list(struct http_request *request, const char *name, json_t *list)
{
  struct values values = {.list = list};
  size_t count = http_query(request, name, add_values, &values);
  if (values.has_bad_text)
    answer_fault(request, 400, "%s is not valid UTF-8", name);
  else if (count && !json_array_size(list))
    answer_fault(request, 400, "%s is empty", name);
  else
    return true;
  return false;
}

/* A list of texts as JSON, owned; NULL where it is empty: no filter. */
static char *list_text(const json_t *list)
{
  struct buffer text = {0};
  if (!json_array_size(list))
    return NULL;
  jsontext_write(&text, list);
  return buffer_take(&text);
}

struct listing {
  struct buffer *out;
  bool has_any;
};

static void write_command(void *context, const struct stored_command *command)
{
  struct listing *listing = context;
  if (listing->has_any)
    buffer_append_char(listing->out, ',');
  listing->has_any = true;
  descriptor_write(listing->out, command);
}

static void write_list(const struct rest *rest, const struct command_filter *filter,
                       struct buffer *out)
{
  struct listing listing = {.out = out};
  buffer_append_char(out, '[');
  command_store_list(service_database(rest->service), filter, write_command, &listing);
  buffer_append_char(out, ']');
}

/* Whether all of them are endpoints; otherwise the request is answered. */
static bool are_endpoints(const struct rest *rest, struct http_request *request,
                          const json_t *endpoint_ids)
{
  if (!json_array_size(endpoint_ids)) {
    answer_fault(request, 400, "Which endpoints? None is named");
    return false;
  }
  for (size_t i = 0; i < json_array_size(endpoint_ids); i++) {
    const char *id = json_string_value(json_array_get(endpoint_ids, i));
    if (!registry_by_id(service_endpoints(rest->service), id)) {
      answer_fault(request, 404, "There is no endpoint %s", id);
      return false;
    }
  }
  return true;
}

/* [{"endpointId":"…","commands":[…]}], the newest command first. */
static void answer_by_endpoint(struct rest *rest, struct http_request *request,
                               const json_t *endpoint_ids, const json_t *types, bool only_last)
{
  if (!are_endpoints(rest, request, endpoint_ids))
    return;
  struct buffer body = {0};
  char *type_list = list_text(types);
  for (size_t i = 0; i < json_array_size(endpoint_ids); i++) {
    const char *id = json_string_value(json_array_get(endpoint_ids, i));
    char *id_list = memory_format("[\"%s\"]", id);
    buffer_format(&body, "%c{\"endpointId\":\"%s\",\"commands\":", i ? ',' : '[', id);
    write_list(rest, &(struct command_filter){.endpoint_ids = id_list, .types = type_list,
                                              .only_last = only_last}, &body);
    buffer_append_char(&body, '}');
    free(id_list);
  }
  buffer_append_char(&body, ']');
  answer_json(request, 200, &body);
  free(type_list);
}

void rest_history(struct rest *rest, struct http_request *request)
{
  if (!answer_allows(request, "GET"))
    return;
  json_t *endpoint_ids = json_array(), *types = json_array();
  if (read_list(request, "endpointId", endpoint_ids) && read_list(request, "commandTypes", types))
    answer_by_endpoint(rest, request, endpoint_ids, types, false);
  json_decref(endpoint_ids);
  json_decref(types);
}

static bool is_text_list(const json_t *list)
{
  for (size_t i = 0; i < json_array_size(list); i++)
    if (!json_is_string(json_array_get(list, i)))
      return false;
  return !list || json_is_array(list);
}

void rest_history_last(struct rest *rest, struct http_request *request)
{
  if (!answer_allows(request, "POST"))
    return;
  json_t *body = answer_read_json(request);
  if (!body)
    return;
  const json_t *endpoint_ids = json_object_get(body, "endpointIds");
  const json_t *types = json_object_get(body, "commandTypes");
  if (json_is_null(types))
    types = NULL;
  if (!json_is_object(body) || !is_text_list(endpoint_ids) || !is_text_list(types))
    answer_fault(request, 400,
                 "The body is {\"endpointIds\":[\"…\"],\"commandTypes\":[\"…\"]}, "
                 "the types optional");
  else
    answer_by_endpoint(rest, request, endpoint_ids, types, true);
  json_decref(body);
}

/* "createdAt,desc"; ascending without a direction. */
static bool read_sort(struct http_request *request, struct command_filter *filter)
{
  static const char *const names[] = {
      [COMMAND_ORDER_CREATED] = "createdAt", [COMMAND_ORDER_UPDATED] = "updatedAt",
      [COMMAND_ORDER_TYPE] = "commandType",  [COMMAND_ORDER_ID] = "commandId",
      [COMMAND_ORDER_STATE] = "status",      [COMMAND_ORDER_ENDPOINT] = "endpointId",
  };
  const char *sort = http_query_one(request, "sort");
  if (!sort)
    return true;
  size_t size = strcspn(sort, ",");
  const char *direction = sort[size] ? sort + size + 1 : "asc";
  filter->is_ascending = !strcmp(direction, "asc");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strlen(names[i]) == size && !memcmp(names[i], sort, size) &&
        (filter->is_ascending || !strcmp(direction, "desc"))) {
      filter->order = (enum command_order)i;
      return true;
    }
  answer_fault(request, 400,
               "sort is createdAt, updatedAt, commandType, commandId, status or endpointId, then "
               ",asc or ,desc");
  return false;
}

static bool read_count(struct http_request *request, const char *name, int64_t least, int64_t most,
                       int64_t *number)
{
  const char *text = http_query_one(request, name);
  if (!text)
    return true;
  errno = 0;
  long long value = strtoll(text, NULL, 10);
  if (!*text || text[strspn(text, "0123456789")] || errno || value < least || value > most) {
    answer_fault(request, 400, "%s is a whole number from %lld to %lld", name, (long long)least,
                 (long long)most);
    return false;
  }
  *number = value;
  return true;
}

static void answer_page(struct rest *rest, struct http_request *request,
                        const struct command_filter *filter, int64_t page)
{
  int64_t total = command_store_count(service_database(rest->service), filter);
  int64_t pages = (total + filter->limit - 1) / filter->limit;
  int64_t left = total - filter->offset;
  int64_t here = left < 0 ? 0 : left < filter->limit ? left : filter->limit;
  struct buffer body = {0};
  buffer_append_text(&body, "{\"content\":");
  write_list(rest, filter, &body);
  buffer_format(&body,
                ",\"totalElements\":%lld,\"totalPages\":%lld,\"number\":%lld,\"size\":%lld,"
                "\"numberOfElements\":%lld,\"first\":%s,\"last\":%s,\"empty\":%s}",
                (long long)total, (long long)pages, (long long)page, (long long)filter->limit,
                (long long)here, page ? "false" : "true", page + 1 >= pages ? "true" : "false",
                here ? "false" : "true");
  answer_json(request, 200, &body);
}

/* Kaa: an application version's name is the application's, "-", and a suffix. */
static bool is_application(const char *app_version, const char *name)
{
  const char *dash = strrchr(app_version, '-');
  size_t size = dash ? (size_t)(dash - app_version) : strlen(app_version);
  return strlen(name) == size && !memcmp(name, app_version, size);
}

void rest_history_pages(struct rest *rest, struct http_request *request, const char *application)
{
  int64_t page = 0, size = DEFAULT_PAGE_SIZE;
  struct command_filter filter = {0};
  if (!answer_allows(request, "GET"))
    return;
  if (!is_application(rest->app_version, application)) {
    answer_fault(request, 404, "There is no application %s", application);
    return;
  }
  if (!read_count(request, "page", 0, INT32_MAX, &page) ||
      !read_count(request, "size", 1, MAX_PAGE_SIZE, &size) || !read_sort(request, &filter))
    return;
  json_t *types = json_array();
  if (read_list(request, "commandTypes", types)) {
    char *type_list = list_text(types);
    filter.types = type_list;
    filter.limit = size;
    filter.offset = page * size;
    answer_page(rest, request, &filter, page);
    free(type_list);
  }
  json_decref(types);
}
