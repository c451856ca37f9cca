/* Tries board-libc.c on the machine that compiles it: scripts/check/allocator. Its functions are renamed there
 * (-Dmalloc=board_malloc ...), so that this program's own memory is the C library's, and so is mmap, which is
 * counted here. Each check says what it wanted; the first that fails ends the program. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void *board_malloc(size_t bytes);
void board_free(void *pointer);
void *board_calloc(size_t count, size_t width);
void *board_realloc(void *pointer, size_t bytes);
int board_posix_memalign(void **pointer, size_t alignment, size_t bytes);
void *board_aligned_alloc(size_t alignment, size_t bytes);
char *board_strdup(const char *text);
void board_qsort(void *base, size_t count, size_t width, int (*compare)(const void *, const void *));
int board_pthread_setname_np(void *thread, const char *name);

enum { SLOTS = 512, STEPS = 200000, THREADS = 4, LARGEST = 3000 };

static _Atomic size_t mapped;

void *board_mmap(void *at, size_t bytes, int rights, int flags, int file, off_t offset)
{
	void *got = mmap(at, bytes, rights, flags, file, offset);
	if (got != MAP_FAILED)
		mapped += bytes;
	return got;
}

static void check(int holds, const char *wanted, ...)
{
	va_list values;
	if (holds)
		return;
	va_start(values, wanted);
	fputs("board-libc: ", stderr);
	vfprintf(stderr, wanted, values);
	fputc('\n', stderr);
	va_end(values);
	exit(1);
}

/* Numbers that are the same in each run: xorshift. */
static uint32_t next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void fill(void *block, size_t bytes, unsigned char with)
{
	memset(block, with, bytes);
}

static int holds(const void *block, size_t bytes, unsigned char with)
{
	const unsigned char *at = block;
	for (size_t i = 0; i < bytes; i++)
		if (at[i] != with)
			return 0;
	return 1;
}

static void aligned(void)
{
	void *two[2];
	for (size_t bytes = 0; bytes < 300; bytes++) {
		for (int i = 0; i < 2; i++) {
			two[i] = board_malloc(bytes);
			check(two[i] && (uintptr_t)two[i] % 16 == 0, "%zu bytes at %p: not aligned to 16", bytes, two[i]);
		}
		check(two[0] != two[1], "two blocks of %zu bytes at one address", bytes);
		board_free(two[0]);
		board_free(two[1]);
	}
	for (size_t alignment = 8; alignment <= 4096; alignment *= 2) {
		void *pointer = &pointer;
		int error = board_posix_memalign(&pointer, alignment, 100);
		int small = alignment <= 16;
		check(small ? !error && (uintptr_t)pointer % alignment == 0 : error == ENOMEM && !pointer,
		      "posix_memalign %zu: error %d, %p", alignment, error, pointer);
		board_free(pointer);
		pointer = board_aligned_alloc(alignment, 100);
		check(small == (pointer != NULL) && errno == (small ? 0 : ENOMEM), "aligned_alloc %zu: %p", alignment, pointer);
		board_free(pointer);
	}
}

static void moves(void)
{
	unsigned char *block = board_realloc(NULL, 1);
	block[0] = 7;
	for (size_t bytes = 2; bytes <= 1 << 20; bytes *= 2) {
		block = board_realloc(block, bytes);
		check(block && holds(block, bytes / 2, 7), "realloc to %zu lost what was in it", bytes);
		fill(block, bytes, 7);
	}
	for (size_t bytes = 1 << 19; bytes; bytes /= 2) {
		block = board_realloc(block, bytes);
		check(block && holds(block, bytes, 7), "realloc down to %zu lost what was in it", bytes);
	}
	errno = 0;
	check(!board_realloc(block, SIZE_MAX) && errno == ENOMEM && block[0] == 7, "a realloc that fails leaves the block as it is");
	board_free(block);
	board_free(NULL);
}

static void zeroed(void)
{
	for (size_t bytes = 1; bytes < 20000; bytes += bytes / 3 + 1) {
		void *dirty = board_malloc(bytes);
		fill(dirty, bytes, 0xff);
		board_free(dirty);
		void *clean = board_calloc(bytes, 1);
		check(clean && holds(clean, bytes, 0), "calloc of %zu is not zero", bytes);
		board_free(clean);
	}
	errno = 0;
	check(!board_calloc(SIZE_MAX / 2, 3) && errno == ENOMEM, "calloc of too much");
	errno = 0;
	check(!board_malloc((size_t)PTRDIFF_MAX + 1) && errno == ENOMEM, "malloc of too much");
	char *copy = board_strdup("a name");
	check(copy && !strcmp(copy, "a name"), "strdup");
	board_free(copy);
}

/* What is freed, in any order, is joined and used again: a block as large as all of them together fits. */
static void joined(void)
{
	enum { MANY = 200, SMALL = 40 };
	void *blocks[MANY], *whole = board_malloc(MANY * 64);
	uint32_t state = 3;
	board_free(whole);
	size_t before = mapped;
	for (int i = 0; i < MANY; i++)
		blocks[i] = board_malloc(SMALL);
	check(mapped == before, "small blocks did not go where a large one was");
	for (int left = MANY; left; left--) {
		int which = next(&state) % left;
		board_free(blocks[which]);
		blocks[which] = blocks[left - 1];
	}
	whole = board_malloc(MANY * 64);
	check(mapped == before, "free blocks were not joined: %zu bytes more", mapped - before);
	board_free(whole);
}

struct slot {
	void *block;
	size_t bytes;
	unsigned char with;
};

/* Takes, moves and frees at random; each block holds a byte of its own to its end. */
static void *stress(void *seed)
{
	struct slot slots[SLOTS] = { { 0 } };
	uint32_t state = (uint32_t)(uintptr_t)seed;
	for (int step = 0; step < STEPS; step++) {
		struct slot *slot = &slots[next(&state) % SLOTS];
		check(holds(slot->block, slot->bytes, slot->with), "step %d: a block of %zu bytes was overwritten", step, slot->bytes);
		size_t bytes = next(&state) % (next(&state) % 16 ? 200 : LARGEST);
		if (slot->block && next(&state) % 2) {
			board_free(slot->block);
			slot->block = NULL;
			slot->bytes = 0;
			continue;
		}
		size_t kept = slot->bytes < bytes ? slot->bytes : bytes;
		slot->block = board_realloc(slot->block, bytes);
		check(slot->block && holds(slot->block, kept, slot->with), "step %d: realloc to %zu", step, bytes);
		slot->bytes = bytes;
		slot->with = (unsigned char)next(&state);
		fill(slot->block, bytes, slot->with);
	}
	for (int i = 0; i < SLOTS; i++)
		board_free(slots[i].block);
	return NULL;
}

static void together(void)
{
	pthread_t threads[THREADS];
	size_t before = mapped;
	stress((void *)1);
	size_t once = mapped;
	stress((void *)1);
	check(mapped == once, "the same again took %zu bytes more from the kernel", mapped - once);
	for (uintptr_t i = 0; i < THREADS; i++)
		check(!pthread_create(&threads[i], NULL, stress, (void *)(i + 2)), "no thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* Live at once are two slots of three at most, of 190 bytes on average: what is free between them is not more. */
	size_t most = (size_t)(THREADS + 1) * SLOTS * 190 * 2;
	check(mapped - before < most, "%zu bytes taken from the kernel, %zu at most wanted", mapped - before, most);
}

static void large(void)
{
	enum { SIZE = 64 << 20 };
	unsigned char *block = board_malloc(SIZE);
	check(block != NULL, "no large block");
	block[0] = block[SIZE - 1] = 1;
	size_t before = mapped;
	board_free(block);
	check(board_malloc(SIZE) == block && mapped == before, "a large block is not used again");
	board_free(block);
	/* The kernel refuses: an error, and all goes on. */
	struct rlimit limit;
	getrlimit(RLIMIT_AS, &limit);
	struct rlimit tight = { .rlim_cur = 512 << 20, .rlim_max = limit.rlim_max };
	check(!setrlimit(RLIMIT_AS, &tight), "no limit");
	errno = 0;
	check(!board_malloc((size_t)1 << 30) && errno == ENOMEM, "1 GB below a limit of 512 MB");
	block = board_malloc(1000);
	check(block && !board_realloc(block, (size_t)1 << 30), "realloc to 1 GB below a limit of 512 MB");
	board_free(block);
	setrlimit(RLIMIT_AS, &limit);
}

static int by_value(const void *a, const void *b)
{
	return memcmp(a, b, 4);
}

static void others(void)
{
	unsigned char rows[48][7], same[48][7];
	uint32_t state = 9;
	for (size_t count = 0; count <= 48; count++) {
		for (size_t i = 0; i < sizeof rows; i++)
			((unsigned char *)rows)[i] = (unsigned char)(next(&state) >> 8);
		memcpy(same, rows, sizeof rows);
		board_qsort(rows, count, 7, by_value);
		qsort(same, count, 7, by_value);
		check(!memcmp(rows, same, sizeof rows), "qsort of %zu rows", count);
	}
	char name[16] = "";
	check(!board_pthread_setname_np(NULL, "a-thread"), "no name");
	prctl(PR_GET_NAME, name);
	check(!strcmp(name, "a-thread"), "named %s", name);
}

int main(void)
{
	aligned();
	joined();
	together();
	moves();
	zeroed();
	large();
	others();
	printf("board-libc: alignment, realloc, calloc, joining, %d threads of %d steps, large blocks, a limit: ok\n", THREADS, STEPS);
	return 0;
}
