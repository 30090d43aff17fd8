/* The leader in the real program: what it starts, what it reports, and that
 * nothing beneath it is left when its lifeline closes. */
#include "worker_peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *output_of(const char *const *argv, struct worker_ending *ending)
{
  struct peer peer;
  peer_start_program(&peer, argv);
  char *output = peer_read_output(&peer);
  *ending = peer_expect_ending(&peer);
  peer_stop(&peer);
  return output;
}

static void a_program_runs(void **state)
{
  (void)state;
  struct worker_ending ending;
  char *output = output_of((const char *[]){"exec", "/bin/echo", "a b", "", "c", NULL}, &ending);
  assert_string_equal(output, "a b  c\n");
  assert_int_equal(ending.wait_status, 0);
  assert_int_equal(ending.exec_errno, 0);
  free(output);
  output = output_of((const char *[]){"exec", "/bin/sh", "-c", "exit 7", NULL}, &ending);
  assert_true(WIFEXITED(ending.wait_status));
  assert_int_equal(WEXITSTATUS(ending.wait_status), 7);
  assert_int_equal(ending.exec_errno, 0);
  free(output);
}

static void a_program_that_cannot_be_started_says_why(void **state)
{
  (void)state;
  struct worker_ending ending;
  free(output_of((const char *[]){"exec", "/bin/no-such-program", NULL}, &ending));
  assert_int_equal(ending.exec_errno, ENOENT);
  free(output_of((const char *[]){"exec", "/etc/passwd", NULL}, &ending));
  assert_int_equal(ending.exec_errno, EACCES);
  free(output_of((const char *[]){"exec", "/bin", NULL}, &ending));
  assert_int_equal(ending.exec_errno, EACCES);
}

static void a_program_has_three_descriptors(void **state)
{
  (void)state;
  struct worker_ending ending;
  char *output = output_of((const char *[]){"exec", "/bin/ls", "/proc/self/fd", NULL}, &ending);
  assert_string_equal(output, "0\n1\n2\n3\n"); /* 3 is the directory that ls reads */
  free(output);
}

static void a_program_has_default_signals_and_a_session(void **state)
{
  (void)state;
  struct worker_ending ending;
  char *output = output_of((const char *[]){"exec", "/bin/grep", "-E", "^Sig(Blk|Ign)",
      "/proc/self/status", NULL}, &ending);
  assert_string_equal(output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  free(output);
  output = output_of((const char *[]){"exec", "/bin/sh", "-c", "read pid comm st ppid pgrp "
                                                               "session rest </proc/self/stat; "
                                      "[ $pid = $session ] && [ $pid = $pgrp ] && echo own",
                                          NULL}, &ending);
  assert_string_equal(output, "own\n");
  free(output);
}

static void an_ask_is_a_sigterm_for_the_group(void **state)
{
  (void)state;
  struct peer peer;
  peer_start_program(&peer, (const char *[]){"exec", "/bin/sh", "-c", "sleep 1000 & echo $!; "
                                                                      "wait", NULL});
  char line[16] = "";
  assert_true(read(peer.output, line, sizeof line - 1) > 0);
  peer_ask(&peer);
  struct worker_ending ending = peer_expect_ending(&peer);
  assert_true(WIFSIGNALED(ending.wait_status));
  assert_int_equal(WTERMSIG(ending.wait_status), SIGTERM);
  peer_expect_gone((pid_t)atoi(line));
  peer_stop(&peer);
}

/* Reads the numbers of `count` processes that the program printed. */
static void read_pids(struct peer *peer, pid_t *pids, int count)
{
  char text[256];
  size_t size = 0;
  int lines = 0;
  while (lines < count) {
    ssize_t n = read(peer->output, text + size, sizeof text - 1 - size);
    assert_true(n > 0);
    for (ssize_t i = 0; i < n; i++)
      lines += text[size + (size_t)i] == '\n';
    size += (size_t)n;
  }
  text[size] = '\0';
  char *at = text;
  for (int i = 0; i < count; i++)
    pids[i] = (pid_t)strtol(at, &at, 10);
}

/* A child, one in a session of its own, and an orphan of a double fork that
 * ignores what can be ignored. */
static const char *const family[] = {
    "exec", "/bin/sh", "-c",
    "sleep 1000 & echo $!\n"
    "setsid sh -c 'echo $$; trap \"\" TERM HUP INT; sleep 1000; sleep 1000' &\n"
    "(setsid sh -c 'setsid sh -c \"echo \\$\\$; sleep 1000; :\" &' &)\n"
    "wait", NULL};

static void everything_beneath_ends_with_the_lifeline(void **state)
{
  (void)state;
  struct peer peer, other;
  pid_t pids[3], others[3];
  peer_start_program(&peer, family);
  peer_start_program(&other, family);
  read_pids(&peer, pids, 3);
  read_pids(&other, others, 3);
  peer_stop(&peer);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(kill(pids[i], 0), -1);
    assert_int_equal(kill(others[i], 0), 0);
  }
  peer_stop(&other);
  for (int i = 0; i < 3; i++)
    assert_int_equal(kill(others[i], 0), -1);
}

static void what_a_program_left_behind_lives_until_the_lifeline_closes(void **state)
{
  (void)state;
  struct peer peer;
  pid_t left;
  peer_start_program(&peer, (const char *[]){"exec", "/bin/sh", "-c", "sleep 1000 >/dev/null & "
                                                                      "echo $!", NULL});
  read_pids(&peer, &left, 1);
  struct worker_ending ending = peer_expect_ending(&peer);
  assert_int_equal(ending.wait_status, 0);
  assert_int_equal(kill(left, 0), 0);
  peer_stop(&peer);
  assert_int_equal(kill(left, 0), -1);
}

static void a_fork_storm_is_ended(void **state)
{
  (void)state;
  struct peer peer;
  pid_t first;
  peer_start_program(&peer, (const char *[]){"exec", "/bin/sh", "-c",
                     "echo $$; f() { (setsid sleep 1000 &); }; while :; do f; i=$((i+1)); [ $i "
                     "-gt 300 ] && break; done; wait", NULL});
  read_pids(&peer, &first, 1);
  peer_stop(&peer);
  assert_int_equal(kill(first, 0), -1);
}

/* Its leader is gone by itself; the test's process becomes its parent. */
static void a_detached_program_lives_on(void **state)
{
  (void)state;
  struct peer peer;
  pid_t program;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  peer_start_program(&peer, (const char *[]){"detach", "/bin/sh", "-c", "echo $$; exec sleep "
                                                                        "1000", NULL});
  read_pids(&peer, &program, 1);
  struct worker_ending ending = peer_expect_ending(&peer);
  assert_int_equal(ending.wait_status, 0);
  assert_int_equal(ending.exec_errno, 0);
  peer_stop(&peer);
  assert_int_equal(waitpid(program, NULL, WNOHANG), 0);
  assert_int_equal(getsid(program), program);
  kill(program, SIGKILL);
  assert_int_equal(waitpid(program, NULL, 0), program);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void a_detached_program_that_cannot_be_started_says_why(void **state)
{
  (void)state;
  struct worker_ending ending;
  free(output_of((const char *[]){"detach", "/bin/no-such-program", NULL}, &ending));
  assert_int_equal(ending.exec_errno, ENOENT);
}

/* The worker follows its leader, also when that is killed. */
static void a_killed_leader_takes_the_worker_along(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function() print(io.open('/proc/self/stat'):read('n')) "
                   "kaa.sleep(1000) end", "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  struct frame frame = peer_expect(&peer, WORKER_LOG);
  frame_get_u8(&frame);
  char *pid = frame_get_text(&frame);
  kill(peer.leader, SIGKILL);
  peer_expect_gone((pid_t)atoi(pid));
  free(pid);
  int status;
  waitpid(peer.leader, &status, 0);
  close(peer.frames);
  close(peer.lifeline);
  frame_reader_clear(&peer.reader);
  buffer_clear(&peer.log);
}

static void a_terminal_does_not_reach_the_leader(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function() return 200, 'alive' end", "{}");
  kill(peer.leader, SIGINT);
  kill(peer.leader, SIGHUP);
  kill(peer.leader, SIGTERM);
  struct finished finished = peer_run(&peer, NULL);
  assert_string_equal(finished.reason, "alive");
  finished_clear(&finished);
  peer_stop(&peer);
}

/* ---- presence: the lock of a leader ---- */

static int presence_file(void)
{
  char name[] = "/tmp/kaalua-presence-XXXXXX";
  int fd = mkostemp(name, O_CLOEXEC);
  assert_true(fd >= 0);
  unlink(name);
  return fd;
}

/* Who holds a lock that a new host would wait for; 0: nobody. */
static pid_t holder(int fd)
{
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  assert_int_equal(fcntl(fd, F_GETLK, &lock), 0);
  return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static bool has_open(pid_t pid, int fd)
{
  struct stat wanted, seen;
  char name[64];
  assert_int_equal(fstat(fd, &wanted), 0);
  for (int i = 0; i < 64; i++) {
    snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)pid, i);
    if (!stat(name, &seen) && seen.st_ino == wanted.st_ino && seen.st_dev == wanted.st_dev)
      return true;
  }
  return false;
}

static void a_leader_of_a_worker_is_present_for_its_life(void **state)
{
  (void)state;
  struct peer peer;
  int presence = presence_file();
  peer_start_with(&peer, presence, -1);
  peer_send_version(&peer, "handler", "park.lua", "return function() end", "{}");
  json_decref(peer_expect_loaded(&peer));
  assert_int_equal(holder(presence), peer.leader);
  pid_t worker = peer_worker(&peer);
  assert_true(geteuid() || has_open(peer.leader, presence)); /* it shows root alone */
  assert_false(has_open(worker, presence));
  kill(worker, SIGKILL);
  peer_expect_ending(&peer);
  peer_stop(&peer);
  assert_int_equal(holder(presence), 0);
  close(presence);
}

static void a_leader_of_a_program_is_present_while_anything_lives(void **state)
{
  (void)state;
  struct peer peer;
  pid_t child;
  int presence = presence_file();
  peer_start_program_with(&peer, (const char *[]){"exec", "/bin/sh", "-c",
                                                  "sleep 1000 & echo $!", NULL},
                          presence);
  read_pids(&peer, &child, 1);
  peer_expect_ending(&peer);
  assert_int_equal(holder(presence), peer.leader);
  assert_false(has_open(child, presence));
  peer_stop(&peer);
  peer_expect_gone(child);
  assert_int_equal(holder(presence), 0);
  close(presence);
}

static void a_detached_program_and_its_leader_are_not_present(void **state)
{
  (void)state;
  struct peer peer;
  pid_t program;
  int presence = presence_file();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  peer_start_program_with(&peer, (const char *[]){"detach", "/bin/sh", "-c", "echo $$; exec sleep "
                                                                             "1000", NULL},
                          presence);
  read_pids(&peer, &program, 1);
  peer_expect_ending(&peer);
  assert_false(has_open(program, presence));
  assert_int_equal(holder(presence), 0);
  peer_stop(&peer);
  kill(program, SIGKILL);
  assert_int_equal(waitpid(program, NULL, 0), program);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  close(presence);
}

/* The host that started it is gone, and its successor has begun to look. */
static void a_leader_that_cannot_be_present_starts_nothing(void **state)
{
  (void)state;
  struct peer peer;
  int presence = presence_file(), status;
  struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  assert_int_equal(fcntl(presence, F_OFD_SETLK, &all), 0); /* outlives a close() here */
  peer_start_program_with(&peer, (const char *[]){"exec", "/bin/echo", "ran", NULL}, presence);
  char *output = peer_read_output(&peer);
  assert_string_equal(output, "");
  free(output);
  assert_int_equal(waitpid(peer.leader, &status, 0), peer.leader);
  assert_int_equal(WEXITSTATUS(status), 75);
  close(peer.lifeline);
  close(peer.output);
  close(presence);
}

static void a_leader_whose_host_is_gone_starts_nothing(void **state)
{
  (void)state;
  struct peer peer;
  int presence = presence_file(), status;
  peer_start_program_stopped(&peer, (const char *[]){"exec", "/bin/echo", "ran", NULL}, presence);
  close(peer.lifeline);
  kill(peer.leader, SIGCONT);
  char *output = peer_read_output(&peer);
  assert_string_equal(output, "");
  free(output);
  assert_int_equal(waitpid(peer.leader, &status, 0), peer.leader);
  assert_int_equal(WEXITSTATUS(status), 75);
  assert_int_equal(holder(presence), 0);
  close(peer.output);
  close(presence);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_program_runs),
      cmocka_unit_test(a_program_that_cannot_be_started_says_why),
      cmocka_unit_test(a_program_has_three_descriptors),
      cmocka_unit_test(a_program_has_default_signals_and_a_session),
      cmocka_unit_test(an_ask_is_a_sigterm_for_the_group),
      cmocka_unit_test(everything_beneath_ends_with_the_lifeline),
      cmocka_unit_test(what_a_program_left_behind_lives_until_the_lifeline_closes),
      cmocka_unit_test(a_fork_storm_is_ended),
      cmocka_unit_test(a_detached_program_lives_on),
      cmocka_unit_test(a_detached_program_that_cannot_be_started_says_why),
      cmocka_unit_test(a_killed_leader_takes_the_worker_along),
      cmocka_unit_test(a_terminal_does_not_reach_the_leader),
      cmocka_unit_test(a_leader_of_a_worker_is_present_for_its_life),
      cmocka_unit_test(a_leader_of_a_program_is_present_while_anything_lives),
      cmocka_unit_test(a_detached_program_and_its_leader_are_not_present),
      cmocka_unit_test(a_leader_that_cannot_be_present_starts_nothing),
      cmocka_unit_test(a_leader_whose_host_is_gone_starts_nothing),
  };
  int rc = peer_find_program(argc, argv);
  return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
