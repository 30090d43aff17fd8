#include "api.h"

#include "answer.h"
#include "data_store.h"

#include <string.h>

static void write_member(struct buffer *out, const char *before, const char *text)
{
  buffer_append_text(out, before);
  jsontext_write_string(out, text, strlen(text));
}

static void about(const struct api *api, struct http_request *request)
{
  struct buffer body = {0};
  write_member(&body, "{\"name\":\"kaa-local\",\"mqtt\":", api->mqtt_url);
  write_member(&body, ",\"http\":", api->http_url);
  write_member(&body, ",\"appVersion\":", api->app_version);
  buffer_format(&body, ",\"openTokens\":%s,\"note\":\"not made by Kaa\"}",
                api->is_open ? "true" : "false");
  answer_json(request, 200, &body);
}

static void endpoints(const struct api *api, struct http_request *request)
{
  struct buffer body = {0};
  const struct endpoint *endpoint;
  for (unsigned i = 0; (endpoint = registry_at(service_endpoints(api->service), i)); i++) {
    buffer_append_char(&body, i ? ',' : '[');
    service_write_endpoint(api->service, endpoint, &body);
  }
  buffer_append_text(&body, body.size_bytes ? "]" : "[]");
  answer_json(request, 200, &body);
}

/* {id}/telemetry or {id}/metadata */
static void one_endpoint(const struct api *api, struct http_request *request, const char *path)
{
  const char *slash = strchr(path, '/');
  const char *what = slash ? slash + 1 : "";
  struct buffer id = {0}, body = {0};
  buffer_append(&id, path, slash ? (size_t)(slash - path) : strlen(path));
  bool is_telemetry = !strcmp(what, "telemetry");
  if (!is_telemetry && strcmp(what, "metadata") != 0) {
    answer_fault(request, 404, "An endpoint has telemetry and metadata here");
  } else if (!registry_by_id(service_endpoints(api->service), buffer_text(&id))) {
    answer_fault(request, 404, "There is no endpoint %s", buffer_text(&id));
  } else {
    struct database *database = service_database(api->service);
    if (is_telemetry)
      data_store_telemetry(database, buffer_text(&id), &body);
    else
      data_store_metadata(database, buffer_text(&id), NULL, &body);
    answer_json(request, 200, &body);
  }
  buffer_clear(&id);
}

static void watch(const struct api *api, struct http_request *request)
{
  const char *id = http_query_one(request, "endpointId");
  if (id && !registry_by_id(service_endpoints(api->service), id))
    answer_fault(request, 404, "There is no endpoint %s", id);
  else
    events_watch(api->events, request, id);
}

static void switches(const struct api *api, struct http_request *request)
{
  if (!strcmp(http_method(request), "POST")) {
    json_t *wanted = answer_read_json(request);
    if (!wanted)
      return;
    struct error error;
    int rc = switches_set_json(api->switches, wanted, &error);
    json_decref(wanted);
    if (rc) {
      answer_fault(request, 400, "%s", error.text);
      return;
    }
    api->switched(api->context);
  }
  struct buffer body = {0};
  switches_write(api->switches, &body);
  answer_json(request, 200, &body);
}

void api_handle(const struct api *api, struct http_request *request)
{
  const char *path = http_path(request) + strlen(API_ROOT);
  static const char endpoint_root[] = "endpoints/";
  bool is_switches = !strcmp(path, "switches");
  if (!answer_allows(request, is_switches ? "GET, POST" : "GET"))
    return;
  if (is_switches)
    switches(api, request);
  else if (!strcmp(path, "about"))
    about(api, request);
  else if (!strcmp(path, "events"))
    watch(api, request);
  else if (!strcmp(path, "endpoints"))
    endpoints(api, request);
  else if (!strncmp(path, endpoint_root, strlen(endpoint_root)))
    one_endpoint(api, request, path + strlen(endpoint_root));
  else
    answer_fault(request, 404, "There is no such path; see README.md of kaa-local");
}
