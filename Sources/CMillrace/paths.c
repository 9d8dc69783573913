#define _GNU_SOURCE
#include "CMillrace.h"
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>

// What Linux offers only under _GNU_SOURCE, which Swift's view of the C library does not have.

int millrace_o_direct(void) { return O_DIRECT; }

int millrace_start_writing(int file, off_t from, off_t count) {
  return sync_file_range(file, from, count, SYNC_FILE_RANGE_WRITE);
}

int millrace_write_and_drop(int file, off_t from, off_t count) {
  int all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  if (sync_file_range(file, from, count, all) != 0) return -1;
  int error = posix_fadvise(file, from, count, POSIX_FADV_DONTNEED);
  if (error == 0) return 0;
  errno = error;
  return -1;
}

// The number and the layouts are Linux's (include/uapi/linux/mman.h, the same number on every architecture); Debian's headers are older.
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

int64_t millrace_missing_pages(int file, off_t from, off_t count) {
  long page = getpagesize();  // known to the C library, where sysconf looks it up
  struct {
    uint64_t offset, length;
  } range = {from, count};
  struct {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } found;
  if (syscall(SYS_cachestat, file, &range, &found, 0) != 0) return -1;
  return (from + count - 1) / page - from / page + 1 - (int64_t)found.cached;
}

void millrace_free_received(void) {
  cpu_set_t own;
  if (sched_getaffinity(0, sizeof own, &own) != 0) return;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (datagrams < 0) return;
  if (bind(datagrams, (struct sockaddr *)&address, length) == 0 &&
      getsockname(datagrams, (struct sockaddr *)&address, &length) == 0) {
    for (int processor = 0; processor < CPU_SETSIZE; processor++) {
      if (!CPU_ISSET(processor, &own)) continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(processor, &one);
      if (sched_setaffinity(0, sizeof one, &one) == 0)
        sendto(datagrams, "", 1, MSG_DONTWAIT, (struct sockaddr *)&address, length);
    }
    sched_setaffinity(0, sizeof own, &own);
  }
  close(datagrams);
}

int millrace_processors(void *processors) {
  _Static_assert(sizeof(cpu_set_t) == MILLRACE_PROCESSORS_BYTES, "cpu_set_t has another size");
  return sched_getaffinity(0, sizeof(cpu_set_t), processors);
}

int millrace_run_on(const void *processors, int place) {
  const cpu_set_t *all = processors;
  int count = CPU_COUNT(all);
  if (place < 0 || count == 0) return sched_setaffinity(0, sizeof *all, all);
  int left = place % count;
  for (int processor = 0; processor < CPU_SETSIZE; processor++) {
    if (!CPU_ISSET(processor, all) || left-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    return sched_setaffinity(0, sizeof one, &one);
  }
  return -1;
}

int millrace_pipe(int fds[2], int capacity) {
  if (pipe2(fds, O_CLOEXEC) != 0) return -1;
  return fcntl(fds[1], F_SETPIPE_SZ, capacity);
}

ssize_t millrace_splice(int from, off_t *offset, int to, size_t count) {
  return splice(from, offset, to, NULL, count, SPLICE_F_MOVE);
}

int millrace_reserve_ahead(int fd, off_t from, off_t count) { return fallocate(fd, FALLOC_FL_KEEP_SIZE, from, count); }

int millrace_thread_usage(struct rusage *usage) { return getrusage(RUSAGE_THREAD, usage); }

int millrace_poll(struct pollfd *fds, size_t count, int64_t nanoseconds) {
  struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
  return ppoll(fds, count, nanoseconds < 0 ? NULL : &time, NULL);
}

void millrace_use_one_heap(void) { mallopt(M_ARENA_MAX, 1); }
