/* attempts --list
 * attempts run|control|owner DAEMON OTHER HOME OUTSIDE [MECHANISM | MECHANISM/ROW]...
 * attempts sleep HOME
 *
 * Tries the rows, each in a child. Prints `MECHANISM/ROW done|refused|cannot ERRNO` for each and `tried N` at last. Started
 * with one row it exits with 42 where that one was done. `control` and `owner` are for root outside of the sandbox: in
 * namespaces of its own, or as the home's owner. `sleep` is a process of the home's owner. */
#include "attempts.h"
#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

int daemon_pid, other_pid;
const char *home_path, *outside_path;
static char **arguments;

static char *path(const char *folder, const char *name)
{
	static char paths[8][PATH_MAX];
	static int next;
	char *at = paths[next++ % 8];
	snprintf(at, PATH_MAX, "%s/%s", folder, name);
	return at;
}

char *home(const char *name) { return path(home_path, name); }
char *outside(const char *name) { return path(outside_path, name); }

char *of_daemon(const char *name)
{
	char folder[64];
	snprintf(folder, sizeof folder, "/proc/%d", daemon_pid);
	return path(folder, name);
}

char *in_proc(int fd)
{
	char name[16];
	snprintf(name, sizeof name, "%d", fd);
	return path("/proc/self/fd", name);
}

int thread_of_daemon(void)
{
	int last = daemon_pid;
	DIR *tasks = opendir(of_daemon("task"));
	for (struct dirent *e; tasks && (e = readdir(tasks));)
		if (atoi(e->d_name) > last)
			last = atoi(e->d_name);
	if (tasks)
		closedir(tasks);
	return last;
}

int gives(int fd)
{
	char byte;
	int got = fd >= 0 && read(fd, &byte, 1) == 1;
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return got;
}

int through(long result)
{
	return result >= 0 || !(errno == EPERM || errno == EACCES || errno == ENOSYS || errno == EOPNOTSUPP || errno == EAFNOSUPPORT);
}

int fresh(const char *name)
{
	unlink(name);
	return open(name, O_RDWR | O_CREAT | O_EXCL, 0755);
}

int set_id(const char *name)
{
	struct stat s;
	int set = lstat(name, &s) == 0 && S_ISREG(s.st_mode) && s.st_mode & (S_ISUID | S_ISGID);
	int error = errno;
	unlink(name);
	errno = error;
	return set;
}

int again(const char *row, int (*start)(char **argv))
{
	char *argv[] = { arguments[0], "run", arguments[2], arguments[3], arguments[4], arguments[5], (char *)row, NULL };
	int status;
	pid_t child = fork();
	if (child == 0) {
		close(1);
		open("/dev/null", O_WRONLY);
		start(argv);
		_exit(43);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static const struct row *const tables[] = { files, processes, kernel };

static int wanted(const struct row *row, char **names)
{
	size_t length = strlen(row->mechanism);
	for (char **n = names; *n; n++)
		if (!strcmp(*n, row->mechanism) || (!strncmp(*n, row->mechanism, length) && (*n)[length] == '/' && !strcmp(*n + length + 1, row->name)))
			return 1;
	return !*names;
}

/* The row in a child of its own; the daemon or a limit may end that one. */
static int attempt(const struct row *row)
{
	int status, error[2] = { 0, 0 };
	int ends[2];
	fflush(stdout);
	if (pipe(ends))
		return CANNOT;
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		alarm(20);
		errno = 0;
		error[0] = row->attempt();
		error[1] = errno;
		if (write(ends[1], error, sizeof error) < 0)
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	if (read(ends[0], error, sizeof error) != sizeof error)
		error[0] = REFUSED, error[1] = -1;
	close(ends[0]);
	waitpid(child, &status, 0);
	errno = error[1];
	return error[0];
}

/* As root, outside of any sandbox, attempts succeed: on this machine's mounts and names only in namespaces. */
static void control(void)
{
	if (geteuid() == 0 && unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) == 0)
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* From root to the home's owner, with a process group of its own. */
static void become_owner(const char *home)
{
	struct stat s;
	if (stat(home, &s) || setpgid(0, 0) || setgroups(0, NULL) || setgid(s.st_gid) || setuid(s.st_uid)) {
		perror(home);
		_exit(2);
	}
}

int main(int argc, char **argv)
{
	static const char *const barriers[] = { "calls", "home", "files", "landlock", "truncate", "signals", "answers", "any" };
	int list = argc == 2 && !strcmp(argv[1], "--list");
	int tried = 0, outcome = REFUSED;
	/* As root's set-user-id program. */
	if (argc == 2 && !strcmp(argv[1], "--root"))
		return geteuid() == 0 ? 42 : 0;
	if (argc == 3 && !strcmp(argv[1], "sleep")) {
		become_owner(argv[2]);
		/* A program started anew can be looked into, as others of its user can. */
		return execl("/proc/self/exe", argv[0], "sleep", NULL);
	}
	if (argc == 2 && !strcmp(argv[1], "sleep"))
		return sleep(600);
	if (!list && argc < 6) {
		fprintf(stderr, "usage: attempts --list | run|control|owner DAEMON OTHER HOME OUTSIDE [ROW]...\n");
		return 2;
	}
	arguments = argv;
	if (!list) {
		daemon_pid = atoi(argv[2]);
		other_pid = atoi(argv[3]);
		home_path = argv[4];
		outside_path = argv[5];
		signal(SIGXFSZ, SIG_IGN);
		signal(SIGCONT, SIG_IGN);
		if (!strcmp(argv[1], "control"))
			control();
		if (!strcmp(argv[1], "owner"))
			become_owner(home_path);
	}
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const struct row *row = tables[t]; row->mechanism; row++) {
			if (list) {
				printf("%s\t%s\t%s\t%s\n", row->mechanism, row->name, barriers[row->barrier], row->uncontrolled ? row->uncontrolled : "");
				continue;
			}
			if (!wanted(row, argv + 6))
				continue;
			outcome = attempt(row);
			printf("%s/%s %s %d\n", row->mechanism, row->name, outcome == DONE ? "done" : outcome == CANNOT ? "cannot" : "refused", errno);
			tried++;
		}
	if (!list)
		printf("tried %d\n", tried);
	return tried == 1 && outcome == DONE ? 42 : 0;
}
