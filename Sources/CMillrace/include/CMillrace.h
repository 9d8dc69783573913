// Millrace's window on Linux: system calls that Swift's Glibc overlay does not show, and CRC-32C.
#ifndef MILLRACE_CSYSTEM_H
#define MILLRACE_CSYSTEM_H

#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

/// CRC-32C (Castagnoli, as in RFC 3720) of `count` bytes, continuing from `seed` (0 to start).
/// Uses the SSE4.2 instruction where the processor has it, three chains of it at a time.
uint32_t millrace_crc32c(uint32_t seed, const void *_Nullable bytes, size_t count);

/// The same by one chain of the instruction, and by table alone: what the tests compare with, and what runs elsewhere.
uint32_t millrace_crc32c_one_stream(uint32_t seed, const void *_Nullable bytes, size_t count);
uint32_t millrace_crc32c_portable(uint32_t seed, const void *_Nullable bytes, size_t count);

/// The O_DIRECT flag of this machine's `open`.
int millrace_o_direct(void);

/// Has the kernel begin to write a stretch of a file's page cache to the disk; does not wait.
int millrace_start_writing(int file, off_t from, off_t count);

/// Waits until a stretch of a file's page cache is on the disk, and takes it out of the page cache.
int millrace_write_and_drop(int file, off_t from, off_t count);

/// cachestat(2): how many of the pages with the file's bytes from `from` on, `count` of them and at least one, the page cache lacks;
/// -1 with errno where the kernel does not say (before Linux 6.5).
int64_t millrace_missing_pages(int file, off_t from, off_t count);

/// Has every processor give back what it still holds of messages that were received on it: the kernel (since 5.19) puts that
/// off until the processor's next packet, and pages that sendfile sent stay in the page cache as long, whoever drops them.
/// Sends a datagram to this process over loopback on each processor the thread may use; the thread's own are as before then.
void millrace_free_received(void);

/// Room for the processors that a thread may run on, as the kernel keeps them (cpu_set_t).
#define MILLRACE_PROCESSORS_BYTES 128

/// Stores the processors that the calling thread may run on. 0, or -1 and errno.
int millrace_processors(void *_Nullable processors);

/// Lets the calling thread, and threads that it starts later, run on the `place`-th of the stored processors alone (modulo their number);
/// below 0: on all of them. 0, or -1 and errno.
int millrace_run_on(const void *_Nullable processors, int place);

/// A pipe, close-on-exec, that holds `capacity` bytes. Returns its real capacity, or -1 with errno.
int millrace_pipe(int fds[_Nonnull 2], int capacity);

/// splice(2) with SPLICE_F_MOVE; `offset` is the place in `from` when that is a file, else null.
ssize_t millrace_splice(int from, off_t *_Nullable offset, int to, size_t count);

/// fallocate(2) with FALLOC_FL_KEEP_SIZE: blocks for `count` bytes at `from`, and the file ends where it did. 0, or -1 with
/// errno.
int millrace_reserve_ahead(int fd, off_t from, off_t count);

/// mallopt(3) with M_ARENA_MAX of 1: threads that have no heap of their own yet share one.
void millrace_use_one_heap(void);

/// getrusage(2) of the calling thread.
int millrace_thread_usage(struct rusage *_Nonnull usage);

/// Starts `path` with `argv` (NULL at its end) as the leader of its own process group; it is killed when its parent dies.
/// Its output goes to the descriptors `out` and `err`; `procs`, where given, is the cgroup.procs file it joins before
/// it runs, and `network` the file of the network namespace. Returns the process id, or a negative errno when it could not be
/// started.
int millrace_spawn(
    const char *_Nonnull path, char *_Nullable const *_Nonnull argv, int out, int err, const char *_Nullable procs,
    const char *_Nullable network);

/// sigaction(2): whether the process ignores a signal, as nohup makes it ignore SIGHUP.
int millrace_ignores(int signal);

/// ppoll(2) with a time in nanoseconds; negative: for ever. Returns how many are ready, or -1 with errno.
int millrace_poll(struct pollfd *_Nonnull fds, size_t count, int64_t nanoseconds);

#endif
