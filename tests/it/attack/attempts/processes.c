/* Other processes: signals, priorities, memory, sockets; and what a command inherits. */
#include "attempts.h"
#include <dirent.h>
#include <linux/sched.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#define ROW(body) { return body; }
/* Harmless, and told apart from "not allowed". */
#define POKE SIGCONT

static int pidfd(int pid) ROW((int)syscall(SYS_pidfd_open, pid, 0))
static siginfo_t queued(void)
{
	siginfo_t info = { .si_signo = POKE, .si_code = SI_QUEUE };
	info.si_pid = getpid();
	info.si_uid = getuid();
	return info;
}

/* --- signals */
static int sig_kill(void) ROW(kill(daemon_pid, POKE) == 0)
static int sig_thread_number(void) ROW(kill(thread_of_daemon(), POKE) == 0)
static int sig_tkill(void) ROW(syscall(SYS_tkill, thread_of_daemon(), POKE) == 0)
static int sig_tgkill(void) ROW(syscall(SYS_tgkill, daemon_pid, thread_of_daemon(), POKE) == 0)
static int sig_tgkill_own(void) ROW(syscall(SYS_tgkill, -1, daemon_pid, POKE) == 0)
static int sig_queue(void)
{
	siginfo_t info = queued();
	return syscall(SYS_rt_sigqueueinfo, daemon_pid, POKE, &info) == 0;
}
static int sig_tgqueue(void)
{
	siginfo_t info = queued();
	return syscall(SYS_rt_tgsigqueueinfo, daemon_pid, thread_of_daemon(), POKE, &info) == 0;
}
static int sig_group(void) ROW(kill(-getpgid(daemon_pid), POKE) == 0)
static int sig_pidfd(void) ROW(syscall(SYS_pidfd_send_signal, pidfd(daemon_pid), POKE, NULL, 0) == 0)
static int sig_proc_fd(void) ROW(syscall(SYS_pidfd_send_signal, open(of_daemon(""), O_RDONLY | O_DIRECTORY), POKE, NULL, 0) == 0)
static int sig_owner(void)
{
	int ends[2];
	return pipe(ends) == 0 && fcntl(ends[0], F_SETOWN, daemon_pid) == 0;
}
static int sig_owner_ex(void)
{
	int ends[2];
	struct f_owner_ex owner = { F_OWNER_PID, daemon_pid };
	return pipe(ends) == 0 && fcntl(ends[0], F_SETOWN_EX, &owner) == 0;
}
static int sig_owner_ioctl(void)
{
	int pid = daemon_pid;
	return ioctl(socket(AF_INET, SOCK_STREAM, 0), 0x8901, &pid) == 0;
}
static int sig_join(void)
{
	/* 0 where the group was made outside of the daemon's own PID namespace: that would be the own group. */
	int group = getpgid(daemon_pid);
	return group > 0 && setpgid(0, group) == 0;
}
static int sig_probe(void) ROW(kill(daemon_pid, 0) == 0)
static int other_kill(void) ROW(kill(other_pid, POKE) == 0)
static int other_tgkill(void) ROW(syscall(SYS_tgkill, other_pid, other_pid, POKE) == 0)
static int other_queue(void)
{
	siginfo_t info = queued();
	return syscall(SYS_rt_sigqueueinfo, other_pid, POKE, &info) == 0;
}

/* --- priorities and limits */
static int prio_process(void) ROW(setpriority(PRIO_PROCESS, daemon_pid, 19) == 0)
static int prio_group(void) ROW(setpriority(PRIO_PGRP, getpgid(daemon_pid), 19) == 0)
static int prio_user(void) ROW(setpriority(PRIO_USER, getuid(), getpriority(PRIO_PROCESS, 0)) == 0)
static int prio_io(void) ROW(syscall(SYS_ioprio_set, 1, daemon_pid, 3 << 13) == 0)
static int prio_io_user(void) ROW(syscall(SYS_ioprio_set, 3, getuid(), 3 << 13 | 4) == 0)
static int prio_scheduler(void)
{
	struct sched_param p = { 0 };
	return syscall(SYS_sched_setscheduler, daemon_pid, SCHED_IDLE, &p) == 0;
}
static int prio_param(void)
{
	struct sched_param p = { 0 };
	return syscall(SYS_sched_setparam, daemon_pid, &p) == 0;
}
static int prio_attr(void)
{
	uint32_t attr[12] = { 48, SCHED_IDLE };
	return syscall(SYS_sched_setattr, daemon_pid, attr, 0) == 0;
}
static int prio_affinity(void)
{
	cpu_set_t all;
	memset(&all, 0xff, sizeof all);
	return sched_setaffinity(daemon_pid, sizeof all, &all) == 0;
}
static int prio_limit(void)
{
	struct rlimit same;
	return prlimit(daemon_pid, RLIMIT_CORE, NULL, &same) == 0 && prlimit(daemon_pid, RLIMIT_CORE, &same, NULL) == 0;
}
static int prio_limit_read(void)
{
	struct rlimit same;
	return prlimit(daemon_pid, RLIMIT_NOFILE, NULL, &same) == 0;
}
static int prio_pages(void) ROW(through(syscall(SYS_migrate_pages, daemon_pid, 0L, NULL, NULL)))
static int prio_move(void) ROW(syscall(SYS_move_pages, daemon_pid, 0UL, NULL, NULL, NULL, 0) == 0)
static int prio_oom(void) ROW(open(of_daemon("oom_score_adj"), O_WRONLY) >= 0)
static int prio_autogroup(void) ROW(open(of_daemon("autogroup"), O_WRONLY) >= 0)
static int prio_slack(void) ROW(gives(open(of_daemon("timerslack_ns"), O_RDWR)))
static int prio_own_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);
	return fd >= 0 && write(fd, "-900", 4) == 4;
}
static int prio_real_time(void)
{
	struct sched_param p = { 1 };
	return syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p) == 0;
}

/* --- memory and descriptors */
static int trace_attach(void)
{
	if (ptrace(PTRACE_ATTACH, daemon_pid, 0, 0))
		return REFUSED;
	waitpid(daemon_pid, NULL, __WALL);
	ptrace(PTRACE_DETACH, daemon_pid, 0, 0);
	return DONE;
}
static int trace_seize(void)
{
	return ptrace(PTRACE_SEIZE, daemon_pid, 0, 0) == 0;
}
static int trace_me(void) ROW(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
static int trace_read(void)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)8, 1 };
	long got = process_vm_readv(daemon_pid, &here, 1, &there, 1, 0);
	return got == 1 || errno == EFAULT;
}
static int trace_write(void)
{
	char byte = 0;
	struct iovec here = { &byte, 1 }, there = { (void *)8, 1 };
	long got = process_vm_writev(daemon_pid, &here, 1, &there, 1, 0);
	return got == 1 || errno == EFAULT;
}
static int trace_compare(void) ROW(syscall(SYS_kcmp, daemon_pid, getpid(), 0, 0, 0) >= 0)
static int trace_advise(void)
{
	struct iovec v = { NULL, 4096 };
	return through(syscall(SYS_process_madvise, pidfd(daemon_pid), &v, 1UL, 21, 0));
}
static int trace_getfd(void) ROW(syscall(SYS_pidfd_getfd, pidfd(daemon_pid), 0, 0) >= 0)

static int proc_mem(void) ROW(open(of_daemon("mem"), O_RDONLY) >= 0)
static int proc_mem_write(void) ROW(open(of_daemon("mem"), O_WRONLY) >= 0)
static int proc_task_mem(void)
{
	char name[64];
	snprintf(name, sizeof name, "task/%d/mem", thread_of_daemon());
	return open(of_daemon(name), O_RDONLY) >= 0;
}
static int proc_environ(void) ROW(gives(open(of_daemon("environ"), O_RDONLY)))
static int proc_maps(void) ROW(gives(open(of_daemon("maps"), O_RDONLY)))
static int proc_smaps(void) ROW(gives(open(of_daemon("smaps"), O_RDONLY)))
static int proc_auxv(void) ROW(gives(open(of_daemon("auxv"), O_RDONLY)))
static int proc_cwd(void) ROW(chdir(of_daemon("cwd")) == 0)
static int proc_root(void) ROW(open(of_daemon("root/etc/passwd"), O_RDONLY) >= 0)
static int proc_exe(void) ROW(open(of_daemon("exe"), O_RDONLY) >= 0)
static int proc_fd(void)
{
	DIR *dir = opendir(of_daemon("fd"));
	return dir && readdir(dir) && readdir(dir) && readdir(dir);
}
static int proc_fd_open(void) ROW(open(of_daemon("fd/0"), O_RDONLY) >= 0)
static int proc_io(void) ROW(gives(open(of_daemon("io"), O_RDONLY)))
static int proc_refs(void) ROW(open(of_daemon("clear_refs"), O_WRONLY) >= 0)
static int proc_syscall(void) ROW(gives(open(of_daemon("syscall"), O_RDONLY)))

/* Others' environments: a variable of the daemon's start. */
static int environment_of_all(void)
{
	char all[65536];
	int found = 0;
	DIR *dir = opendir("/proc");
	for (struct dirent *e; dir && (e = readdir(dir)) && !found;) {
		char name[300];
		snprintf(name, sizeof name, "/proc/%s/environ", e->d_name);
		int fd = atoi(e->d_name) > 0 ? open(name, O_RDONLY) : -1;
		ssize_t n = fd < 0 ? 0 : read(fd, all, sizeof all);
		found = n > 0 && memmem(all, n, "PICOCLAW_HOME=", 14);
		if (fd >= 0)
			close(fd);
	}
	return found;
}
static int environment_own(void)
{
	extern char **environ;
	for (char **e = environ; *e; e++)
		if (!strncmp(*e, "PICOCLAW", 8) || strstr(*e, "KEY=") || strstr(*e, "TOKEN="))
			return DONE;
	return REFUSED;
}
static int descriptors(void)
{
	/* Ours: none but the pipe that takes the outcome. */
	int ours[2], found = 0;
	if (pipe(ours))
		return CANNOT;
	for (int fd = 3; fd < ours[0] + 64; fd++) {
		struct stat s;
		if (fd != ours[0] && fd != ours[1] && fstat(fd, &s) == 0)
			found++;
	}
	return found > 1;
}

/* --- sockets of this machine's services */
static int unix_socket(int kind) ROW(socket(AF_UNIX, kind, 0) >= 0)
static int unix_stream(void) ROW(unix_socket(SOCK_STREAM))
static int unix_datagram(void) ROW(unix_socket(SOCK_DGRAM))
static int unix_packet(void) ROW(unix_socket(SOCK_SEQPACKET))
static int unix_pair(int kind)
{
	int ends[2];
	return socketpair(AF_UNIX, kind, 0, ends) == 0;
}
static int unix_pair_datagram(void) ROW(unix_pair(SOCK_DGRAM))
static int unix_pair_raw(void) ROW(unix_pair(SOCK_RAW | SOCK_CLOEXEC))
static int unix_pair_nonblock(void) ROW(unix_pair(SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC))
static int unix_connect(const char *name, int length)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int ends[2], fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(a.sun_path, name, length);
	if (fd >= 0)
		return connect(fd, (void *)&a, sizeof(sa_family_t) + length) == 0 || errno == ECONNREFUSED || errno == ENOENT;
	/* One of a pair could be connected elsewhere only if it were not connected already. */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return REFUSED;
	return connect(ends[0], (void *)&a, sizeof(sa_family_t) + length) == 0;
}
static int unix_control(void)
{
	char *name = home("state/control.sock");
	return unix_connect(name, strnlen(name, 100));
}
static int unix_abstract(void) ROW(unix_connect("\0picoclaw", 9))
static int unix_send(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
		return REFUSED;
	return through(sendto(ends[0], "x", 1, MSG_DONTWAIT, (void *)&a, sizeof a));
}
#define FAMILY(name, family) static int name(void) ROW(through(socket(family, SOCK_RAW, 0)))
FAMILY(family_packet, AF_PACKET)
FAMILY(family_bluetooth, AF_BLUETOOTH)
FAMILY(family_can, AF_CAN)
FAMILY(family_key, AF_KEY)
static int family_vsock(void) ROW(through(socket(AF_VSOCK, SOCK_STREAM, 0)))
static int family_alg(void) ROW(through(socket(AF_ALG, SOCK_SEQPACKET, 0)))
static int family_tipc(void) ROW(through(socket(30, SOCK_SEQPACKET, 0)))
static int family_raw(void) ROW(through(socket(AF_INET, SOCK_RAW, 1)))

/* --- what would outlive the command */
static int ipc_memory(void)
{
	int id = syscall(SYS_shmget, 0, 4096, 01600);
	if (id >= 0)
		syscall(SYS_shmctl, id, 0, NULL);
	return id >= 0;
}
static int ipc_queue(void)
{
	int id = syscall(SYS_msgget, 0, 01600);
	if (id >= 0)
		syscall(SYS_msgctl, id, 0, NULL);
	return id >= 0;
}
static int ipc_semaphore(void)
{
	int id = syscall(SYS_semget, 0, 1, 01600);
	if (id >= 0)
		syscall(SYS_semctl, id, 0, 0, NULL);
	return id >= 0;
}
static int ipc_posix(void)
{
	mqd_t id = mq_open("/attempts", O_CREAT | O_RDWR, 0600, NULL);
	if (id != (mqd_t)-1)
		mq_unlink("/attempts");
	return id != (mqd_t)-1;
}
static int ipc_shm_file(void)
{
	int fd = open("/dev/shm/attempts", O_CREAT | O_RDWR, 0600);
	unlink("/dev/shm/attempts");
	return fd >= 0;
}

/* --- the sandbox is inherited */
static int start_memfd(char **argv)
{
	extern char **environ;
	char block[65536];
	int from = open("/proc/self/exe", O_RDONLY), to = memfd_create("x", 0);
	for (ssize_t n; (n = read(from, block, sizeof block)) > 0;)
		if (write(to, block, n) != n)
			return -1;
	return fexecve(to, argv, environ);
}
static int start_copy(char **argv)
{
	char block[65536];
	int from = open("/proc/self/exe", O_RDONLY), to = fresh("copy");
	for (ssize_t n; (n = read(from, block, sizeof block)) > 0;)
		if (write(to, block, n) != n)
			return -1;
	close(to);
	return execv("./copy", argv);
}
static int start_session(char **argv)
{
	setsid();
	return execv("/proc/self/exe", argv);
}
static int start_shell(char **argv)
{
	char line[PATH_MAX * 3];
	int n = snprintf(line, sizeof line, "(exec '%s' run %s %s '%s' '%s' %s)", argv[0], argv[2], argv[3], argv[4], argv[5], argv[6]);
	return n < (int)sizeof line ? execl("/bin/sh", "sh", "-c", line, NULL) : -1;
}
static int inherit_memfd(void) ROW(again("read-home/open", start_memfd))
static int inherit_copy(void) ROW(again("read-home/open", start_copy))
static int inherit_session(void) ROW(again("read-home/open", start_session))
static int inherit_shell(void) ROW(again("read-home/open", start_shell))
static int result;
static void *in_thread(void *unused)
{
	(void)unused;
	result = gives(open(home("config.json"), O_RDONLY));
	return NULL;
}
static int inherit_thread(void)
{
	pthread_t t;
	return pthread_create(&t, NULL, in_thread, NULL) == 0 && pthread_join(t, NULL) == 0 && result;
}

#define MAY_LACK "not in every kernel"
#define ROOTS "only root may, outside as well"

const struct row processes[] = {
	{ "signals", "kill", CALLS, sig_kill },
	{ "signals", "probe", CALLS, sig_probe },
	{ "signals", "thread-number", CALLS, sig_thread_number },
	{ "signals", "tkill", CALLS, sig_tkill },
	{ "signals", "tgkill", CALLS, sig_tgkill },
	{ "signals", "tgkill-any", CALLS, sig_tgkill_own, "the kernel takes no such number" },
	{ "signals", "sigqueue", CALLS, sig_queue },
	{ "signals", "tgsigqueue", CALLS, sig_tgqueue },
	{ "signals", "group", CALLS, sig_group },
	{ "signals", "pidfd", CALLS, sig_pidfd },
	{ "signals", "proc-as-pidfd", CALLS, sig_proc_fd },
	{ "signals", "owner", CALLS, sig_owner },
	{ "signals", "owner-ex", CALLS, sig_owner_ex },
	{ "signals", "owner-ioctl", CALLS, sig_owner_ioctl },
	{ "signals", "join-group", CALLS, sig_join },
	{ "signals-to-others", "kill", SIGNALS, other_kill },
	{ "signals-to-others", "tgkill", SIGNALS, other_tgkill },
	{ "signals-to-others", "sigqueue", SIGNALS, other_queue },
	{ "priorities", "process", CALLS, prio_process },
	{ "priorities", "group", CALLS, prio_group },
	{ "priorities", "user", CALLS, prio_user, "others of the user may have a lower priority" },
	{ "priorities", "io", CALLS, prio_io },
	{ "priorities", "io-of-user", CALLS, prio_io_user },
	{ "priorities", "scheduler", CALLS, prio_scheduler },
	{ "priorities", "parameters", CALLS, prio_param },
	{ "priorities", "attributes", CALLS, prio_attr },
	{ "priorities", "affinity", CALLS, prio_affinity },
	{ "priorities", "limit", CALLS, prio_limit },
	{ "priorities", "limit-read", CALLS, prio_limit_read },
	{ "priorities", "migrate-pages", CALLS, prio_pages, MAY_LACK },
	{ "priorities", "move-pages", CALLS, prio_move, MAY_LACK },
	{ "priorities", "oom-score", ANY, prio_oom },
	{ "priorities", "autogroup", ANY, prio_autogroup, MAY_LACK },
	{ "priorities", "timer-slack", ANY, prio_slack, ROOTS },
	{ "priorities", "own-oom-score", ANY, prio_own_oom, ROOTS },
	{ "priorities", "real-time", ANY, prio_real_time, ROOTS },
	{ "tracing", "attach", CALLS, trace_attach },
	{ "tracing", "seize", CALLS, trace_seize },
	{ "tracing", "trace-me", CALLS, trace_me },
	{ "tracing", "read-memory", CALLS, trace_read, MAY_LACK },
	{ "tracing", "write-memory", CALLS, trace_write, MAY_LACK },
	{ "tracing", "compare", CALLS, trace_compare, MAY_LACK },
	{ "tracing", "advise", CALLS, trace_advise, MAY_LACK },
	{ "tracing", "pidfd-getfd", CALLS, trace_getfd },
	{ "proc-files", "mem", ANY, proc_mem },
	{ "proc-files", "mem-write", ANY, proc_mem_write },
	{ "proc-files", "task-mem", ANY, proc_task_mem },
	{ "proc-files", "environ", ANY, proc_environ },
	{ "proc-files", "maps", ANY, proc_maps },
	{ "proc-files", "smaps", ANY, proc_smaps, MAY_LACK },
	{ "proc-files", "auxv", ANY, proc_auxv },
	{ "proc-files", "cwd", ANY, proc_cwd },
	{ "proc-files", "root", ANY, proc_root },
	{ "proc-files", "exe", ANY, proc_exe },
	{ "proc-files", "fd", ANY, proc_fd },
	{ "proc-files", "fd-open", ANY, proc_fd_open },
	{ "proc-files", "io", ANY, proc_io, MAY_LACK },
	{ "proc-files", "clear-refs", ANY, proc_refs, MAY_LACK },
	{ "proc-files", "syscall", ANY, proc_syscall, MAY_LACK },
	{ "environment", "own", ANY, environment_own },
	{ "environment", "of-all", ANY, environment_of_all },
	{ "descriptors", "inherited", ANY, descriptors },
	{ "unix-sockets", "stream", CALLS, unix_stream },
	{ "unix-sockets", "datagram", CALLS, unix_datagram },
	{ "unix-sockets", "packet", CALLS, unix_packet },
	{ "unix-sockets", "pair-datagram", CALLS, unix_pair_datagram },
	{ "unix-sockets", "pair-raw", CALLS, unix_pair_raw },
	{ "unix-sockets", "pair-flags", CALLS, unix_pair_nonblock },
	{ "unix-sockets", "control-socket", CALLS, unix_control },
	{ "unix-sockets", "abstract", CALLS, unix_abstract },
	{ "unix-sockets", "system-log", CALLS, unix_send },
	{ "socket-families", "packet", CALLS, family_packet, ROOTS },
	{ "socket-families", "bluetooth", CALLS, family_bluetooth, MAY_LACK },
	{ "socket-families", "can", CALLS, family_can, MAY_LACK },
	{ "socket-families", "key", CALLS, family_key, MAY_LACK },
	{ "socket-families", "vsock", CALLS, family_vsock, MAY_LACK },
	{ "socket-families", "alg", CALLS, family_alg, MAY_LACK },
	{ "socket-families", "tipc", CALLS, family_tipc, MAY_LACK },
	{ "socket-families", "raw-ip", ANY, family_raw, ROOTS },
	{ "lasting-objects", "shared-memory", CALLS, ipc_memory, MAY_LACK },
	{ "lasting-objects", "queue", CALLS, ipc_queue, MAY_LACK },
	{ "lasting-objects", "semaphore", CALLS, ipc_semaphore, MAY_LACK },
	{ "lasting-objects", "posix-queue", CALLS, ipc_posix, MAY_LACK },
	{ "lasting-objects", "shm-file", LANDLOCK, ipc_shm_file, "where there is a /dev/shm" },
	{ "inherited-sandbox", "memfd", HOME, inherit_memfd },
	{ "inherited-sandbox", "copy", HOME, inherit_copy },
	{ "inherited-sandbox", "session", HOME, inherit_session },
	{ "inherited-sandbox", "shell", HOME, inherit_shell },
	{ "inherited-sandbox", "thread", HOME, inherit_thread },
	{ 0 },
};
