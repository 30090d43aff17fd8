/* Run while kaalua is built, for the machine that it is built for: writes the C source of
 * worker/confine_filter.h into the file that it is given.
 *
 * A list of what is refused, not of what is allowed: native modules and other versions of
 * libc make other calls, and a worker that dies of one is worse than a call that neither
 * reaches the network, nor another process, nor a file. What is refused fails with EPERM;
 * clone3 with ENOSYS, for its flags cannot be looked at and libc then takes clone, and
 * openat2 for the same reason. Calls of another architecture (x32, i386) fail with ENOSYS. */
#include "worker/confine_filter.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Newer than Debian 12's libseccomp; the same number on each architecture that it is for. */
enum { FCHMODAT2 = 452, SETXATTRAT = 463, REMOVEXATTRAT = 466, FILE_SETATTR = 469 };

static const char *const refused[] = {
    /* programs and processes */
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "process_mrelease", "kcmp", "pidfd_open", "pidfd_getfd",
    "pidfd_send_signal", "tkill", "move_pages", "migrate_pages", "userfaultfd", "personality",
    /* the network; what is open is used by read and write, or sendmsg */
    "socket", "socketpair", "socketcall", "connect", "bind", "listen", "accept", "accept4",
    /* other ways to do what is refused here */
    "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open",
    "open_by_handle_at", "fanotify_init", "uselib",
    /* another identity */
    "setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid",
    "setregid32", "setresuid", "setresuid32", "setresgid", "setresgid32", "setgroups",
    "setgroups32", "setfsuid", "setfsuid32", "setfsgid", "setfsgid32", "capset", "add_key",
    "request_key", "keyctl",
    /* another view of the files */
    "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen",
    "fsmount", "fsconfig", "fspick", "chroot", "pivot_root", "setns", "unshare",
    /* the machine */
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
    "swapon", "swapoff", "settimeofday", "stime", "clock_settime", "clock_settime64", "adjtimex",
    "clock_adjtime", "clock_adjtime64", "sethostname", "setdomainname", "syslog", "acct",
    "quotactl", "quotactl_fd", "nfsservctl", "vhangup", "iopl", "ioperm", "lookup_dcookie",
    /* of files what Landlock does not know: another name, owner, permission, time, length */
    "link", "chmod", "fchmod", "fchmodat", "chown", "chown32", "fchown", "fchown32",
    "lchown", "lchown32", "fchownat", "setxattr", "lsetxattr", "fsetxattr", "removexattr",
    "lremovexattr", "fremovexattr", "utime", "utimes", "futimesat", "utimensat",
    "utimensat_time64", "truncate", "truncate64",
    /* memory that outlives the worker, or is another's */
    "shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl", "semget", "semop",
    "semtimedop", "semtimedop_time64", "semctl", "ipc", "mq_open", "mq_unlink",
};

/* Refused where one argument says so. */
static const struct {
  const char *name;
  struct scmp_arg_cmp when;
} refused_where[] = {
    {"clone", {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0}},
    {"kill", {0, SCMP_CMP_NE, CONFINE_FILTER_SELF, 0}},
    {"tgkill", {0, SCMP_CMP_NE, CONFINE_FILTER_SELF, 0}},
    {"rt_sigqueueinfo", {0, SCMP_CMP_NE, CONFINE_FILTER_SELF, 0}},
    {"rt_tgsigqueueinfo", {0, SCMP_CMP_NE, CONFINE_FILTER_SELF, 0}},
    /* of others: limits, processors, priorities, by process alone: a user's are the agent's, too */
    {"prlimit64", {0, SCMP_CMP_NE, 0, 0}},
    {"sched_setaffinity", {0, SCMP_CMP_NE, 0, 0}},
    {"sched_setscheduler", {0, SCMP_CMP_NE, 0, 0}},
    {"sched_setparam", {0, SCMP_CMP_NE, 0, 0}},
    {"sched_setattr", {0, SCMP_CMP_NE, 0, 0}},
    {"setpriority", {0, SCMP_CMP_NE, PRIO_PROCESS, 0}},
    {"setpriority", {1, SCMP_CMP_NE, 0, 0}},
    {"ioprio_set", {0, SCMP_CMP_NE, 1 /* IOPRIO_WHO_PROCESS */, 0}},
    {"ioprio_set", {1, SCMP_CMP_NE, 0, 0}},
    /* signals by way of a descriptor: F_SETOWN, F_SETSIG, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP */
    {"fcntl", {1, SCMP_CMP_EQ, 8, 0}},
    {"fcntl", {1, SCMP_CMP_EQ, 10, 0}},
    {"fcntl", {1, SCMP_CMP_EQ, 15, 0}},
    {"fcntl64", {1, SCMP_CMP_EQ, 8, 0}},
    {"fcntl64", {1, SCMP_CMP_EQ, 10, 0}},
    {"fcntl64", {1, SCMP_CMP_EQ, 15, 0}},
    {"ioctl", {1, SCMP_CMP_EQ, 0x8901, 0}},
    {"ioctl", {1, SCMP_CMP_EQ, 0x8902, 0}},
    /* a file that is open gets its name with AT_SYMLINK_FOLLOW (worker/download.h) */
    {"linkat", {4, SCMP_CMP_NE, 0x400, 0}},
    /* a file's attributes, and others kept from opening it: F_SETLEASE */
    {"ioctl", {1, SCMP_CMP_EQ, FS_IOC_SETFLAGS, 0}},
    {"ioctl", {1, SCMP_CMP_EQ, FS_IOC_FSSETXATTR, 0}},
    {"fcntl", {1, SCMP_CMP_EQ, 1024, 0}},
    {"fcntl64", {1, SCMP_CMP_EQ, 1024, 0}},
    /* keys into a terminal: TIOCSTI, TIOCLINUX */
    {"ioctl", {1, SCMP_CMP_EQ, 0x5412, 0}},
    {"ioctl", {1, SCMP_CMP_EQ, 0x541c, 0}},
    /* what ties the worker to its leader, and hides it */
    {"prctl", {0, SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0}},
    {"prctl", {0, SCMP_CMP_EQ, PR_SET_DUMPABLE, 0}},
    {"prctl", {0, SCMP_CMP_EQ, PR_SET_CHILD_SUBREAPER, 0}},
    {"prctl", {0, SCMP_CMP_EQ, PR_SET_PTRACER, 0}},
    {"prctl", {0, SCMP_CMP_EQ, PR_SET_MM, 0}},
};

static void fail(const char *what, int rc)
{
  fprintf(stderr, "confine_filter_make: %s: %s\n", what, strerror(-rc));
  exit(EXIT_FAILURE);
}

/* A name that this architecture, or libseccomp, does not know has a number that no call
 * has, and its rule comes to nothing. */
static void refuse(scmp_filter_ctx filter, int number, const char *name, int why)
{
  int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)why), number, 0);
  if (rc < 0)
    fail(name, rc);
}

static void refuse_name(scmp_filter_ctx filter, const char *name, int why)
{
  int number = seccomp_syscall_resolve_name(name);
  if (number != __NR_SCMP_ERROR)
    refuse(filter, number, name, why);
}

/* Where the kernel takes an int it does not look at the upper half of an argument, so that
 * must not make a value another: it is masked. What is only not the one allowed may differ. */
static void refuse_where(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp when)
{
  int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR)
    return;
  if (when.op == SCMP_CMP_EQ)
    when = SCMP_CMP64(when.arg, SCMP_CMP_MASKED_EQ, UINT32_MAX, when.datum_a);
  int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 1, when);
  if (rc < 0)
    fail(name, rc);
}

/* Emptying what is opened to be read: Landlock before its third ABI does not see it. */
static void refuse_emptying(scmp_filter_ctx filter, const char *name, unsigned argument)
{
  enum { ACCESS_MODES = 3, TRUNCATES = 01000 };
  int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(name), 1,
                            SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, ACCESS_MODES | TRUNCATES,
                                       TRUNCATES));
  if (rc < 0)
    fail(name, rc);
}

static void add_rules(scmp_filter_ctx filter)
{
  static const int unnamed[] = {FCHMODAT2, SETXATTRAT, REMOVEXATTRAT, FILE_SETATTR};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    refuse_name(filter, refused[i], EPERM);
  for (size_t i = 0; i < sizeof unnamed / sizeof *unnamed; i++)
    refuse(filter, unnamed[i], "a call without a name", EPERM);
  for (size_t i = 0; i < sizeof refused_where / sizeof *refused_where; i++)
    refuse_where(filter, refused_where[i].name, refused_where[i].when);
  refuse_emptying(filter, "open", 1);
  refuse_emptying(filter, "openat", 2);
  refuse_name(filter, "clone3", ENOSYS);
  refuse_name(filter, "openat2", ENOSYS);
}

/* libseccomp writes the program to a descriptor, and this version to nothing else. */
static FILE *export(scmp_filter_ctx filter)
{
  FILE *program = tmpfile();
  int rc = program ? seccomp_export_bpf(filter, fileno(program)) : -errno;
  if (rc < 0)
    fail("export", rc);
  rewind(program);
  return program;
}

static void write_source(FILE *program, FILE *out)
{
  struct sock_filter each;
  fputs("#include \"worker/confine_filter.h\"\n\nconst struct sock_filter confine_filter[] = {\n",
        out);
  while (fread(&each, sizeof each, 1, program) == 1)
    fprintf(out, "  {0x%04x, %u, %u, 0x%08x},\n", each.code, each.jt, each.jf, each.k);
  fputs("};\nconst size_t confine_filter_count = sizeof confine_filter / sizeof *confine_filter;\n",
        out);
}

int main(int argc, char **argv)
{
  if (argc != 2)
    fail("the file to write is missing", -EINVAL);
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (!filter)
    fail("init", -ENOMEM);
  seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
  seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: few steps for each call */
  add_rules(filter);
  FILE *program = export(filter);
  FILE *out = fopen(argv[1], "w");
  if (!out)
    fail(argv[1], -errno);
  write_source(program, out);
  fclose(program);
  seccomp_release(filter);
  return fclose(out) ? EXIT_FAILURE : EXIT_SUCCESS;
}
