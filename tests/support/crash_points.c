/* Preloaded into a command and all that it starts: counts the changes that are made below one folder, and kills
 * before the one that was chosen, or lets it fail.
 *
 * CRASH_FILE is a file of five 64-bit integers, shared by all processes: how many changes there were, the number
 * of the chosen one (0: none), the process to kill along with the one that is about to make the change (0: that
 * one alone), whether to count at all, and the error with which that change and every later one that needs space
 * fail (0: kill). CRASH_BELOW is the folder. CRASH_LOG receives a line for each change:
 * its number, its kind and its path.
 *
 * A change is whatever makes, names or removes a file, a folder or a link; writes count where others can see them
 * at once, that is outside of CRASH_BELOW/v1/tmp.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct shared {
    _Atomic int64_t count;
    int64_t chosen;
    int64_t victim;
    int64_t counting;
    int64_t error;
};

static struct shared *shared;
static char below[PATH_MAX];
static size_t below_length;
static char staging[PATH_MAX + 8];
static size_t staging_length;
static int log_descriptor = -1;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL)
        abort();
    return function;
}

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("CRASH_FILE"), *folder = getenv("CRASH_BELOW"), *log = getenv("CRASH_LOG");
    if (file == NULL || folder == NULL)
        return;
    long descriptor = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
    if (descriptor < 0)
        return;
    void *map = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, (int)descriptor, 0);
    syscall(SYS_close, descriptor);
    if (map == MAP_FAILED)
        return;
    snprintf(below, sizeof below, "%s", folder);
    below_length = strlen(below);
    snprintf(staging, sizeof staging, "%s/v1/tmp", folder);
    staging_length = strlen(staging);
    if (log != NULL)
        log_descriptor = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    shared = map;
}

static int is_below(const char *path, const char *folder, size_t length)
{
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static int needs_space(const char *kind)
{
    return strcmp(kind, "unlink") != 0 && strcmp(kind, "rmdir") != 0 && strcmp(kind, "truncate") != 0;
}

/* These answer 0, or the error to fail with. */

static int change(const char *kind, const char *path)
{
    int64_t number = ++shared->count;
    if (log_descriptor >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%lld %s %s\n", (long long)number, kind, path + below_length);
        if (length > 0)
            syscall(SYS_write, log_descriptor, line, (size_t)length);
    }
    if (shared->error < 0)
        return number == shared->chosen ? (int)-shared->error : 0;
    if (shared->error != 0)
        return shared->chosen != 0 && number >= shared->chosen && needs_space(kind) ? (int)shared->error : 0;
    if (number == shared->chosen) {
        if (shared->victim != 0)
            kill((pid_t)shared->victim, SIGKILL);
        kill(getpid(), SIGKILL);
    }
    return 0;
}

static int about_to(const char *kind, int folder, const char *path)
{
    char absolute[2 * PATH_MAX], link[64];
    int saved = errno, error = 0;
    if (shared == NULL || !shared->counting || path == NULL)
        return 0;
    if (path[0] == '/') {
        snprintf(absolute, sizeof absolute, "%s", path);
    } else {
        if (folder == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, absolute, PATH_MAX - 1);
        if (length < 0)
            length = 0;
        snprintf(absolute + length, sizeof absolute - (size_t)length, "/%s", path);
    }
    if (is_below(absolute, below, below_length))
        error = change(kind, absolute);
    errno = error != 0 ? error : saved;
    return error;
}

static int about_to_write(const char *kind, int descriptor)
{
    char path[PATH_MAX], link[64];
    int saved = errno, error = 0;
    if (shared == NULL || !shared->counting)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) {
        path[length] = '\0';
        if (is_below(path, below, below_length) && !is_below(path, staging, staging_length))
            error = change(kind, path);
    }
    errno = error != 0 ? error : saved;
    return error;
}

/* names */

int unlink(const char *path)
{
    if (about_to("unlink", AT_FDCWD, path))
        return -1;
    return REAL(unlink)(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    if (about_to("unlink", folder, path))
        return -1;
    return REAL(unlinkat)(folder, path, flags);
}

int rmdir(const char *path)
{
    if (about_to("rmdir", AT_FDCWD, path))
        return -1;
    return REAL(rmdir)(path);
}

int remove(const char *path)
{
    if (about_to("unlink", AT_FDCWD, path))
        return -1;
    return REAL(remove)(path);
}

int rename(const char *from, const char *to)
{
    if (about_to("rename", AT_FDCWD, to))
        return -1;
    return REAL(rename)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    if (about_to("rename", to_folder, to))
        return -1;
    return REAL(renameat)(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if (about_to("rename", to_folder, to))
        return -1;
    return REAL(renameat2)(from_folder, from, to_folder, to, flags);
}

int link(const char *from, const char *to)
{
    if (about_to("link", AT_FDCWD, to))
        return -1;
    return REAL(link)(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    if (about_to("link", to_folder, to))
        return -1;
    return REAL(linkat)(from_folder, from, to_folder, to, flags);
}

int symlink(const char *target, const char *path)
{
    if (about_to("symlink", AT_FDCWD, path))
        return -1;
    return REAL(symlink)(target, path);
}

int symlinkat(const char *target, int folder, const char *path)
{
    if (about_to("symlink", folder, path))
        return -1;
    return REAL(symlinkat)(target, folder, path);
}

int mkdir(const char *path, mode_t mode)
{
    if (about_to("mkdir", AT_FDCWD, path))
        return -1;
    return REAL(mkdir)(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    if (about_to("mkdir", folder, path))
        return -1;
    return REAL(mkdirat)(folder, path, mode);
}

/* files that are made or emptied by opening them */

#define MODE                                                                                                           \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                                             \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }

static int about_to_open(int folder, const char *path, int flags)
{
    return flags & (O_CREAT | O_TRUNC) ? about_to("open", folder, path) : 0;
}

int open(const char *path, int flags, ...)
{
    MODE
    if (about_to_open(AT_FDCWD, path, flags))
        return -1;
    return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE
    if (about_to_open(AT_FDCWD, path, flags))
        return -1;
    return REAL(open64)(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    MODE
    if (about_to_open(folder, path, flags))
        return -1;
    return REAL(openat)(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
    MODE
    if (about_to_open(folder, path, flags))
        return -1;
    return REAL(openat64)(folder, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    if (about_to("open", AT_FDCWD, path))
        return -1;
    return REAL(creat)(path, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    if (mode[0] != 'r' && about_to("open", AT_FDCWD, path))
        return NULL;
    return REAL(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    if (mode[0] != 'r' && about_to("open", AT_FDCWD, path))
        return NULL;
    return REAL(fopen64)(path, mode);
}

/* content; what is written fails outside of v1/tmp alone */

int truncate(const char *path, off_t length)
{
    if (about_to("truncate", AT_FDCWD, path))
        return -1;
    return REAL(truncate)(path, length);
}

int ftruncate(int descriptor, off_t length)
{
    if (about_to_write("truncate", descriptor))
        return -1;
    return REAL(ftruncate)(descriptor, length);
}

int ftruncate64(int descriptor, off64_t length)
{
    if (about_to_write("truncate", descriptor))
        return -1;
    return REAL(ftruncate64)(descriptor, length);
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    if (about_to_write("write", descriptor))
        return -1;
    return REAL(write)(descriptor, bytes, length);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t place)
{
    if (about_to_write("write", descriptor))
        return -1;
    return REAL(pwrite)(descriptor, bytes, length, place);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t place)
{
    if (about_to_write("write", descriptor))
        return -1;
    return REAL(pwrite64)(descriptor, bytes, length, place);
}
