/* Files that are not the workspace's: reading, writing, modes, times, owners. */
#include "attempts.h"
#include <dirent.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

#define CONFIG home("config.json")
#define VICTIM outside("victim")
#define ROW(body) { return body; }

static int lists(const char *folder)
{
	DIR *dir = opendir(folder);
	int n = 0;
	while (dir && readdir(dir))
		n++;
	return n > 2;
}

/* Creates, and takes it away again. */
static int makes(int result, const char *name)
{
	int error = errno;
	if (result >= 0 && unlink(name))
		rmdir(name);
	errno = error;
	return result >= 0;
}

/* --- reading the home */
static int read_open(void) ROW(gives(open(CONFIG, O_RDONLY)))
static int read_parent(void) ROW(gives(open("../config.json", O_RDONLY)))
static int read_cwd(void) ROW(gives(open("/proc/self/cwd/../config.json", O_RDONLY)))
static int read_root(void)
{
	char name[PATH_MAX];
	snprintf(name, sizeof name, "/proc/self/root%s", CONFIG);
	return gives(open(name, O_RDONLY));
}
static int read_path_fd(void) ROW(gives(open(in_proc(open(CONFIG, O_PATH)), O_RDONLY)))
static int read_link(void)
{
	unlink("l1");
	return symlink(CONFIG, "l1") == 0 && gives(open("l1", O_RDONLY));
}
static int read_hard_link(void)
{
	unlink("l2");
	return link(CONFIG, "l2") == 0 && gives(open("l2", O_RDONLY));
}
static int read_renamed(void) ROW(rename(CONFIG, "l3") == 0 && gives(open("l3", O_RDONLY)))
static int read_folder(void) ROW(lists(home("")))
static int read_openat2(void)
{
	uint64_t how[3] = { O_RDONLY, 0, 0 };
	return gives(syscall(SYS_openat2, AT_FDCWD, CONFIG, how, sizeof how));
}
static int read_chdir(void) ROW(chdir(home("")) == 0 && gives(open("config.json", O_RDONLY)))
static int read_handle(void)
{
	union { struct file_handle h; char room[sizeof(struct file_handle) + 128]; } u = { .h.handle_bytes = 128 };
	int id, folder = open(".", O_RDONLY);
	if (name_to_handle_at(AT_FDCWD, CONFIG, &u.h, &id, 0))
		return REFUSED;
	return gives(open_by_handle_at(folder, &u.h, O_RDONLY));
}
static int read_session(void) ROW(gives(open(home("sessions/telegram_1001.jsonl"), O_RDONLY)))
static int read_state(void) ROW(lists(home("state")))
static int read_execute(void)
{
	/* A program that is not readable can be run; a file is not. */
	return access(CONFIG, R_OK) == 0 && gives(open(CONFIG, O_RDONLY | O_NOATIME));
}

/* --- writing the home */
static int write_create(void) ROW(makes(open(home("new"), O_WRONLY | O_CREAT | O_EXCL, 0600), home("new")))
static int write_append(void) ROW(open(CONFIG, O_WRONLY | O_APPEND) >= 0)
static int write_truncate(void) ROW(truncate(CONFIG, 0) == 0)
static int write_unlink(void) ROW(unlink(CONFIG) == 0)
static int write_replace(void)
{
	close(fresh("mine"));
	return rename("mine", CONFIG) == 0;
}
static int write_exchange(void)
{
	close(fresh("mine"));
	return syscall(SYS_renameat2, AT_FDCWD, "mine", AT_FDCWD, CONFIG, RENAME_EXCHANGE) == 0;
}
static int write_folder(void) ROW(makes(mkdir(home("new"), 0700), home("new")))
static int write_overlay(void) ROW(open(home("config.d/99-mine.json"), O_WRONLY | O_CREAT, 0600) >= 0)
static int write_symlink(void) ROW(makes(symlink("config.json", home("new")), home("new")))
static int write_pipe(void) ROW(makes(mknod(home("new"), S_IFIFO | 0600, 0), home("new")))
static int write_tmpfile(void) ROW(open(home(""), O_TMPFILE | O_RDWR, 0600) >= 0)
static int write_link(void)
{
	close(fresh("mine"));
	return makes(link("mine", home("new")), home("new"));
}
static int write_rename_in(void)
{
	close(fresh("mine"));
	return makes(rename("mine", home("new")), home("new"));
}
static int write_session(void) ROW(open(home("sessions/telegram_1001.jsonl"), O_WRONLY | O_APPEND) >= 0)
static int write_jobs(void) ROW(open(home("cron/jobs.json"), O_WRONLY | O_CREAT, 0600) >= 0)
static int write_skill(void) ROW(open(home("skills/s/SKILL.md"), O_WRONLY | O_APPEND) >= 0)
static int write_workspace(void) ROW(rename(home("workspace"), home("workspace2")) == 0)

/* --- files of others */
static int out_read(void) ROW(gives(open(VICTIM, O_RDONLY)))
static int out_list(void) ROW(lists(outside_path))
static int out_etc(void) ROW(gives(open("/etc/fstab", O_RDONLY)))
static int out_create(void) ROW(makes(open(outside("new"), O_WRONLY | O_CREAT, 0600), outside("new")))
static int out_append(void) ROW(open(VICTIM, O_WRONLY | O_APPEND) >= 0)
static int out_unlink(void) ROW(unlink(VICTIM) == 0)
static int out_truncate(void) ROW(truncate(VICTIM, 0) == 0)
static int out_rename_in(void) ROW(rename(VICTIM, "l4") == 0)
static int out_rename_out(void)
{
	close(fresh("mine"));
	return rename("mine", outside("new")) == 0;
}
static int out_link_in(void)
{
	unlink("l5");
	return link(VICTIM, "l5") == 0;
}
static int out_link_fd(void)
{
	unlink("l6");
	return linkat(AT_FDCWD, in_proc(open(VICTIM, O_PATH)), AT_FDCWD, "l6", AT_SYMLINK_FOLLOW) == 0;
}
static int out_symlink(void) ROW(makes(symlink("x", outside("new")), outside("new")))
static int out_folder(void) ROW(makes(mkdir(outside("new"), 0700), outside("new")))
static int out_rmdir(void) ROW(rmdir(outside("empty")) == 0)
static int out_pipe(void) ROW(makes(mknod(outside("new"), S_IFIFO | 0600, 0), outside("new")))
static int out_through_link(void)
{
	unlink("l7");
	return symlink(outside_path, "l7") == 0 && open("l7/victim", O_WRONLY | O_APPEND) >= 0;
}

/* --- modes */
static int mode_home(void) ROW(chmod(home(""), 0755) == 0)
static int mode_config(void) ROW(chmod(CONFIG, 0644) == 0)
static int mode_lock_out(void) ROW(chmod(CONFIG, 0) == 0)
static int mode_at(void) ROW(fchmodat(AT_FDCWD, VICTIM, 0666, 0) == 0)
static int mode_at2(void) ROW(syscall(452, open(VICTIM, O_PATH), "", 0666, AT_EMPTY_PATH) == 0)
static int mode_proc(void) ROW(chmod(in_proc(open(VICTIM, O_PATH)), 0666) == 0)
static int mode_skill(void) ROW(fchmod(open(home("skills/s/SKILL.md"), O_RDONLY), 0666) == 0)
static int mode_link(void)
{
	unlink("l8");
	return symlink(VICTIM, "l8") == 0 && chmod("l8", 0666) == 0;
}
static int mode_parent(void) ROW(chmod("..", 0777) == 0)
static int mode_folder(void) ROW(fchmodat(open(".", O_PATH), "../state", 0755, 0) == 0)
static int mode_other_root(void)
{
	char name[PATH_MAX];
	snprintf(name, sizeof name, "/proc/self/root%s", VICTIM);
	return chmod(name, 0666) == 0;
}

/* --- times */
static const struct timespec past[2] = { { 1, 0 }, { 1, 0 } };
static int time_config(void) ROW(utimensat(AT_FDCWD, CONFIG, past, 0) == 0)
static int time_now(void) ROW(utimensat(AT_FDCWD, VICTIM, NULL, 0) == 0)
static int time_utimes(void)
{
	struct timeval t[2] = { { 1, 0 }, { 1, 0 } };
	return utimes(VICTIM, t) == 0;
}
static int time_utime(void)
{
	struct utimbuf t = { 1, 1 };
	return utime(VICTIM, &t) == 0;
}
static int time_proc(void) ROW(utimensat(AT_FDCWD, in_proc(open(VICTIM, O_PATH)), past, 0) == 0)
static int time_fd(void) ROW(futimens(open(home("skills/s/SKILL.md"), O_RDONLY), past) == 0)
static int time_empty(void) ROW(utimensat(open(VICTIM, O_PATH), "", past, AT_EMPTY_PATH) == 0)
static int time_link(void) ROW(utimensat(AT_FDCWD, outside("link"), past, AT_SYMLINK_NOFOLLOW) == 0)
static int time_folder(void) ROW(utimensat(AT_FDCWD, home(""), past, 0) == 0)

/* --- extended attributes, flags */
static int attr_set(void) ROW(setxattr(VICTIM, "user.x", "y", 1, 0) == 0)
static int attr_lset(void) ROW(lsetxattr(VICTIM, "user.x", "y", 1, 0) == 0)
static int attr_fset(void) ROW(fsetxattr(open(home("skills/s/SKILL.md"), O_RDONLY), "user.x", "y", 1, 0) == 0)
static int attr_proc(void) ROW(setxattr(in_proc(open(VICTIM, O_PATH)), "user.x", "y", 1, 0) == 0)
static int attr_acl(void)
{
	/* posix_acl_xattr: version 2; user, group, mask and others, all of them with everything. */
	uint16_t acl[] = { 2, 0, 1, 7, 0xffff, 0xffff, 4, 7, 0xffff, 0xffff, 0x20, 7, 0xffff, 0xffff };
	return setxattr(CONFIG, "system.posix_acl_access", acl, sizeof acl, 0) == 0;
}
static int attr_at(void)
{
	struct { uint64_t value; uint32_t size, flags; } how = { (uintptr_t)"y", 1, 0 };
	return syscall(463, AT_FDCWD, VICTIM, 0, "user.x", &how, sizeof how) == 0;
}
static int attr_remove(void) ROW(removexattr(CONFIG, "system.posix_acl_access") == 0 || errno == ENODATA)
static int flag_inode(void)
{
	int flags = 0, fd = open(home("skills/s/SKILL.md"), O_RDONLY);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return CANNOT;
	flags ^= FS_NODUMP_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}
static int flag_project(void)
{
	struct fsxattr x;
	int fd = open(home("skills/s/SKILL.md"), O_RDONLY);
	if (ioctl(fd, FS_IOC_FSGETXATTR, &x))
		return CANNOT;
	x.fsx_xflags ^= FS_XFLAG_NODUMP;
	return ioctl(fd, FS_IOC_FSSETXATTR, &x) == 0;
}

/* --- owners */
static int owner_chown(void) ROW(chown(CONFIG, -1, getgid()) == 0)
static int owner_lchown(void) ROW(lchown(outside("link"), -1, getgid()) == 0)
static int owner_at(void) ROW(fchownat(open(VICTIM, O_PATH), "", -1, getgid(), AT_EMPTY_PATH) == 0)
static int owner_proc(void) ROW(chown(in_proc(open(VICTIM, O_PATH)), -1, getgid()) == 0)
static int owner_fd(void) ROW(fchown(open(home("skills/s/SKILL.md"), O_RDONLY), -1, getgid()) == 0)

/* --- files that run as their owner */
static int id_chmod(void)
{
	close(fresh("id"));
	chmod("id", 04755);
	return set_id("id");
}
static int id_group(void)
{
	close(fresh("id"));
	chmod("id", 02755);
	return set_id("id");
}
static int id_fchmod(void)
{
	fchmod(fresh("id"), 04755);
	return set_id("id");
}
static int id_at(void)
{
	close(fresh("id"));
	fchmodat(AT_FDCWD, "id", 06755, 0);
	return set_id("id");
}
static int id_at2(void)
{
	close(fresh("id"));
	syscall(452, AT_FDCWD, "id", 04755, 0);
	return set_id("id");
}
static int id_open(void)
{
	open("id", O_CREAT | O_WRONLY, 04755);
	return set_id("id");
}
static int id_creat(void)
{
	creat("id", 02755);
	return set_id("id");
}
static int id_mknod(void)
{
	mknod("id", S_IFREG | 04755, 0);
	return set_id("id");
}
static int id_tmpfile(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 04755);
	linkat(AT_FDCWD, in_proc(fd), AT_FDCWD, "id", AT_SYMLINK_FOLLOW);
	return set_id("id");
}
static int id_tmpfile_group(void)
{
	int fd = openat(AT_FDCWD, ".", O_TMPFILE | O_RDWR, 02755);
	linkat(AT_FDCWD, in_proc(fd), AT_FDCWD, "id", AT_SYMLINK_FOLLOW);
	return set_id("id");
}
static int id_proc(void)
{
	fresh("id");
	chmod(in_proc(open("id", O_PATH)), 04755);
	return set_id("id");
}

/* --- races: a thread exchanges a name of the workspace's for one that leads out */
static volatile int over;
static void *exchange(void *unused)
{
	(void)unused;
	while (!over)
		syscall(SYS_renameat2, AT_FDCWD, "way", AT_FDCWD, "away", RENAME_EXCHANGE);
	return NULL;
}
static int race(void (*operation)(void), int (*changed)(void))
{
	pthread_t thread;
	int hit = 0;
	system("rm -rf way away");
	mkdir("way", 0700);
	close(open("way/victim", O_CREAT | O_WRONLY, 0644));
	if (symlink(outside_path, "away") || pthread_create(&thread, NULL, exchange, NULL))
		return CANNOT;
	for (int i = 0; i < 20000 && !hit; i++) {
		operation();
		hit = changed();
	}
	over = 1;
	pthread_join(thread, NULL);
	system("rm -rf way away");
	return hit;
}
static void do_chmod(void) { chmod("way/victim", 0666); }
static void do_utimes(void) { utimensat(AT_FDCWD, "way/victim", past, 0); }
static void do_write(void)
{
	int fd = open("way/victim", O_WRONLY | O_APPEND);
	if (fd >= 0 && write(fd, "mine", 4))
		close(fd);
}
static void do_rename(void)
{
	close(open("l9", O_CREAT | O_WRONLY, 0600));
	rename("l9", "way/new");
}
static struct stat seen;
static int mode_changed(void) ROW(stat(VICTIM, &seen) == 0 && (seen.st_mode & 0777) == 0666)
static int time_changed(void) ROW(stat(VICTIM, &seen) == 0 && seen.st_mtime == 1)
static int size_changed(void) ROW(stat(VICTIM, &seen) == 0 && seen.st_size > 6)
static int name_there(void) ROW(stat(outside("new"), &seen) == 0)
static int race_chmod(void) ROW(race(do_chmod, mode_changed))
static int race_utimes(void) ROW(race(do_utimes, time_changed))
static int race_write(void) ROW(race(do_write, size_changed))
static int race_rename(void) ROW(race(do_rename, name_there))

/* --- limits on files */
static int big_write(void)
{
	int fd = fresh("big");
	int done = pwrite(fd, "x", 1, 3LL << 30) == 1;
	unlink("big");
	return done;
}
static int big_truncate(void)
{
	int done = ftruncate(fresh("big"), 3LL << 30) == 0;
	unlink("big");
	return done;
}
static int big_limit(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	return setrlimit(RLIMIT_FSIZE, &all) == 0;
}

#define NO_ATTRIBUTES "the file system may have no extended attributes"
#define NO_CALL "older kernels lack the call"
#define NEEDS_ROOT "only root may, outside as well"

const struct row files[] = {
	{ "read-home", "open", HOME, read_open },
	{ "read-home", "parent", HOME, read_parent },
	{ "read-home", "proc-cwd", HOME, read_cwd },
	{ "read-home", "proc-root", HOME, read_root },
	{ "read-home", "path-fd", HOME, read_path_fd },
	{ "read-home", "symlink", HOME, read_link },
	{ "read-home", "hard-link", HOME, read_hard_link },
	{ "read-home", "rename", HOME, read_renamed },
	{ "read-home", "folder", HOME, read_folder },
	{ "read-home", "openat2", HOME, read_openat2, NO_CALL },
	{ "read-home", "chdir", HOME, read_chdir },
	{ "read-home", "noatime", HOME, read_execute },
	{ "read-home", "session", HOME, read_session },
	{ "read-home", "state", HOME, read_state },
	{ "file-handle", "open", CALLS, read_handle, NEEDS_ROOT },
	{ "write-home", "create", HOME, write_create },
	{ "write-home", "append", HOME, write_append },
	{ "write-home", "unlink", HOME, write_unlink },
	{ "write-home", "replace", HOME, write_replace },
	{ "write-home", "exchange", HOME, write_exchange },
	{ "write-home", "folder", HOME, write_folder },
	{ "write-home", "overlay", HOME, write_overlay },
	{ "write-home", "symlink", HOME, write_symlink },
	{ "write-home", "pipe", HOME, write_pipe },
	{ "write-home", "tmpfile", HOME, write_tmpfile, "some file systems have none" },
	{ "write-home", "link", HOME, write_link },
	{ "write-home", "rename-in", HOME, write_rename_in },
	{ "write-home", "session", HOME, write_session },
	{ "write-home", "jobs", HOME, write_jobs },
	{ "write-home", "skill", HOME, write_skill },
	{ "write-home", "workspace", HOME, write_workspace },
	{ "truncate", "home", TRUNCATE, write_truncate },
	{ "truncate", "outside", TRUNCATE, out_truncate },
	{ "read-outside", "file", LANDLOCK, out_read },
	{ "read-outside", "folder", LANDLOCK, out_list },
	{ "read-outside", "etc", LANDLOCK, out_etc, "where there is an /etc/fstab" },
	{ "write-outside", "create", FILES, out_create },
	{ "write-outside", "append", FILES, out_append },
	{ "write-outside", "unlink", FILES, out_unlink },
	{ "write-outside", "rename-in", FILES, out_rename_in },
	{ "write-outside", "rename-out", FILES, out_rename_out },
	{ "write-outside", "link-in", FILES, out_link_in },
	{ "write-outside", "link-fd", FILES, out_link_fd },
	{ "write-outside", "symlink", FILES, out_symlink },
	{ "write-outside", "folder", FILES, out_folder },
	{ "write-outside", "rmdir", FILES, out_rmdir },
	{ "write-outside", "pipe", FILES, out_pipe },
	{ "write-outside", "through-link", FILES, out_through_link },
	{ "modes", "home", HOME, mode_home },
	{ "modes", "config", HOME, mode_config },
	{ "modes", "lock-out", HOME, mode_lock_out },
	{ "modes", "fchmodat", HOME, mode_at },
	{ "modes", "fchmodat2", HOME, mode_at2, NO_CALL },
	{ "modes", "proc-fd", HOME, mode_proc },
	{ "modes", "read-only-fd", HOME, mode_skill },
	{ "modes", "symlink", HOME, mode_link },
	{ "modes", "parent", HOME, mode_parent },
	{ "modes", "state", HOME, mode_folder },
	{ "modes", "proc-root", HOME, mode_other_root },
	{ "times", "config", HOME, time_config },
	{ "times", "now", HOME, time_now },
	{ "times", "utimes", HOME, time_utimes },
	{ "times", "utime", HOME, time_utime },
	{ "times", "proc-fd", HOME, time_proc },
	{ "times", "read-only-fd", HOME, time_fd },
	{ "times", "empty-path", HOME, time_empty, NO_CALL },
	{ "times", "link-itself", HOME, time_link },
	{ "times", "home", HOME, time_folder },
	{ "extended-attributes", "setxattr", CALLS, attr_set, NO_ATTRIBUTES },
	{ "extended-attributes", "lsetxattr", CALLS, attr_lset, NO_ATTRIBUTES },
	{ "extended-attributes", "fsetxattr", CALLS, attr_fset, NO_ATTRIBUTES },
	{ "extended-attributes", "proc-fd", CALLS, attr_proc, NO_ATTRIBUTES },
	{ "extended-attributes", "access-list", CALLS, attr_acl, NO_ATTRIBUTES },
	{ "extended-attributes", "setxattrat", CALLS, attr_at, NO_CALL },
	{ "extended-attributes", "removexattr", CALLS, attr_remove, NO_ATTRIBUTES },
	{ "inode-flags", "setflags", HOME, flag_inode, "not on every file system" },
	{ "inode-flags", "fssetxattr", HOME, flag_project, "not on every file system" },
	{ "owners", "chown", HOME, owner_chown },
	{ "owners", "lchown", HOME, owner_lchown },
	{ "owners", "fchownat", HOME, owner_at },
	{ "owners", "proc-fd", HOME, owner_proc },
	{ "owners", "read-only-fd", HOME, owner_fd },
	{ "set-user-id", "chmod", CALLS, id_chmod },
	{ "set-user-id", "group", ANSWERS, id_group },
	{ "set-user-id", "fchmod", CALLS, id_fchmod },
	{ "set-user-id", "fchmodat", CALLS, id_at },
	{ "set-user-id", "fchmodat2", CALLS, id_at2, NO_CALL },
	{ "set-user-id", "open", CALLS, id_open },
	{ "set-user-id", "creat", CALLS, id_creat },
	{ "set-user-id", "mknod", CALLS, id_mknod },
	{ "set-user-id", "tmpfile", CALLS, id_tmpfile, "some file systems have none" },
	{ "set-user-id", "tmpfile-group", CALLS, id_tmpfile_group, "some file systems have none" },
	{ "set-user-id", "proc-fd", CALLS, id_proc },
	{ "exchanged-names", "chmod", HOME, race_chmod },
	{ "exchanged-names", "utimes", HOME, race_utimes },
	{ "exchanged-names", "write", HOME, race_write },
	{ "exchanged-names", "rename", HOME, race_rename },
	{ "big-files", "write", ANY, big_write },
	{ "big-files", "truncate", ANY, big_truncate },
	{ "big-files", "limit", ANY, big_limit, NEEDS_ROOT },
	{ 0 },
};
