/* A disk that fails when it is told to. Preloaded, it counts the calls that change files below a
 * folder, across threads, and does something to the N-th of them. Until it is armed it does
 * nothing; each fork is armed on its own. Paths must be absolute, as those of our tests are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* The order is that of the names in tests/faults/forks.py. */
enum { COUNT, KILL, TORN, NO_SPACE_ONCE, NO_SPACE, IO_ERROR, SHORT, STOP, NO_SYNC };
enum { GO_ON = 0, HALF = -1, AFTER = -2, SKIP = -3 }; /* else an errno */

static char below[4096];
static size_t length;
static long target;
static int kind, journal = -1;
static atomic_long counted;

#define REAL(type, name, ...)                                                                      \
    static type (*real)(__VA_ARGS__);                                                              \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

void faultfs_arm(const char *folder, long at, int what, const char *log) {
    length = strlen(folder);
    memcpy(below, folder, length + 1);
    target = at;
    kind = what;
    counted = 0;
    journal = log[0] ? open(log, O_CREAT | O_APPEND | O_WRONLY, 0600) : -1;
}

static __attribute__((noreturn)) void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int ours(const char *path) {
    return length && path && !strncmp(path, below, length) && (!path[length] || path[length] == '/');
}

static const char *name_of(int fd) {
    static _Thread_local char path[4096];
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = 0;
    return path;
}

static int strike(const char *call, const char *path, const char *to) {
    if (!ours(path)) return GO_ON;
    int syncs = strstr(call, "sync") != NULL;
    long n = atomic_fetch_add(&counted, 1) + 1;
    if (journal >= 0) dprintf(journal, "%s\t%s\t%s\n", call, path, to);
    if (kind == NO_SYNC) return syncs ? SKIP : GO_ON;
    if (kind == NO_SPACE && n >= target) /* what frees space, or needs none, still works */
        return strcmp(call, "unlink") && strcmp(call, "chmod") ? ENOSPC : GO_ON;
    if (n != target) return GO_ON;
    switch (kind) {
        case KILL: die();
        case STOP: raise(SIGSTOP); return GO_ON; /* this thread, at once */
        case NO_SPACE_ONCE: return ENOSPC;
        case IO_ERROR: return EIO;
        case SHORT: return HALF;
        case TORN: return strcmp(call, "write") ? AFTER : HALF;
        default: return GO_ON;
    }
}

/* All calls that return 0 or a handle, and -1 for an error. */
#define CALL(call, path, to, really)                                                               \
    int fate = strike(call, path, to);                                                             \
    if (fate > 0) { errno = fate; return -1; }                                                     \
    if (fate == SKIP) return 0;                                                                    \
    int result = really;                                                                           \
    if (fate == AFTER) die();                                                                      \
    return result

/* All calls that write bytes: half of them where that is asked for. */
#define WRITE(fd, size, whole, half)                                                               \
    int fate = strike("write", name_of(fd), "");                                                   \
    if (fate > 0) { errno = fate; return -1; }                                                     \
    if (fate != HALF || (kind == SHORT && (size) < 2)) return whole;                               \
    ssize_t result = half;                                                                         \
    if (kind == TORN) die();                                                                       \
    return result

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        REAL(int, #name, const char *, int, ...);                                                  \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                    \
        va_end(more);                                                                              \
        if (!(flags & (O_CREAT | O_TRUNC))) return real(path, flags, mode);                        \
        CALL("open", path, "", real(path, flags, mode));                                           \
    }
#define OPENAT(name)                                                                               \
    int name(int at, const char *path, int flags, ...) {                                           \
        REAL(int, #name, int, const char *, int, ...);                                             \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                    \
        va_end(more);                                                                              \
        if (!(flags & (O_CREAT | O_TRUNC))) return real(at, path, flags, mode);                    \
        CALL("open", path, "", real(at, path, flags, mode));                                       \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    WRITE(fd, size, real(fd, data, size), real(fd, data, size / 2));
}

#define PWRITE(name)                                                                               \
    ssize_t name(int fd, const void *data, size_t size, off64_t at) {                              \
        REAL(ssize_t, #name, int, const void *, size_t, off64_t);                                  \
        WRITE(fd, size, real(fd, data, size, at), real(fd, data, size / 2, at));                   \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

/* Half of several buffers is half of the first. */
ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    size_t first = n ? parts[0].iov_len : 0;
    struct iovec half = {n ? parts[0].iov_base : NULL, first / 2};
    WRITE(fd, first, real(fd, parts, n), real(fd, &half, 1));
}

#define PWRITEV(name)                                                                              \
    ssize_t name(int fd, const struct iovec *parts, int n, off64_t at) {                           \
        REAL(ssize_t, #name, int, const struct iovec *, int, off64_t);                             \
        size_t first = n ? parts[0].iov_len : 0;                                                   \
        struct iovec half = {n ? parts[0].iov_base : NULL, first / 2};                             \
        WRITE(fd, first, real(fd, parts, n, at), real(fd, &half, 1, at));                          \
    }
PWRITEV(pwritev)
PWRITEV(pwritev64)

#define OF_HANDLE(name, call)                                                                      \
    int name(int fd) {                                                                             \
        REAL(int, #name, int);                                                                     \
        CALL(call, name_of(fd), "", real(fd));                                                     \
    }
OF_HANDLE(fsync, "fsync")
OF_HANDLE(fdatasync, "fdatasync")

#define TRUNCATE(name)                                                                             \
    int name(int fd, off64_t size) {                                                               \
        REAL(int, #name, int, off64_t);                                                            \
        CALL("ftruncate", name_of(fd), "", real(fd, size));                                        \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    CALL("rename", from, to, real(from, to));
}

int renameat(int a, const char *from, int b, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    CALL("rename", from, to, real(a, from, b, to));
}

int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    CALL("rename", from, to, real(a, from, b, to, flags));
}

int link(const char *from, const char *to) {
    REAL(int, "link", const char *, const char *);
    CALL("link", from, to, real(from, to));
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    CALL("link", from, to, real(a, from, b, to, flags));
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    CALL("unlink", path, "", real(path));
}

int unlinkat(int at, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    CALL("unlink", path, "", real(at, path, flags));
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    CALL("mkdir", path, "", real(path, mode));
}

int mkdirat(int at, const char *path, mode_t mode) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    CALL("mkdir", path, "", real(at, path, mode));
}

int chmod(const char *path, mode_t mode) {
    REAL(int, "chmod", const char *, mode_t);
    CALL("chmod", path, "", real(path, mode));
}

int fchmod(int fd, mode_t mode) {
    REAL(int, "fchmod", int, mode_t);
    CALL("chmod", name_of(fd), "", real(fd, mode));
}

int fchmodat(int at, const char *path, mode_t mode, int flags) {
    REAL(int, "fchmodat", int, const char *, mode_t, int);
    CALL("chmod", path, "", real(at, path, mode, flags));
}
