#include "journal/journal_rows.h"

enum command_state journal_row_to_state(int64_t state)
{
  switch (state) {
  case ROW_QUEUED: return COMMAND_QUEUED;
  case ROW_WAITING: return COMMAND_WAITING;
  case ROW_DONE: return COMMAND_DONE;
  case ROW_CONFIRMED: return COMMAND_CONFIRMED;
  case ROW_REFUSED: return COMMAND_REFUSED;
  case ROW_DROPPED: return COMMAND_DROPPED;
  default: return COMMAND_RUNNING;
  }
}

int journal_row_policy_of(enum command_policy policy)
{
  switch (policy) {
  case COMMAND_REPORT: return ROW_REPORT;
  case COMMAND_RETRY: return ROW_RETRY;
  case COMMAND_RESUME: return ROW_RESUME;
  }
  return ROW_REPORT;
}

enum command_policy journal_row_to_policy(int64_t policy)
{
  return policy == ROW_RETRY    ? COMMAND_RETRY
         : policy == ROW_RESUME ? COMMAND_RESUME
                                : COMMAND_REPORT;
}

int journal_row_restart_of(enum command_restart restart)
{
  switch (restart) {
  case COMMAND_NO_RESTART: return ROW_NO_RESTART;
  case COMMAND_REBOOT: return ROW_REBOOT;
  case COMMAND_AGENT_RESTART: return ROW_AGENT_RESTART;
  }
  return ROW_NO_RESTART;
}

enum command_restart journal_row_to_restart(int64_t restart)
{
  return restart == ROW_REBOOT          ? COMMAND_REBOOT
         : restart == ROW_AGENT_RESTART ? COMMAND_AGENT_RESTART
                                        : COMMAND_NO_RESTART;
}

bool journal_row_is_over(int64_t state)
{
  return state >= ROW_CONFIRMED;
}
