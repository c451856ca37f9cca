/* What a command tries that is out to get something: rows, each one attempt. README: ../mechanisms.rs. */
#ifndef ATTEMPTS_H
#define ATTEMPTS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* What has to hold for the attempt to fail. */
enum barrier {
	CALLS,    /* the call filter */
	HOME,     /* Landlock, or another user: the assistant's own files */
	FILES,    /* Landlock, or another user: files of others */
	LANDLOCK, /* Landlock alone: what everybody on the machine may read */
	TRUNCATE, /* Landlock 3, or another user */
	SIGNALS,  /* Landlock 6, or another user */
	ANSWERS,  /* the daemon answers calls that change modes */
	ANY,      /* the system itself: always */
};

/* Outcomes of an attempt. */
enum { REFUSED = 0, DONE = 1, CANNOT = -1 };

struct row {
	const char *mechanism, *name;
	enum barrier barrier;
	int (*attempt)(void);
	/* Why the control outside of the sandbox may fail as well; NULL: it has to succeed. */
	const char *uncontrolled;
};

extern const struct row files[], processes[], kernel[];

/* The daemon, another process of its user, its home, a folder of its user outside. */
extern int daemon_pid, other_pid;
extern const char *home_path, *outside_path;

/* Paths; eight at a time. */
char *home(const char *name);
char *outside(const char *name);
char *of_daemon(const char *name);
char *in_proc(int fd);
/* A thread of the daemon, the last one. */
int thread_of_daemon(void);
/* At least one byte came. Closes. */
int gives(int fd);
/* The call was let in: it succeeded, or failed for another reason than that it is forbidden or missing. */
int through(long result);
/* Another row of this program, as a program started by `start`. */
int again(const char *row, int (*start)(char **argv));
/* A new file in the workspace. */
int fresh(const char *name);
/* Its mode has bits that make a program run as its owner or group. Removes it. */
int set_id(const char *name);
#endif
