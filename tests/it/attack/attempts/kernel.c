/* The kernel itself: namespaces, mounts, modules, devices, privileges. */
#include "attempts.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <grp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>

#define ROW(body) { return body; }

/* A pair of datagram sockets, which the call filter denies and everything else allows. */
static int unix_pair_after(void)
{
	int ends[2];
	return socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0;
}

/* --- namespaces */
#define UNSHARE(name, flag) static int name(void) ROW(unshare(flag) == 0)
UNSHARE(ns_user, CLONE_NEWUSER)
UNSHARE(ns_mount, CLONE_NEWNS)
UNSHARE(ns_net, CLONE_NEWNET)
UNSHARE(ns_pid, CLONE_NEWPID)
UNSHARE(ns_uts, CLONE_NEWUTS)
UNSHARE(ns_ipc, CLONE_NEWIPC)
UNSHARE(ns_cgroup, CLONE_NEWCGROUP)
UNSHARE(ns_both, CLONE_NEWUSER | CLONE_NEWNS)
static int ns_clone(void)
{
	long child = syscall(SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0);
	if (child == 0)
		_exit(0);
	return child > 0;
}
static int ns_clone3(void)
{
	uint64_t how[8] = { CLONE_NEWUSER, 0, 0, 0, 17 };
	long child = syscall(SYS_clone3, how, sizeof how);
	if (child == 0)
		_exit(0);
	return child > 0;
}
static int ns_enter(void) ROW(through(setns(open(of_daemon("ns/net"), O_RDONLY), 0)))
static int ns_enter_own(void) ROW(setns(open("/proc/self/ns/uts", O_RDONLY), 0) == 0)

/* --- mounts */
static int m_mount(void) ROW(mount("none", outside_path, "tmpfs", 0, NULL) == 0)
static int m_bind(void) ROW(mount(home_path, ".", NULL, MS_BIND, NULL) == 0)
static int m_umount(void) ROW(through(umount2("/nowhere", MNT_DETACH)))
static int m_pivot(void) ROW(through(syscall(SYS_pivot_root, "/nowhere", "/nowhere")))
static int m_chroot(void) ROW(chroot(".") == 0)
static int m_fsopen(void) ROW(syscall(SYS_fsopen, "tmpfs", 0) >= 0)
static int m_fspick(void) ROW(syscall(SYS_fspick, AT_FDCWD, "/", 0) >= 0)
static int m_fsmount(void) ROW(through(syscall(SYS_fsmount, -1, 0, 0)))
static int m_open_tree(void) ROW(syscall(SYS_open_tree, AT_FDCWD, home_path, 1) >= 0)
static int m_move(void) ROW(through(syscall(SYS_move_mount, -1, "", -1, "", 0)))
static int m_setattr(void)
{
	uint64_t attr[4] = { 0, 0, 0, 0 };
	return through(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, attr, sizeof attr));
}

/* --- the kernel as a whole; arguments are wrong, so that nothing comes of it */
static int k_module(void) ROW(through(syscall(SYS_init_module, "", 0UL, "")))
static int k_module_file(void) ROW(through(syscall(SYS_finit_module, -1, "", 0)))
static int k_module_delete(void) ROW(through(syscall(SYS_delete_module, "no-such-module", O_NONBLOCK)))
static int k_kexec(void) ROW(through(syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0xffffUL)))
static int k_reboot(void) ROW(through(syscall(SYS_reboot, 0, 0, 0, NULL)))
static int k_swapon(void) ROW(through(syscall(SYS_swapon, "/nowhere", 0)))
static int k_swapoff(void) ROW(through(syscall(SYS_swapoff, "/nowhere")))
static int k_acct(void) ROW(through(syscall(SYS_acct, "/nowhere")))
static int k_log(void) ROW(syscall(SYS_syslog, 10, NULL, 0) >= 0)
static int k_hostname(void) ROW(sethostname("x", 1) == 0)
static int k_domain(void) ROW(setdomainname("x", 1) == 0)
static int k_quota(void) ROW(through(syscall(SYS_quotactl, 0x800002 << 8, "/nowhere", 0, NULL)))
static int c_settimeofday(void)
{
	struct timeval bad = { 1, 2000000 };
	return through(syscall(SYS_settimeofday, &bad, NULL));
}
static int c_settime(void)
{
	struct timespec bad = { 1, 2000000000 };
	return through(syscall(SYS_clock_settime, CLOCK_REALTIME, &bad));
}
static int c_adjust(void)
{
	struct timex bad = { .modes = ADJ_TICK, .tick = 1 };
	return through(syscall(SYS_adjtimex, &bad));
}
static int c_adjust_clock(void)
{
	struct timex bad = { .modes = ADJ_TICK, .tick = 1 };
	return through(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &bad));
}
static int key_add(void) ROW(syscall(SYS_add_key, "user", "x", "y", 1UL, -3) >= 0)
static int key_session(void) ROW(syscall(SYS_keyctl, 0, -3, 1) >= 0)
static int key_join(void) ROW(syscall(SYS_keyctl, 1, NULL) >= 0)
static int key_request(void) ROW(through(syscall(SYS_request_key, "user", "no-such-key", NULL, 0)))

/* --- large parts of the kernel */
static int u_setup(void)
{
	uint32_t p[30] = { 0 };
	return syscall(SYS_io_uring_setup, 1, p) >= 0;
}
static int u_enter(void) ROW(through(syscall(SYS_io_uring_enter, -1, 1, 0, 0, NULL, 0UL)))
static int u_register(void) ROW(through(syscall(SYS_io_uring_register, -1, 0, NULL, 0)))
static int f_call(void) ROW(syscall(SYS_userfaultfd, 1) >= 0)
static int f_device(void) ROW(open("/dev/userfaultfd", O_RDWR) >= 0)
static int b_map(void)
{
	uint32_t attr[32] = { 2, 4, 4, 1 };
	return syscall(SYS_bpf, 0, attr, sizeof attr) >= 0;
}
static int b_program(void) ROW(through(syscall(SYS_bpf, 5, NULL, 0)))
static int b_perf(void)
{
	uint32_t attr[32] = { 1, 128 };
	attr[10] = 1 << 5 | 1 << 6;
	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0UL) >= 0;
}
/* A filter that allows everything does not lift the one before it. */
static int b_filter(void)
{
	struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { 1, all };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return CANNOT;
	return unix_pair_after();
}

/* --- calls under other numbers */
#if defined(__x86_64__)
static void *low_memory(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	return page == MAP_FAILED ? NULL : page;
}
static int a_int80(void)
{
	/* The 32-bit kernel's socketpair(AF_UNIX, SOCK_DGRAM): number 360. */
	void *ends = low_memory();
	long result;
	if (!ends)
		return CANNOT;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(360L), "b"(1L), "c"(2L), "d"(0L), "S"(ends) : "memory", "r8", "r9", "r10", "r11");
	errno = result < 0 ? (int)-result : 0;
	return result == 0;
}
static int a_x32(void)
{
	int ends[2];
	return syscall(0x40000000 + SYS_socketpair, 1, 2, 0, ends) == 0;
}
static int a_iopl(void) ROW(syscall(SYS_iopl, 0) == 0)
static int a_ldt(void)
{
	char table[64];
	return syscall(SYS_modify_ldt, 0, table, sizeof table) >= 0;
}
#endif

/* --- privileges */
static int p_setuid(void) ROW(setuid(0) == 0)
static int p_setgid(void) ROW(setgid(0) == 0)
static int p_groups(void)
{
	gid_t root = 0;
	return setgroups(1, &root) == 0;
}
static int p_capabilities(void)
{
	uint32_t header[2] = { 0x20080522, 0 }, data[6] = { 0 };
	return syscall(SYS_capget, header, data) == 0 && (data[0] || data[1] || data[3] || data[4]);
}
static int p_capset(void)
{
	uint32_t header[2] = { 0x20080522, 0 }, data[6] = { 1, 1, 1, 0, 0, 0 };
	return syscall(SYS_capset, header, data) == 0;
}
static int p_new(void) ROW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0)
static int p_unset(void) ROW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0)
/* A program of root's that is set-user-id; whoever prepares the attempt puts it there. */
static int p_program(void)
{
	int status;
	pid_t child;
	if (access("rootid", X_OK))
		return CANNOT;
	child = fork();
	if (child == 0) {
		execl("./rootid", "rootid", "--root", NULL);
		_exit(1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

/* --- devices */
#define DEVICE(name, path) static int name(void) ROW(device(path))
static int device(const char *path)
{
	struct stat s;
	if (stat(path, &s))
		return CANNOT;
	return open(path, O_RDONLY | O_NONBLOCK) >= 0;
}
DEVICE(d_mem, "/dev/mem")
DEVICE(d_kmsg, "/dev/kmsg")
DEVICE(d_vda, "/dev/vda")
DEVICE(d_sda, "/dev/sda")
DEVICE(d_mmc, "/dev/mmcblk0")
DEVICE(d_loop, "/dev/loop-control")
DEVICE(d_fuse, "/dev/fuse")
DEVICE(d_tun, "/dev/net/tun")
DEVICE(d_kvm, "/dev/kvm")
DEVICE(d_console, "/dev/console")
DEVICE(d_tty0, "/dev/ttyS0")
DEVICE(d_ptmx, "/dev/ptmx")
DEVICE(d_gpio, "/dev/gpiochip0")
DEVICE(d_i2c, "/dev/i2c-0")
DEVICE(d_input, "/dev/input/event0")
DEVICE(d_rtc, "/dev/rtc0")
DEVICE(d_watchdog, "/dev/watchdog0")
static int n_node(mode_t kind, dev_t number)
{
	int made = mknod("node", kind | 0666, number);
	int error = errno;
	unlink("node");
	errno = error;
	return made == 0;
}
static int n_char(void) ROW(n_node(S_IFCHR, makedev(1, 1)))
static int n_block(void) ROW(n_node(S_IFBLK, makedev(8, 0)))
static int n_null(void) ROW(n_node(S_IFCHR, makedev(1, 3)))

/* --- the owner's terminal */
static int t_type(void) ROW(through(ioctl(0, 0x5412, "x")))
static int t_select(void) ROW(through(ioctl(0, 0x541c, "\3")))
static int t_open(void) ROW(open("/dev/tty", O_RDWR) >= 0)
static int t_session(void) ROW(getsid(0) == getsid(daemon_pid))

/* --- files of the kernel */
#define KWRITE(name, path) static int name(void) ROW(open(path, O_WRONLY) >= 0)
#define KREAD(name, path) static int name(void) ROW(readable(path))
static int readable(const char *path)
{
	struct stat s;
	if (lstat(path, &s))
		return errno == ENOENT ? CANNOT : REFUSED;
	return open(path, O_RDONLY | O_NONBLOCK) >= 0;
}
KWRITE(w_core, "/proc/sys/kernel/core_pattern")
KWRITE(w_modprobe, "/proc/sys/kernel/modprobe")
KWRITE(w_sysrq, "/proc/sysrq-trigger")
KWRITE(w_panic, "/proc/sys/kernel/panic")
KWRITE(w_forward, "/proc/sys/net/ipv4/ip_forward")
KWRITE(w_helper, "/sys/kernel/uevent_helper")
KWRITE(w_power, "/sys/power/state")
KWRITE(w_cgroup, "/sys/fs/cgroup/cgroup.procs")
KWRITE(w_userns, "/proc/self/uid_map")
KREAD(s_kcore, "/proc/kcore")
KREAD(s_kmsg, "/proc/kmsg")
KREAD(s_tracing, "/sys/kernel/tracing")
KREAD(s_debug, "/sys/kernel/debug")
KREAD(s_firmware, "/sys/firmware")
KREAD(s_shadow, "/etc/shadow")
KREAD(s_settings, "/etc/picoclaw")
KREAD(s_default, "/etc/default/picoclaw")
KREAD(s_boot, "/boot")
KREAD(s_root, "/root")

#define MAY_LACK "not in every kernel, or only for root"
#define HAS_NONE "where the machine has it, and root"
#define ROOTS "only root may, outside as well"

const struct row kernel[] = {
	{ "namespaces", "user", CALLS, ns_user, MAY_LACK },
	{ "namespaces", "mount", CALLS, ns_mount, ROOTS },
	{ "namespaces", "net", CALLS, ns_net, ROOTS },
	{ "namespaces", "pid", CALLS, ns_pid, ROOTS },
	{ "namespaces", "uts", CALLS, ns_uts, ROOTS },
	{ "namespaces", "ipc", CALLS, ns_ipc, ROOTS },
	{ "namespaces", "cgroup", CALLS, ns_cgroup, ROOTS },
	{ "namespaces", "user-and-mount", CALLS, ns_both, MAY_LACK },
	{ "namespaces", "clone", CALLS, ns_clone, MAY_LACK },
	{ "namespaces", "clone3", CALLS, ns_clone3, MAY_LACK },
	{ "namespaces", "enter", CALLS, ns_enter, ROOTS },
	{ "namespaces", "enter-own", CALLS, ns_enter_own, ROOTS },
	{ "mounts", "mount", CALLS, m_mount, ROOTS },
	{ "mounts", "bind", CALLS, m_bind, ROOTS },
	{ "mounts", "umount", CALLS, m_umount, ROOTS },
	{ "mounts", "pivot-root", CALLS, m_pivot, ROOTS },
	{ "mounts", "chroot", CALLS, m_chroot, ROOTS },
	{ "mounts", "fsopen", CALLS, m_fsopen, ROOTS },
	{ "mounts", "fspick", CALLS, m_fspick, ROOTS },
	{ "mounts", "fsmount", CALLS, m_fsmount, ROOTS },
	{ "mounts", "open-tree", CALLS, m_open_tree, ROOTS },
	{ "mounts", "move-mount", CALLS, m_move, ROOTS },
	{ "mounts", "mount-setattr", CALLS, m_setattr, ROOTS },
	{ "kernel-calls", "init-module", CALLS, k_module, MAY_LACK },
	{ "kernel-calls", "finit-module", CALLS, k_module_file, MAY_LACK },
	{ "kernel-calls", "delete-module", CALLS, k_module_delete, MAY_LACK },
	{ "kernel-calls", "kexec", CALLS, k_kexec, MAY_LACK },
	{ "kernel-calls", "reboot", CALLS, k_reboot, ROOTS },
	{ "kernel-calls", "swapon", CALLS, k_swapon, MAY_LACK },
	{ "kernel-calls", "swapoff", CALLS, k_swapoff, MAY_LACK },
	{ "kernel-calls", "accounting", CALLS, k_acct, MAY_LACK },
	{ "kernel-calls", "kernel-log", CALLS, k_log, MAY_LACK },
	{ "kernel-calls", "host-name", CALLS, k_hostname, ROOTS },
	{ "kernel-calls", "domain-name", CALLS, k_domain, ROOTS },
	{ "kernel-calls", "quota", CALLS, k_quota, MAY_LACK },
	{ "clock", "settimeofday", CALLS, c_settimeofday, ROOTS },
	{ "clock", "clock-settime", CALLS, c_settime, ROOTS },
	{ "clock", "adjtimex", ANY, c_adjust, ROOTS },
	{ "clock", "clock-adjtime", ANY, c_adjust_clock, ROOTS },
	{ "keys", "add", CALLS, key_add, MAY_LACK },
	{ "keys", "session", CALLS, key_session, MAY_LACK },
	{ "keys", "join", CALLS, key_join, MAY_LACK },
	{ "keys", "request", CALLS, key_request, MAY_LACK },
	{ "io-uring", "setup", CALLS, u_setup, MAY_LACK },
	{ "io-uring", "enter", CALLS, u_enter, MAY_LACK },
	{ "io-uring", "register", CALLS, u_register, MAY_LACK },
	{ "userfaultfd", "call", CALLS, f_call, MAY_LACK },
	{ "userfaultfd", "device", LANDLOCK, f_device, HAS_NONE },
	{ "bpf", "map", CALLS, b_map, MAY_LACK },
	{ "bpf", "program", CALLS, b_program, MAY_LACK },
	{ "bpf", "perf-event", CALLS, b_perf, MAY_LACK },
	{ "bpf", "filter-on-filter", CALLS, b_filter },
#if defined(__x86_64__)
	{ "other-numbers", "int80", CALLS, a_int80, MAY_LACK },
	{ "other-numbers", "x32", CALLS, a_x32, MAY_LACK },
	{ "other-numbers", "iopl", CALLS, a_iopl, MAY_LACK },
	{ "other-numbers", "modify-ldt", CALLS, a_ldt, MAY_LACK },
#endif
	{ "privileges", "setuid", ANY, p_setuid, ROOTS },
	{ "privileges", "setgid", ANY, p_setgid, ROOTS },
	{ "privileges", "setgroups", ANY, p_groups, ROOTS },
	{ "privileges", "capabilities", ANY, p_capabilities, ROOTS },
	{ "privileges", "capset", ANY, p_capset, ROOTS },
	{ "privileges", "no-new-privs", ANY, p_new },
	{ "privileges", "unset-no-new-privs", ANY, p_unset, "the kernel has no way" },
	{ "privileges", "set-user-id-program", ANY, p_program, "only root can prepare it" },
	{ "devices", "mem", ANY, d_mem, HAS_NONE },
	{ "devices", "kmsg", LANDLOCK, d_kmsg, HAS_NONE },
	{ "devices", "vda", ANY, d_vda, HAS_NONE },
	{ "devices", "sda", ANY, d_sda, HAS_NONE },
	{ "devices", "mmcblk0", ANY, d_mmc, HAS_NONE },
	{ "devices", "loop-control", ANY, d_loop, HAS_NONE },
	{ "devices", "fuse", LANDLOCK, d_fuse, HAS_NONE },
	{ "devices", "tun", LANDLOCK, d_tun, HAS_NONE },
	{ "devices", "kvm", LANDLOCK, d_kvm, HAS_NONE },
	{ "devices", "console", ANY, d_console, HAS_NONE },
	{ "devices", "ttyS0", ANY, d_tty0, HAS_NONE },
	{ "devices", "ptmx", LANDLOCK, d_ptmx, HAS_NONE },
	{ "devices", "gpiochip0", ANY, d_gpio, HAS_NONE },
	{ "devices", "i2c-0", ANY, d_i2c, HAS_NONE },
	{ "devices", "event0", ANY, d_input, HAS_NONE },
	{ "devices", "rtc0", ANY, d_rtc, HAS_NONE },
	{ "devices", "watchdog0", ANY, d_watchdog, HAS_NONE },
	{ "device-nodes", "char", CALLS, n_char, ROOTS },
	{ "device-nodes", "block", CALLS, n_block, ROOTS },
	{ "device-nodes", "null", CALLS, n_null, ROOTS },
	{ "terminal", "type", CALLS, t_type },
	{ "terminal", "select", CALLS, t_select },
	{ "terminal", "open", ANY, t_open, "where there is one" },
	{ "terminal", "session", ANY, t_session },
	{ "kernel-files", "core-pattern", ANY, w_core, ROOTS },
	{ "kernel-files", "modprobe", ANY, w_modprobe, ROOTS },
	{ "kernel-files", "sysrq", ANY, w_sysrq, ROOTS },
	{ "kernel-files", "panic", ANY, w_panic, ROOTS },
	{ "kernel-files", "forwarding", ANY, w_forward, ROOTS },
	{ "kernel-files", "uevent-helper", ANY, w_helper, ROOTS },
	{ "kernel-files", "power", ANY, w_power, ROOTS },
	{ "kernel-files", "control-group", ANY, w_cgroup, ROOTS },
	{ "kernel-files", "own-user-map", LANDLOCK, w_userns },
	{ "secrets-of-the-system", "kcore", ANY, s_kcore, HAS_NONE },
	{ "secrets-of-the-system", "kmsg", ANY, s_kmsg, HAS_NONE },
	{ "secrets-of-the-system", "tracing", LANDLOCK, s_tracing, HAS_NONE },
	{ "secrets-of-the-system", "debug", LANDLOCK, s_debug, HAS_NONE },
	{ "secrets-of-the-system", "firmware", LANDLOCK, s_firmware, HAS_NONE },
	{ "secrets-of-the-system", "shadow", ANY, s_shadow, ROOTS },
	{ "secrets-of-the-system", "etc-picoclaw", LANDLOCK, s_settings, HAS_NONE },
	{ "secrets-of-the-system", "default-picoclaw", LANDLOCK, s_default, HAS_NONE },
	{ "secrets-of-the-system", "boot", LANDLOCK, s_boot, HAS_NONE },
	{ "secrets-of-the-system", "root", ANY, s_root, ROOTS },
	{ 0 },
};
