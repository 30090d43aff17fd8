/* Endpoints, their telemetry and their metadata in the database. */
#ifndef KAA_LOCAL_DATA_STORE_H
#define KAA_LOCAL_DATA_STORE_H

#include "database.h"

#include "base/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Adds an endpoint that is not there yet. Returns 0, or -EEXIST where its token or its
 * id stands for another endpoint. */
int data_store_add_endpoint(struct database *database, const char *token, const char *endpoint_id);

typedef void data_store_each_endpoint(void *context, const char *token, const char *endpoint_id,
                                      int64_t last_seen_ms);
void data_store_endpoints(struct database *database, data_store_each_endpoint *each,
                          void *context);

void data_store_seen(struct database *database, const char *endpoint_id, int64_t at_ms);

enum { DATA_STORE_SAMPLES = 200 }; /* kept of each series */

/* Stores each member of a sample under its name; a value that is no object is left out. */
void data_store_add_sample(struct database *database, const char *endpoint_id, int64_t at_ms,
                           const json_t *sample);

/* Appends {"series":{name:[[at,number],…]},"latest":{name:{"value":…,"at":…}}}. */
void data_store_telemetry(struct database *database, const char *endpoint_id, struct buffer *out);

/* Sets each member of `values`; with `is_whole` all other keys go. */
void data_store_set_metadata(struct database *database, const char *endpoint_id,
                             const json_t *values, bool is_whole);

/* Removes the keys of an array of texts. */
void data_store_remove_metadata(struct database *database, const char *endpoint_id,
                                const json_t *keys);

/* Appends {"key":value,…}; of `keys` (an array of texts) only, unless NULL. */
void data_store_metadata(struct database *database, const char *endpoint_id, const json_t *keys,
                         struct buffer *out);

/* Appends ["key",…]. */
void data_store_metadata_keys(struct database *database, const char *endpoint_id,
                              struct buffer *out);

#endif
