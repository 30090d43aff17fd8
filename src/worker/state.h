/* The Lua state: created under its memory limit, with the full standard
 * libraries, cjson and the modules of lua/kaa/ inside. What a handler sees of
 * it is another matter (worker/environment.h). */
#ifndef KAALUA_WORKER_STATE_H
#define KAALUA_WORKER_STATE_H

#include <lua.h>

struct worker;

/* Creates worker->lua, empty. Returns 0, or -ENOMEM. */
int state_create(struct worker *worker);

/* Calls `function` with `argument` as a light userdata, protected. Returns Lua's
 * status; with an error, its object is on the stack, and its traceback in
 * worker->trace. Everything that may raise runs inside one such call. */
int state_call(struct worker *worker, lua_CFunction function, void *argument);

/* The same with a second argument, the error object that the last call left; the
 * trace of that call is kept. */
int state_call_with_error(struct worker *worker, lua_CFunction function, void *argument);

/* Opens the libraries and prepares the modules; may raise. */
void state_open_libraries(lua_State *L);

/* Pushes `require(module)[field]`; may raise. */
void state_push(lua_State *L, const char *module, const char *field);

/* Values that C keeps for the life of the state. */
enum state_value {
  STATE_ENVIRONMENT, /* the handler's globals */
  STATE_CONTRACT,
  STATE_PARAMS_OF, /* kaa.contract.params_of */
  STATE_NORMALISE, /* kaa.result.normalise */
  STATE_REASON,    /* kaa.result.reason */
  STATE_LOADED,      /* what require() has given out, by module */
  STATE_ARRAY_MARK,  /* metatable of JSON arrays */
  STATE_REQUIRE,     /* Lua's own require, for C modules */
  STATE_VALUES
};

/* Pops a value and keeps it; pushes the kept value. Neither raises a memory
 * error once the libraries are open. */
void state_keep(lua_State *L, enum state_value which);
void state_push_kept(lua_State *L, enum state_value which);

#endif
