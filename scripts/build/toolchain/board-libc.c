/* A few functions of the C library, smaller: linked by scripts/build/toolchain/link-cc in front of musl, whose versions pull in
 * printf with its arithmetic of 128-bit numbers (to name a thread) and 4 kB of sorting (for the addresses of a host),
 * and of zig's allocator, 4 kB with a page for each size of block. */

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
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

/* The C library's own blocks: a folder that is being read, the addresses of a name, what a thread is called. Few and mostly
 * short-lived; Rust's are in src/sys/heap.rs. First fit among the free ones, which are joined with their neighbours. */
struct block {
	size_t size; /* with this head, a multiple of it */
	struct block *next; /* while it is free: the next free one, by address */
};

enum { GROWTH = 8192 };

static struct block *unused;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void lock(void)
{
	while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
		sched_yield();
}

static void unlock(void)
{
	atomic_flag_clear_explicit(&busy, memory_order_release);
}

static void join(struct block *block)
{
	if (block->next && (char *)block + block->size == (char *)block->next) {
		block->size += block->next->size;
		block->next = block->next->next;
	}
}

static void give(struct block *block)
{
	struct block *before = NULL, **at = &unused;
	while (*at && *at < block) {
		before = *at;
		at = &before->next;
	}
	block->next = *at;
	*at = block;
	join(block);
	if (before)
		join(before);
}

static struct block *take(size_t size)
{
	for (struct block **at = &unused; *at; at = &(*at)->next) {
		struct block *block = *at;
		if (block->size == size) {
			*at = block->next;
			return block;
		}
		if (block->size > size) {
			/* Its end, so that the list stays as it is. */
			block->size -= size;
			block = (struct block *)((char *)block + block->size);
			block->size = size;
			return block;
		}
	}
	return NULL;
}

void *malloc(size_t bytes)
{
	if (bytes > PTRDIFF_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	size_t size = (bytes + 2 * sizeof(struct block) - 1) / sizeof(struct block) * sizeof(struct block);
	lock();
	struct block *block = take(size);
	if (!block) {
		size_t more = (size + GROWTH - 1) / GROWTH * GROWTH;
		block = mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (block == MAP_FAILED) {
			unlock();
			return NULL;
		}
		block->size = more;
		give(block);
		block = take(size);
	}
	unlock();
	return block + 1;
}

void free(void *pointer)
{
	if (!pointer)
		return;
	lock();
	give((struct block *)pointer - 1);
	unlock();
}

void *calloc(size_t count, size_t width)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, width, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	void *pointer = malloc(bytes);
	return pointer ? memset(pointer, 0, bytes) : NULL;
}

void *realloc(void *pointer, size_t bytes)
{
	void *moved = malloc(bytes);
	if (moved && pointer) {
		size_t before = ((struct block *)pointer)[-1].size - sizeof(struct block);
		memcpy(moved, pointer, before < bytes ? before : bytes);
		free(pointer);
	}
	return moved;
}

/* Blocks are aligned to 16 bytes; nobody asks for more. */
int posix_memalign(void **pointer, size_t alignment, size_t bytes)
{
	*pointer = alignment > sizeof(struct block) ? NULL : malloc(bytes);
	return *pointer ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	void *pointer;
	errno = posix_memalign(&pointer, alignment, bytes);
	return pointer;
}

char *strdup(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = malloc(bytes);
	return copy ? memcpy(copy, text, bytes) : NULL;
}
