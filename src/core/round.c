#include "core/round.h"

#include "core/state.h"

#include <string.h>

void round_begin(struct round *round, size_t total, int64_t now_ms, int64_t spread_ms, double phase)
{
  *round = (struct round){
      .is_going = true,
      .total = total ? total : 1,
      .start_ms = now_ms,
      .spread_ms = spread_ms,
      .phase = phase,
  };
}

void round_change_types(struct round *round, struct type *const *old, size_t old_count,
                        struct type *const *types, size_t count)
{
  if (!round->is_going || round->type >= old_count)
    return;
  const char *at = old[round->type]->name;
  size_t i = 0;
  while (i < count && strcmp(types[i]->name, at) < 0)
    i++;
  if (i == count || strcmp(types[i]->name, at) != 0)
    round->endpoint = 0;
  round->type = i;
}

bool round_is_over(struct round *round, size_t endpoint_count, size_t type_count)
{
  if (round->endpoint >= endpoint_count) {
    round->endpoint = 0;
    round->type++;
  }
  return !endpoint_count || round->type >= type_count;
}

int64_t round_slot_ms(const struct round *round)
{
  if (!round->spread_ms)
    return round->start_ms;
  double part = ((double)round->asked + round->phase) / (double)round->total;
  return round->start_ms + (int64_t)(part * (double)round->spread_ms);
}
