/* Files: whole reads, durable writes (temporary file, fsync, rename, fsync of
 * the folder), folders. Errors name the path and the cause. */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

#define FS_PATH_MAX 1024

/** Join two parts of a path; b wins when it is absolute.
 * @return out; empty when it would be too long, so that using it fails */
char *fs_join(char out[FS_PATH_MAX], const char *a, const char *b);
int fs_exists(const char *path);
int fs_is_dir(const char *path);
/** Make a folder and its parents; one that exists is fine. */
enum fusor_status fs_mkdirs(const char *path, struct fusor_error *err);
/** Read a whole file; *data is NUL-terminated and the caller's (mem_free).
 * @param max_bytes larger files are refused with EDATA */
enum fusor_status fs_read(const char *path, size_t max_bytes, char **data,
                          size_t *size, struct fusor_error *err);
/** Replace a file so that a crash leaves the old one or the new one. */
enum fusor_status fs_write_atomic(const char *path, const void *data,
                                  size_t size, struct fusor_error *err);
/** The same for who reads it while this host lives: it waits for no disk, and a
 * host that loses power may leave the file empty. */
enum fusor_status fs_replace(const char *path, const void *data, size_t size,
                             struct fusor_error *err);
/** Append to a file with one write(2), creating it. */
enum fusor_status fs_append(const char *path, const void *data, size_t size,
                            struct fusor_error *err);
/** Make a rename in this folder durable. */
enum fusor_status fs_sync_dir(const char *path, struct fusor_error *err);
enum fusor_status fs_rename(const char *from, const char *to,
                            struct fusor_error *err);
/** Remove a file or a folder with all in it; absent is fine. */
enum fusor_status fs_remove_tree(const char *path, struct fusor_error *err);
int64_t fs_size(const char *path); // -1 when absent
/** pwrite/pread of exactly n bytes. */
enum fusor_status fs_pwrite(int fd, const void *p, size_t n, uint64_t offset,
                            const char *path, struct fusor_error *err);
enum fusor_status fs_pread(int fd, void *p, size_t n, uint64_t offset,
                           const char *path, struct fusor_error *err);

/* Names in a folder, sorted; without . and .. */
struct fs_list {
    char **names;
    size_t n;
};
enum fusor_status fs_list_dir(const char *path, struct fs_list *list,
                              struct fusor_error *err);
void fs_list_clear(struct fs_list *list);

#endif
