/* Answers that a folder's disk is as full as the file DISK_FULL says, in percent. Loaded by LD_PRELOAD. Without the
   file, the disk is as full as it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

/* The percentage in the file; -1 for none. */
static int percentage(void) {
    const char *name = getenv("DISK_FULL");
    FILE *file = name ? fopen(name, "r") : NULL;
    int full = -1;
    if (file) {
        if (fscanf(file, "%d", &full) != 1) full = -1;
        fclose(file);
    }
    return full;
}

#define ANSWER(name, type)                                                              \
    int name(const char *path, struct type *disk) {                                     \
        static int (*next)(const char *, struct type *);                                \
        if (next == NULL) next = (int (*)(const char *, struct type *))dlsym(RTLD_NEXT, #name); \
        int result = next(path, disk), full = percentage();                             \
        if (result == 0 && full >= 0) {                                                 \
            disk->f_bfree = disk->f_blocks / 100 * (100 - full);                        \
            disk->f_bavail = disk->f_bfree;                                             \
        }                                                                               \
        return result;                                                                  \
    }

ANSWER(statvfs, statvfs)
ANSWER(statvfs64, statvfs64)
