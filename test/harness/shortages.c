/*
 * A file system that is full and a clock that is wrong, for a Postgres of a test: loaded into the server with LD_PRELOAD, so that it
 * needs no rights. A file that the test writes and every process of the server maps says what is wrong right now.
 *
 * A write fails as on a full disk, with ENOSPC, if it would make its file longer: what is already on a disk can be written again.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The bytes of the file. test/harness/shortages.ts writes the same. */
struct shortages {
  /* Seconds by which the clock is ahead. */
  int64_t ahead;
  /* Whether no file outside of pg_wal, and no file in it, can grow. */
  int32_t data_full;
  int32_t wal_full;
};

static const struct shortages none = {0, 0, 0};
static const struct shortages *now = &none;

__attribute__((constructor)) static void map_file(void) {
  const char *path = getenv("SHORTAGES");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) now = mapped;
  close(file);
}

/* The function of the C library that ours hides. */
#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int is_full(int file, off_t end) {
  if (!now->data_full && !now->wal_full) return 0;
  struct stat state;
  if (fstat(file, &state) != 0 || !S_ISREG(state.st_mode)) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (!(strstr(path, "/pg_wal/") ? now->wal_full : now->data_full)) return 0;
  return (end < 0 ? lseek(file, 0, SEEK_CUR) - end : end) > state.st_size;
}

static off_t bytes_of(const struct iovec *parts, int count) {
  off_t bytes = 0;
  for (int n = 0; n < count; n++) bytes += (off_t)parts[n].iov_len;
  return bytes;
}

#define REFUSE_IF_FULL(end) \
  if (is_full(file, end)) return errno = ENOSPC, -1

/* Without an offset, the end is given as the negative number of bytes after the current place. */
ssize_t write(int file, const void *bytes, size_t count) {
  REAL(write);
  REFUSE_IF_FULL(-(off_t)count);
  return real(file, bytes, count);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
  REAL(writev);
  REFUSE_IF_FULL(-bytes_of(parts, count));
  return real(file, parts, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
  REAL(pwrite);
  REFUSE_IF_FULL(at + (off_t)count);
  return real(file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) { return pwrite(file, bytes, count, at); }

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
  REAL(pwritev);
  REFUSE_IF_FULL(at + bytes_of(parts, count));
  return real(file, parts, count, at);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
  return pwritev(file, parts, count, at);
}

/* It returns its error instead of setting errno (POSIX). */
int posix_fallocate(int file, off_t at, off_t count) {
  REAL(posix_fallocate);
  return is_full(file, at + count) ? ENOSPC : real(file, at, count);
}

int posix_fallocate64(int file, off64_t at, off64_t count) { return posix_fallocate(file, at, count); }

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  REAL(gettimeofday);
  int result = real(time, zone);
  if (result == 0) time->tv_sec += now->ahead;
  return result;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  REAL(clock_gettime);
  int result = real(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += now->ahead;
  return result;
}

time_t time(time_t *place) {
  REAL(time);
  time_t seconds = real(NULL) + now->ahead;
  if (place) *place = seconds;
  return seconds;
}
