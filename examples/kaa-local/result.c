#include "result.h"

#include "base/jsontext.h"
#include "base/memory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int check_members(const json_t *element, size_t n, struct error *error)
{
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)element, key, value) {
    bool is_number = !strcmp(key, "id") || !strcmp(key, "statusCode");
    if (is_number && !json_is_integer(value))
      return error_set(error, -EINVAL, "Result %zu: %s is not an integer", n, key);
    if (!strcmp(key, "reasonPhrase") && !json_is_string(value))
      return error_set(error, -EINVAL, "Result %zu: reasonPhrase is not a string", n);
    if (!strcmp(key, "reasonPhrase") &&
        strlen(json_string_value(value)) != json_string_length(value))
      return error_set(error, -EINVAL, "Result %zu: reasonPhrase has a character U+0000", n);
    if (!is_number && strcmp(key, "reasonPhrase") != 0 && strcmp(key, "payload") != 0)
      return error_set(error, -EINVAL, "Result %zu: there is no member %.40s", n, key);
  }
  return 0;
}

static int read_result(struct result *result, const json_t *element, size_t n,
                       struct error *error)
{
  if (!json_is_object(element))
    return error_set(error, -EINVAL, "Result %zu is not an object", n);
  int rc = check_members(element, n, error);
  if (rc)
    return rc;
  const char *const required[] = {"id", "statusCode"};
  for (int i = 0; i < 2; i++)
    if (!json_object_get(element, required[i]))
      return error_set(error, -EINVAL, "Result %zu: %s is missing", n, required[i]);
  const json_t *payload = json_object_get(element, "payload");
  struct buffer text = {0};
  if (payload)
    jsontext_write(&text, payload);
  *result = (struct result){
      .id = json_integer_value(json_object_get(element, "id")),
      .status_code = json_integer_value(json_object_get(element, "statusCode")),
      .reason = memory_text(json_string_value(json_object_get(element, "reasonPhrase"))),
      .payload = payload ? buffer_take(&text) : NULL,
  };
  return 0;
}

int results_read(struct results *results, const char *text, size_t size, struct error *error)
{
  *results = (struct results){0};
  struct json_fault fault;
  json_t *array = jsontext_parse(text, size, &fault);
  int rc = 0;
  if (!array)
    rc = error_set(error, -EINVAL, "The message is not JSON: %s", fault.text);
  else if (!json_is_array(array))
    rc = error_set(error, -EINVAL, "The message is not an array of results");
  else
    results->list = memory_zeroed(json_array_size(array) + 1, sizeof *results->list);
  for (size_t i = 0; !rc && i < json_array_size(array); i++) {
    rc = read_result(&results->list[i], json_array_get(array, i), i + 1, error);
    results->count += !rc;
  }
  json_decref(array);
  return rc;
}

void results_clear(struct results *results)
{
  for (size_t i = 0; i < results->count; i++) {
    free(results->list[i].reason);
    free(results->list[i].payload);
  }
  free(results->list);
  *results = (struct results){0};
}
