#include "worker/leader.h"

#include "base/worker_frames.h"
#include "worker/children.h"
#include "worker/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  EXIT_NO_LIFELINE = 2,
  EXIT_NO_PROCESS = 75,
  EXIT_NOT_STARTED = 127,
  LAST_FD = WORKER_DESCRIPTORS_FD, /* of those that have a meaning */
};

struct leader {
  pid_t worker;    /* the working process; 0 once it is reaped */
  int ask_signal;  /* what an ask becomes */
  bool ask_group;  /* whether its whole process group is asked */
  int died_fd;     /* signalfd of SIGCHLD */
  int exec_fd;     /* gives the errno of a failed exec, else nothing */
  bool host_gone;
  bool childless; /* the working process has ended, and so has what it left behind */
};

/* Moves a descriptor out of the way of those that have a meaning. */
static int moved_up(int fd)
{
  if (fd < 0 || fd > LAST_FD)
    return fd;
  int higher = fcntl(fd, F_DUPFD_CLOEXEC, LAST_FD + 1);
  close(fd);
  return higher;
}

static int refused(const char *what)
{
  perror(what);
  return EXIT_NO_PROCESS;
}

/* ---- the working process, between fork and work ---- */

static void reset_signals(void)
{
  for (int number = 1; number < NSIG; number++)
    signal(number, SIG_DFL);
}

static void allow_signals(void)
{
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The working process does not outlive its leader. The leader may have died
 * before prctl() took effect. */
static void follow_leader(pid_t leader)
{
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != leader)
    _exit(EXIT_NO_PROCESS);
  setsid();
}

static void become_worker(void (*work)(void))
{
  reset_signals();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, SIG_IGN);
  close_range(WORKER_FRAMES_FD + 1, WORKER_MARKS_FD - 1, 0);
  fcntl(WORKER_MARKS_FD, F_SETFD, FD_CLOEXEC);
  fcntl(WORKER_DESCRIPTORS_FD, F_SETFD, FD_CLOEXEC);
  close_range(WORKER_DESCRIPTORS_FD + 1, ~0U, 0);
  allow_signals();
  work();
  _exit(EXIT_NO_PROCESS);
}

/* The program keeps the descriptors below `kept`. `exec_fd` moves there and is
 * closed by a successful exec. */
static void become_program(char **argv, int exec_fd, int kept)
{
  reset_signals();
  if (exec_fd != kept && dup3(exec_fd, kept, O_CLOEXEC) < 0)
    _exit(EXIT_NOT_STARTED);
  close_range((unsigned)kept + 1, ~0U, 0);
  allow_signals();
  execv(argv[0], argv);
  int why = errno;
  if (write(kept, &why, sizeof why) < 0) { /* the leader is gone, and so is this process */
  }
  _exit(EXIT_NOT_STARTED);
}

/* ---- the leader ---- */

/* An exec that failed wrote its errno before it exited; one that worked closed
 * the pipe. */
static int32_t read_exec_errno(int fd)
{
  int why = 0;
  ssize_t n = 0;
  while (fd >= 0 && (n = read(fd, &why, sizeof why)) < 0 && errno == EINTR) {
  }
  return n == sizeof why ? why : 0;
}

static void report_ending(int wait_status, int32_t exec_errno)
{
  struct worker_ending ending = {.wait_status = wait_status, .exec_errno = exec_errno};
  if (send(WORKER_LIFELINE_FD, &ending, sizeof ending, MSG_NOSIGNAL) < 0) {
    /* the host closed the lifeline: poll() says so next */
  }
}

static void reap(struct leader *leader)
{
  struct signalfd_siginfo died;
  while (read(leader->died_fd, &died, sizeof died) > 0) { /* one may stand for many */
  }
  int wait_status;
  pid_t pid;
  while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0)
    if (pid == leader->worker) {
      leader->worker = 0;
      report_ending(wait_status, read_exec_errno(leader->exec_fd));
    }
  leader->childless = pid < 0 && errno == ECHILD;
}

/* The working process is an unreaped child, so its number cannot be another's. */
static void ask(const struct leader *leader)
{
  if (leader->worker)
    kill(leader->ask_group ? -leader->worker : leader->worker, leader->ask_signal);
}

static void tell_cancelled(const struct leader *leader)
{
  if (leader->worker && !leader->ask_group)
    kill(leader->worker, SIGUSR2);
}

static void read_lifeline(struct leader *leader)
{
  char said[16];
  ssize_t n = recv(WORKER_LIFELINE_FD, said, sizeof said, MSG_DONTWAIT);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
    leader->host_gone = true;
  for (ssize_t i = 0; i < n; i++)
    if (said[i] == WORKER_LIFELINE_ASK)
      ask(leader);
    else if (said[i] == WORKER_LIFELINE_CANCEL)
      tell_cancelled(leader);
}

static void lead(struct leader *leader)
{
  struct pollfd fds[] = {{.fd = WORKER_LIFELINE_FD, .events = POLLIN},
                         {.fd = leader->died_fd, .events = POLLIN}};
  while (!leader->host_gone && !leader->childless) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR)
      break;
    if (fds[1].revents)
      reap(leader);
    if (fds[0].revents)
      read_lifeline(leader);
  }
  children_end(leader->died_fd);
}

static int check_lifeline(void)
{
  if (fcntl(WORKER_LIFELINE_FD, F_SETFD, FD_CLOEXEC) >= 0)
    return 0;
  fputs("kaalua-worker: no lifeline at descriptor 4\n", stderr);
  return EXIT_NO_LIFELINE;
}

/* The lock is the leader's own: no child has it, and closing the descriptor in a child
 * does not end it. The leader must never open that file again: closing that would. */
static int hold_presence(void)
{
  struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
  if (fcntl(WORKER_PRESENCE_FD, F_SETFD, FD_CLOEXEC) < 0)
    return 0; /* the host has given none */
  return fcntl(WORKER_PRESENCE_FD, F_SETLK, &lock) ? refused("kaalua-worker: presence") : 0;
}

/* The host may have died before the lock was there: its successor does not wait for this
 * leader, so nothing may begin any more. */
static bool host_is_gone(void)
{
  char byte;
  ssize_t n = recv(WORKER_LIFELINE_FD, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Blocks every signal: what a terminal or a handler sends is not for the leader. */
static int start(struct leader *leader)
{
  int rc = check_lifeline();
  if (!rc)
    rc = hold_presence();
  if (rc)
    return rc;
  if (host_is_gone())
    return EXIT_NO_PROCESS;
  if (prctl(PR_SET_CHILD_SUBREAPER, 1))
    return refused("kaalua-worker: prctl");
  prctl(PR_SET_NAME, "kaalua-leader");
#if !defined(__SANITIZE_ADDRESS__)
  prctl(PR_SET_DUMPABLE, 0); /* it hands on what is meant for a program of ours alone */
#endif
  setsid();
  sigset_t all, died;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  sigemptyset(&died);
  sigaddset(&died, SIGCHLD);
  leader->died_fd = moved_up(signalfd(-1, &died, SFD_CLOEXEC | SFD_NONBLOCK));
  return leader->died_fd < 0 ? refused("kaalua-worker: signalfd") : 0;
}

int leader_run_worker(void (*work)(void), const char *ids)
{
  struct leader leader = {.ask_signal = SIGUSR1, .exec_fd = -1};
  int rc = start(&leader);
  if (rc)
    return rc;
  pid_t self = getpid();
  leader.worker = fork();
  if (leader.worker < 0)
    return refused("kaalua-worker: fork");
  if (!leader.worker) {
    confine_identity(ids); /* which forgets who is to be followed */
    follow_leader(self);
    become_worker(work);
  }
  close(WORKER_FRAMES_FD);
  close(WORKER_MARKS_FD);
  close(WORKER_DESCRIPTORS_FD);
  lead(&leader);
  return 0;
}

static int lead_program(char **argv, int kept)
{
  struct leader leader = {.ask_signal = SIGTERM, .ask_group = true};
  int rc = start(&leader);
  if (rc)
    return rc;
  int failure[2];
  if (pipe2(failure, O_CLOEXEC))
    return refused("kaalua-worker: pipe");
  pid_t self = getpid();
  leader.worker = fork();
  if (leader.worker < 0)
    return refused("kaalua-worker: fork");
  if (!leader.worker) {
    follow_leader(self);
    become_program(argv, failure[1], kept);
  }
  close(failure[1]);
  leader.exec_fd = moved_up(failure[0]);
  fcntl(leader.exec_fd, F_SETFL, O_NONBLOCK);
  /* the program alone holds its streams: the host sees their end */
  close_range(0, WORKER_LIFELINE_FD - 1, 0);
  lead(&leader);
  return 0;
}

int leader_run_program(char **argv)
{
  return lead_program(argv, STDERR_FILENO + 1);
}

int leader_serve_program(char **argv)
{
  return lead_program(argv, WORKER_FRAMES_FD + 1);
}

int leader_detach_program(char **argv)
{
  int failure[2];
  int rc = check_lifeline();
  if (rc)
    return rc;
  if (pipe2(failure, O_CLOEXEC))
    return refused("kaalua-worker: pipe");
  pid_t program = fork();
  if (program < 0)
    return refused("kaalua-worker: fork");
  if (!program) {
    setsid();
    become_program(argv, failure[1], STDERR_FILENO + 1);
  }
  close(failure[1]);
  int wait_status = 0;
  int32_t exec_errno = read_exec_errno(failure[0]);
  if (exec_errno)
    waitpid(program, &wait_status, 0);
  report_ending(wait_status, exec_errno);
  return 0;
}
