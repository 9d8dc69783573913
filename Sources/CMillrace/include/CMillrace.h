// Millrace's window on Linux: system calls that Swift's Glibc overlay does not show, and CRC-32C.
#ifndef MILLRACE_CSYSTEM_H
#define MILLRACE_CSYSTEM_H

#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
/// Uses the SSE4.2 instruction where the processor has it.
uint32_t millrace_crc32c(uint32_t seed, const void *_Nullable bytes, size_t count);

#endif
