/* Two functions of the C library, smaller: linked by scripts/link-cc in front of musl, whose versions pull in
 * printf with its arithmetic of 128-bit numbers (to name a thread) and 4 kB of sorting (for the addresses of a host). */

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>

/* Rust names a thread only from within itself, so that `thread` is always the caller. */
int pthread_setname_np(void *thread, const char *name)
{
	(void)thread;
	return prctl(PR_SET_NAME, name, 0UL, 0UL, 0UL) ? errno : 0;
}

/* Insertion: musl's resolver sorts 48 addresses at most, and nobody else calls it. */
void qsort(void *base, size_t count, size_t width, int (*compare)(const void *, const void *))
{
	char *first = base;
	for (size_t i = 1; i < count; i++)
		for (char *at = first + i * width; at > first && compare(at - width, at) > 0; at -= width)
			for (size_t byte = 0; byte < width; byte++) {
				char swap = at[byte];
				at[byte] = at[byte - width];
				at[byte - width] = swap;
			}
}
