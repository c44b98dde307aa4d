/* Preloaded into a command and all that it starts: a flock(2) that lies or is missing.
 *
 * BROKEN_LOCKS is `noop` (every lock is granted, nobody is excluded), `ENOSYS` or `ENOLCK` (there are no locks),
 * `hang` (as over a network that is gone: no call returns), or `EBADF` (as over a network: real locks, but not on
 * descriptors that are open for reading only). Folders, and files
 * called `pyproject.toml`, are spared: those are locked by the tests themselves, which watch who writes where.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_spared(int descriptor)
{
    static const char name[] = "/pyproject.toml";
    char link[64], path[PATH_MAX];
    struct stat facts;
    if (fstat(descriptor, &facts) == 0 && S_ISDIR(facts.st_mode))
        return 1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path), end = sizeof name - 1;
    return length >= end && memcmp(path + length - end, name, (size_t)end) == 0;
}

int flock(int descriptor, int operation)
{
    const char *way = getenv("BROKEN_LOCKS");
    if (way == NULL || is_spared(descriptor))
        way = "";
    if (strcmp(way, "noop") == 0)
        return 0;
    if (strcmp(way, "hang") == 0)
        for (;;)
            pause();
    if (strcmp(way, "ENOSYS") == 0) {
        errno = ENOSYS;
        return -1;
    }
    if (strcmp(way, "ENOLCK") == 0) {
        errno = ENOLCK;
        return -1;
    }
    if (strcmp(way, "EBADF") == 0 && (fcntl(descriptor, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        errno = EBADF;
        return -1;
    }
    int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
    return real(descriptor, operation);
}
