#define _GNU_SOURCE
#include "CMillrace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Runs in the child, between fork and exec: only what POSIX calls async-signal-safe.
static void become(
    const char *path, char *const argv[], int out, int err, const char *procs, const char *network, pid_t parent) {
  // The harness may be killed; what it started must not outlive it. The parent may already be gone: ask again.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) return;
  if (setpgid(0, 0) != 0) return;
  if (procs != NULL) {
    int fd = open(procs, O_WRONLY | O_CLOEXEC);
    // "0" is the writer itself, in both versions of cgroups.
    if (fd < 0 || write(fd, "0", 1) != 1) return;
    close(fd);
  }
  if (network != NULL) {
    int fd = open(network, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) return;
    close(fd);
  }
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) return;
  syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  execv(path, argv);
}

int millrace_spawn(
    const char *path, char *const argv[], int out, int err, const char *procs, const char *network) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return -errno;
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) {
    int error = errno;
    close(report[0]);
    close(report[1]);
    return -error;
  }
  if (pid == 0) {
    become(path, argv, out, err, procs, network, parent);
    int error = errno == 0 ? ECHILD : errno;
    (void)!write(report[1], &error, sizeof error);
    _exit(127);
  }
  close(report[1]);
  int error = 0;
  ssize_t n;
  do { n = read(report[0], &error, sizeof error); } while (n < 0 && errno == EINTR);
  close(report[0]);
  if (n == (ssize_t)sizeof error) return -error;
  return pid;
}

int millrace_ignores(int signal) {
  struct sigaction action;
  return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}
