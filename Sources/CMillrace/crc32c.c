#include "CMillrace.h"
#include <pthread.h>
#include <string.h>

// CRC-32C, reflected polynomial 0x82F63B78.
//
// The SSE4.2 instruction takes 8 bytes a cycle but answers after three, so one chain of them runs at a third of its
// speed. Three chains over three neighbouring blocks run together; then the CRC of A, B, C in a row is
//
//     shift(shift(crc(A)) ^ crc(B)) ^ crc(C)
//
// where shift moves a CRC over one block's length of zero bytes. That is linear, so four look-ups of a byte each do it.
// Two block lengths: a long one for most of a batch, a short one for the rest and for small batches.

enum { LONG_LOG2 = 12, SHORT_LOG2 = 8 };

static uint32_t byte_table[256];
static uint32_t long_shift[4][256], short_shift[4][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

// A linear map of 32 bits: what each bit alone becomes.
static uint32_t apply(const uint32_t map[32], uint32_t bits) {
  uint32_t out = 0;
  for (int i = 0; bits; i++, bits >>= 1) if (bits & 1) out ^= map[i];
  return out;
}

// The map over one zero byte, squared as often as it takes for 2^log2 of them, then tabulated by byte.
static void fill_shift(uint32_t table[4][256], int log2) {
  uint32_t map[32], squared[32];
  for (int i = 0; i < 32; i++) {
    uint32_t bit = 1u << i;
    map[i] = byte_table[bit & 0xFF] ^ (bit >> 8);
  }
  while (log2--) {
    for (int i = 0; i < 32; i++) squared[i] = apply(map, map[i]);
    memcpy(map, squared, sizeof map);
  }
  for (int byte = 0; byte < 4; byte++)
    for (uint32_t value = 0; value < 256; value++) table[byte][value] = apply(map, value << (8 * byte));
}

static void fill_tables(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
    byte_table[i] = crc;
  }
  fill_shift(long_shift, LONG_LOG2);
  fill_shift(short_shift, SHORT_LOG2);
}

static uint32_t crc_portable(uint32_t crc, const uint8_t *p, size_t n) {
  pthread_once(&tables_once, fill_tables);
  while (n--) crc = byte_table[(crc ^ *p++) & 0xFF] ^ (crc >> 8);
  return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

static inline uint64_t load(const uint8_t *p) {
  uint64_t word;
  memcpy(&word, p, 8);
  return word;
}

static inline uint32_t shift(const uint32_t table[4][256], uint32_t crc) {
  return table[0][crc & 0xFF] ^ table[1][crc >> 8 & 0xFF] ^ table[2][crc >> 16 & 0xFF] ^ table[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t crc_one_stream(uint32_t crc, const uint8_t *p, size_t n) {
  uint64_t wide = crc;
  for (; n >= 8; p += 8, n -= 8) wide = _mm_crc32_u64(wide, load(p));
  crc = (uint32_t)wide;
  // A step costs three cycles however wide it is.
  if (n & 4) {
    uint32_t word;
    memcpy(&word, p, 4);
    crc = _mm_crc32_u32(crc, word);
    p += 4;
  }
  if (n & 2) {
    uint16_t word;
    memcpy(&word, p, 2);
    crc = _mm_crc32_u16(crc, word);
    p += 2;
  }
  return n & 1 ? _mm_crc32_u8(crc, *p) : crc;
}

// Three neighbouring blocks of `block` bytes.
__attribute__((target("sse4.2"))) static inline uint32_t crc_three_blocks(
    uint32_t crc, const uint8_t *p, size_t block, const uint32_t table[4][256]) {
  uint64_t a = crc, b = 0, c = 0;
  for (const uint8_t *end = p + block; p < end; p += 8) {
    a = _mm_crc32_u64(a, load(p));
    b = _mm_crc32_u64(b, load(p + block));
    c = _mm_crc32_u64(c, load(p + 2 * block));
  }
  return shift(table, shift(table, (uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
}

__attribute__((target("sse4.2"))) static uint32_t crc_three_streams(uint32_t crc, const uint8_t *p, size_t n) {
  const size_t long_block = (size_t)1 << LONG_LOG2, short_block = (size_t)1 << SHORT_LOG2;
  if (n >= 3 * short_block) {
    pthread_once(&tables_once, fill_tables);
    for (; n >= 3 * long_block; p += 3 * long_block, n -= 3 * long_block)
      crc = crc_three_blocks(crc, p, long_block, long_shift);
    for (; n >= 3 * short_block; p += 3 * short_block, n -= 3 * short_block)
      crc = crc_three_blocks(crc, p, short_block, short_shift);
  }
  return crc_one_stream(crc, p, n);
}
#endif

uint32_t millrace_crc32c(uint32_t seed, const void *bytes, size_t count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc_three_streams(~seed, bytes, count);
#endif
  return ~crc_portable(~seed, bytes, count);
}

uint32_t millrace_crc32c_one_stream(uint32_t seed, const void *bytes, size_t count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc_one_stream(~seed, bytes, count);
#endif
  return ~crc_portable(~seed, bytes, count);
}

uint32_t millrace_crc32c_portable(uint32_t seed, const void *bytes, size_t count) {
  return ~crc_portable(~seed, bytes, count);
}
