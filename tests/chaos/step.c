/* Shifts the time of day that a program sees, by the microseconds in the file that CHAOS_CLOCK names. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MICROS 1000000LL

static volatile int64_t *ahead;

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv("CHAOS_CLOCK");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *shared;

	if (file < 0)
		return;
	shared = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
	close(file);
	if (shared != MAP_FAILED)
		ahead = shared;
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
	int failed = (int) syscall(SYS_clock_gettime, clock, at);
	int64_t micros;

	if (failed || !ahead || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return failed;
	micros = at->tv_sec * MICROS + at->tv_nsec / 1000 + *ahead;
	at->tv_sec = micros / MICROS;
	at->tv_nsec = micros % MICROS * 1000 + at->tv_nsec % 1000;
	return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	struct timespec now;

	(void) zone;
	clock_gettime(CLOCK_REALTIME, &now);
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *at)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}
