/*
 * Keeps a shadow of a folder: a copy with only the flushed data, like a disk after a power
 * cut. Loaded by LD_PRELOAD: SHADOW_FROM is the folder, SHADOW_TO its shadow.
 *
 * It copies what msync flushes of mapped files, and what fsync flushes of other files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct region {
    uintptr_t start;
    size_t length;
    off_t offset;
    int shadow;
};

#define REGIONS_MAX 4096
static struct region regions[REGIONS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The shadow of an open file, opened for writing; -1 for one outside the folder. */
static int shadow_of(int fd) {
    const char *from = getenv("SHADOW_FROM"), *to = getenv("SHADOW_TO");
    if (!from || !to) {
        return -1;
    }
    char link[64], path[PATH_MAX], shadow[2 * PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) {
        return -1;
    }
    path[length] = 0;
    size_t prefix = strlen(from);
    if (strncmp(path, from, prefix) != 0) {
        return -1;
    }
    snprintf(shadow, sizeof shadow, "%s%s", to, path + prefix);
    for (char *slash = strchr(shadow + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(shadow, 0755);
        *slash = '/';
    }
    int opened = open(shadow, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    struct stat size;
    if (opened >= 0 && fstat(fd, &size) == 0) {
        /* The space is reserved at once, but its content is not copied. */
        if (ftruncate(opened, size.st_size) != 0) {
            perror("shadow");
        }
    }
    return opened;
}

static void copy(int to, const char *from, size_t length, off_t offset) {
    while (length > 0) {
        ssize_t written = pwrite(to, from, length, offset);
        if (written <= 0) {
            perror("shadow");
            return;
        }
        from += written;
        offset += written;
        length -= (size_t)written;
    }
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    void *mapped = (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
    if (mapped == MAP_FAILED || fd < 0 || !(flags & MAP_SHARED) || !(protection & PROT_WRITE)) {
        return mapped;
    }
    int saved = errno, shadow = shadow_of(fd);
    if (shadow >= 0) {
        pthread_mutex_lock(&lock);
        int n = 0;
        while (n < REGIONS_MAX && regions[n].length != 0) {
            n++;
        }
        if (n < REGIONS_MAX) {
            regions[n] = (struct region){(uintptr_t)mapped, length, offset, shadow};
        } else {
            fprintf(stderr, "shadow: too many mapped files\n");
            close(shadow);
        }
        pthread_mutex_unlock(&lock);
    }
    errno = saved;
    return mapped;
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap(at, length, protection, flags, fd, offset);
}

int munmap(void *at, size_t length) {
    pthread_mutex_lock(&lock);
    for (int n = 0; n < REGIONS_MAX; n++) {
        if (regions[n].length != 0 && regions[n].start == (uintptr_t)at) {
            close(regions[n].shadow);
            regions[n].length = 0;
        }
    }
    pthread_mutex_unlock(&lock);
    return (int)syscall(SYS_munmap, at, length);
}

int msync(void *at, size_t length, int flags) {
    int result = (int)syscall(SYS_msync, at, length, flags);
    int saved = errno;
    uintptr_t start = (uintptr_t)at;
    pthread_mutex_lock(&lock);
    for (int n = 0; result == 0 && n < REGIONS_MAX; n++) {
        struct region *region = &regions[n];
        if (region->length == 0 || start < region->start
            || start >= region->start + region->length) {
            continue;
        }
        size_t within = start - region->start, rest = region->length - within;
        copy(region->shadow, at, length < rest ? length : rest, region->offset + (off_t)within);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

static void copy_file(int fd) {
    int saved = errno, shadow = shadow_of(fd);
    if (shadow >= 0) {
        char buffer[1 << 16];
        off_t offset = 0;
        ssize_t length;
        while ((length = pread(fd, buffer, sizeof buffer, offset)) > 0) {
            copy(shadow, buffer, (size_t)length, offset);
            offset += length;
        }
        close(shadow);
    }
    errno = saved;
}

int fsync(int fd) {
    int result = (int)syscall(SYS_fsync, fd);
    if (result == 0) {
        copy_file(fd);
    }
    return result;
}

int fdatasync(int fd) {
    int result = (int)syscall(SYS_fdatasync, fd);
    if (result == 0) {
        copy_file(fd);
    }
    return result;
}
