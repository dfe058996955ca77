#include "engine/base/assert.h"
#include "tests/sim/disk_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Paths
 * --------------------------------------------------------------------------------------- */

void hf_disk__path(char *to, const char *path)
{
    size_t at = 0;
    for (const char *p = path; *p != '\0';) {
        size_t n = strcspn(p, "/");
        if (n != 0 && !(n == 1 && p[0] == '.')) {
            HF_ASSERT(!(n == 2 && p[0] == '.' && p[1] == '.')); /* nobody leaves the directory */
            HF_ASSERT(at + n + 2 <= HF_DISK_PATH_MAX);
            if (at != 0) {
                to[at++] = '/';
            }
            memcpy(to + at, p, n);
            at += n;
        }
        p += n;
        p += *p == '/';
    }
    to[at] = '\0';
}

bool hf_disk__parent(const char *path, char *parent)
{
    if (path[0] == '\0') {
        return false;
    }
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    memmove(parent, path, n);
    parent[n] = '\0';
    return true;
}

static void path_copy(char *to, const char *normal)
{
    memcpy(to, normal, strlen(normal) + 1);
}

static bool names_parent_is(const char *path, const char *dir)
{
    char parent[HF_DISK_PATH_MAX + 1];
    return hf_disk__parent(path, parent) && strcmp(parent, dir) == 0;
}

/* ---- Trees
 * --------------------------------------------------------------------------------------- */

static uint32_t tree_place(const hf_disk__tree *tree, const char *path)
{
    uint32_t low = 0;
    uint32_t high = tree->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(tree->names[middle].path, path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

hf_disk__name *hf_disk__tree_find(const hf_disk__tree *tree, const char *path)
{
    uint32_t at = tree_place(tree, path);
    return at < tree->count && strcmp(tree->names[at].path, path) == 0 ? &tree->names[at] : NULL;
}

static void tree_unlink(hf_disk *disk, const hf_disk__tree *tree, hf_disk_file *file)
{
    if (tree == &disk->current) {
        file->links--;
        hf_disk__count(disk, file);
    }
}

static void tree_remove(hf_disk *disk, hf_disk__tree *tree, const char *path)
{
    hf_disk__name *name = hf_disk__tree_find(tree, path);
    if (name == NULL) {
        return;
    }
    hf_disk_file *file = name->file;
    uint32_t at = (uint32_t)(name - tree->names);
    memmove(name, name + 1, (tree->count - at - 1) * sizeof *name);
    tree->count--;
    file->names--;
    tree_unlink(disk, tree, file);
    hf_disk__file_forget(disk, file);
}

static void tree_set(hf_disk *disk, hf_disk__tree *tree, const char *path, hf_disk_file *file)
{
    file->names++;
    if (tree == &disk->current) {
        file->links++;
        hf_disk__count(disk, file);
    }
    tree_remove(disk, tree, path);
    uint32_t at = tree_place(tree, path);
    tree->names = hf_disk__grow(tree->names, &tree->room, tree->count + 1, sizeof *tree->names);
    memmove(&tree->names[at + 1], &tree->names[at], (tree->count - at) * sizeof *tree->names);
    memset(&tree->names[at], 0, sizeof tree->names[at]);
    path_copy(tree->names[at].path, path);
    tree->names[at].file = file;
    tree->count++;
}

void hf_disk__tree_free(hf_disk *disk, hf_disk__tree *tree)
{
    while (tree->count != 0) {
        hf_disk_file *file = tree->names[--tree->count].file;
        file->names--;
        tree_unlink(disk, tree, file);
        hf_disk__file_forget(disk, file);
    }
    free(tree->names);
    memset(tree, 0, sizeof *tree);
}

void hf_disk__tree_reset(hf_disk *disk)
{
    hf_disk__tree *to = &disk->current;
    const hf_disk__tree *from = &disk->durable;
    HF_PRE(to->count == 0);
    to->names = hf_disk__grow(to->names, &to->room, from->count, sizeof *to->names);
    for (uint32_t i = 0; i < from->count; i++) {
        to->names[i] = from->names[i];
        to->names[i].file->names++;
        to->names[i].file->links++;
        hf_disk__count(disk, to->names[i].file);
    }
    to->count = from->count;
}

void hf_disk__file_forget(hf_disk *disk, hf_disk_file *file)
{
    if (file->names == 0 && file->holds == 0) {
        hf_disk__file_free(disk, file);
    }
}

/* ---- The journal
 * --------------------------------------------------------------------------------- */

void hf_disk__apply(hf_disk *disk, hf_disk__tree *tree, const hf_disk__change *change)
{
    switch (change->kind) {
    case HF_DISK__LINK:
        tree_set(disk, tree, change->path, change->file);
        break;
    case HF_DISK__UNLINK:
        tree_remove(disk, tree, change->path);
        break;
    case HF_DISK__RENAME:
        tree_set(disk, tree, change->path_to, change->file);
        tree_remove(disk, tree, change->path);
        break;
    }
}

void hf_disk__change_end(hf_disk *disk, hf_disk__change *change)
{
    change->file->names--;
    hf_disk__file_forget(disk, change->file);
}

bool hf_disk__crosses(const hf_disk__change *change)
{
    char parent[HF_DISK_PATH_MAX + 1];
    return change->kind == HF_DISK__RENAME && hf_disk__parent(change->path, parent) &&
           !names_parent_is(change->path_to, parent);
}

bool hf_disk__concerns(const hf_disk__change *change, const char *dir)
{
    return names_parent_is(change->path, dir) ||
           (change->kind == HF_DISK__RENAME && names_parent_is(change->path_to, dir));
}

static void journal_add(hf_disk *disk, hf_disk__change_kind kind, const char *path,
                        const char *path_to, hf_disk_file *file)
{
    disk->journal = hf_disk__grow(disk->journal, &disk->journal_room, disk->journal_count + 1,
                                  sizeof *disk->journal);
    hf_disk__change *change = &disk->journal[disk->journal_count++];
    memset(change, 0, sizeof *change);
    change->sequence = ++disk->sequence;
    change->kind = kind;
    path_copy(change->path, path);
    path_copy(change->path_to, path_to);
    change->file = file;
    file->names++; /* it may come back */
    hf_disk__apply(disk, &disk->current, change);
}

/* The directory that would hold this path is there. */
static bool names_has_parent(const hf_disk *disk, const char *path)
{
    char parent[HF_DISK_PATH_MAX + 1];
    if (!hf_disk__parent(path, parent)) {
        return false;
    }
    if (parent[0] == '\0') {
        return true;
    }
    const hf_disk__name *name = hf_disk__tree_find(&disk->current, parent);
    return name != NULL && name->file->dir;
}

static hf_disk_file *names_file_new(hf_disk *disk, bool dir)
{
    hf_disk_file *file = calloc(1, sizeof *file);
    HF_ASSERT(file != NULL);
    file->number = ++disk->file_count;
    file->dir = dir;
    file->next = disk->files;
    disk->files = file;
    return file;
}

hf_disk_file *hf_disk_find(hf_disk *disk, const char *path)
{
    char normal[HF_DISK_PATH_MAX + 1];
    hf_disk__path(normal, path);
    hf_disk__name *name = hf_disk__tree_find(&disk->current, normal);
    return name == NULL || name->file->dir ? NULL : name->file;
}

int hf_disk_file_open(hf_disk *disk, const char *path, bool create, bool exclusive,
                      hf_disk_file **file)
{
    char normal[HF_DISK_PATH_MAX + 1];
    hf_disk__path(normal, path);
    hf_disk__name *name = hf_disk__tree_find(&disk->current, normal);
    if (normal[0] == '\0' || (name != NULL && name->file->dir)) {
        return -EISDIR;
    }
    if (name != NULL) {
        *file = name->file;
        return create && exclusive ? -EEXIST : 0;
    }
    if (!create || !names_has_parent(disk, normal)) {
        return -ENOENT;
    }
    *file = names_file_new(disk, false);
    journal_add(disk, HF_DISK__LINK, normal, "", *file);
    return 0;
}

int hf_disk_mkdir(hf_disk *disk, const char *path)
{
    char normal[HF_DISK_PATH_MAX + 1];
    hf_disk__path(normal, path);
    hf_disk__name *name = hf_disk__tree_find(&disk->current, normal);
    if (normal[0] == '\0' || (name != NULL && name->file->dir)) {
        return 0;
    }
    if (name != NULL) {
        return -EEXIST;
    }
    if (!names_has_parent(disk, normal)) {
        return -ENOENT;
    }
    journal_add(disk, HF_DISK__LINK, normal, "", names_file_new(disk, true));
    return 0;
}

int hf_disk_rename(hf_disk *disk, const char *path, const char *path_to)
{
    char from[HF_DISK_PATH_MAX + 1];
    char to[HF_DISK_PATH_MAX + 1];
    hf_disk__path(from, path);
    hf_disk__path(to, path_to);
    hf_disk__name *name = hf_disk__tree_find(&disk->current, from);
    if (name == NULL || !names_has_parent(disk, to)) {
        return -ENOENT;
    }
    hf_disk__name *old = hf_disk__tree_find(&disk->current, to);
    if (name->file->dir || (old != NULL && old->file->dir)) {
        return -EISDIR; /* directories keep their names here */
    }
    if (strcmp(from, to) != 0) {
        journal_add(disk, HF_DISK__RENAME, from, to, name->file);
    }
    return 0;
}

int hf_disk_unlink(hf_disk *disk, const char *path)
{
    char normal[HF_DISK_PATH_MAX + 1];
    hf_disk__path(normal, path);
    hf_disk__name *name = hf_disk__tree_find(&disk->current, normal);
    if (name == NULL) {
        return -ENOENT;
    }
    if (name->file->dir) {
        return -EISDIR;
    }
    journal_add(disk, HF_DISK__UNLINK, normal, "", name->file);
    return 0;
}

int hf_disk_sync_dir(hf_disk *disk, const char *path, uint64_t sequence, bool failed)
{
    char dir[HF_DISK_PATH_MAX + 1];
    hf_disk__path(dir, path);
    hf_disk__name *name = hf_disk__tree_find(&disk->current, dir);
    if (dir[0] != '\0' && (name == NULL || !name->file->dir)) {
        return name == NULL ? -ENOENT : -ENOTDIR;
    }
    bool all = false; /* a rename between directories ties the order of both together */
    for (uint32_t i = 0; i < disk->journal_count && !failed; i++) {
        all = all || (disk->journal[i].sequence <= sequence && hf_disk__crosses(&disk->journal[i]));
    }
    uint32_t kept = 0;
    bool stuck = false;
    for (uint32_t i = 0; i < disk->journal_count; i++) {
        hf_disk__change *change = &disk->journal[i];
        bool concerned = change->sequence <= sequence && (all || hf_disk__concerns(change, dir));
        if (concerned && failed) {
            change->stuck = true;
        }
        stuck = stuck || (concerned && change->stuck);
        if (concerned && !stuck) {
            hf_disk__apply(disk, &disk->durable, change);
            hf_disk__change_end(disk, change);
        } else {
            disk->journal[kept++] = *change;
        }
    }
    disk->journal_count = kept;
    return stuck ? -EIO : 0;
}

bool hf_disk_stuck(const hf_disk *disk)
{
    for (uint32_t i = 0; i < disk->journal_count; i++) {
        if (disk->journal[i].stuck) {
            return true;
        }
    }
    return false;
}

int hf_disk_list(const hf_disk *disk, const char *path,
                 void (*name)(void *context, const char *name), void *context)
{
    char dir[HF_DISK_PATH_MAX + 1];
    hf_disk__path(dir, path);
    const hf_disk__name *found = hf_disk__tree_find(&disk->current, dir);
    if (dir[0] != '\0' && (found == NULL || !found->file->dir)) {
        return -ENOENT;
    }
    for (uint32_t i = 0; i < disk->current.count; i++) {
        const char *full = disk->current.names[i].path;
        if (names_parent_is(full, dir)) {
            name(context, dir[0] == '\0' ? full : full + strlen(dir) + 1);
        }
    }
    return 0;
}

const char *hf_disk_file_path(const hf_disk *disk, const hf_disk_file *file)
{
    for (uint32_t i = 0; i < disk->current.count; i++) {
        if (disk->current.names[i].file == file) {
            return disk->current.names[i].path;
        }
    }
    return NULL;
}
