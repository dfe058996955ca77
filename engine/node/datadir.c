#include "engine/node/datadir.h"
#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/text.h"
#include "engine/io/clock.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SHARD_NAME = 32 };

static const char identity_name[] = "HOLDFAST";
static const char identity_new[] = "HOLDFAST.new";
static const char lock_name[] = "LOCK";
static const char device_name[] = "device-00"; /* HF_SHARD_DEVICE_DIR */

/* ---- The identity file ----------------------------------------------------------------------- */

size_t hf_identity_format(const hf_identity *identity, char out[HF_DATADIR_IDENTITY])
{
    int size = snprintf(out, HF_DATADIR_IDENTITY,
                        "holdfast %" PRIu64 "\nnode %016" PRIx64 "\nshards %" PRIu64
                        "\nlog-per %s\ncreated %s\n%s",
                        identity->version, identity->node_id, identity->shards,
                        identity->log_shared ? "device" : "core", identity->created,
                        identity->begun ? "logs begun\n" : "");
    HF_ASSERT(size > 0 && size + 32 < HF_DATADIR_IDENTITY);
    uint32_t crc = hf_crc32c(0, out, (size_t)size);
    return (size_t)size + (size_t)snprintf(out + size, 32, "crc32c %08" PRIx32 "\n", crc);
}

/* The value of the next line, which must be "name value"; false: it is not. */
static bool next_value(hf_bytes *rest, const char *name, hf_bytes *value)
{
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->data, '\n', rest->size);
    size_t length = strlen(name);
    if (end == NULL || (size_t)(end - rest->data) < length + 2 ||
        memcmp(rest->data, name, length) != 0 || rest->data[length] != ' ') {
        return false;
    }
    *value = hf_bytes_of(rest->data + length + 1, (size_t)(end - rest->data) - length - 1);
    *rest = hf_bytes_of(end + 1, rest->size - (size_t)(end + 1 - rest->data));
    return true;
}

static bool hex_of(hf_bytes text, uint32_t digits, uint64_t *out)
{
    uint64_t number = 0;
    if (text.size != digits) {
        return false;
    }
    for (uint32_t i = 0; i < digits; i++) {
        const char *at = strchr("0123456789abcdef", text.data[i]);
        if (at == NULL || text.data[i] == '\0') {
            return false;
        }
        number = number << 4 | (uint64_t)(at - "0123456789abcdef");
    }
    *out = number;
    return true;
}

/* The checksum line, which is the last one in every version; the rest is what it covers. */
static bool check_sum(hf_bytes *text)
{
    enum { LINE = 16 }; /* "crc32c 1a2b3c4d\n" */
    uint64_t crc;
    hf_bytes value;
    if (text->size < LINE) {
        return false;
    }
    hf_bytes last = hf_bytes_of(text->data + text->size - LINE, LINE);
    *text = hf_bytes_of(text->data, text->size - LINE);
    return next_value(&last, "crc32c", &value) && hex_of(value, 8, &crc) &&
           crc == hf_crc32c(0, text->data, text->size);
}

static bool log_per_of(hf_bytes text, bool *shared)
{
    *shared = hf_bytes_equal(text, HF_LIT("device"));
    return *shared || hf_bytes_equal(text, HF_LIT("core"));
}

hf_err hf_identity_parse(hf_identity *identity, const char *text, size_t size)
{
    hf_bytes rest = hf_bytes_of(text, size);
    hf_bytes value;
    *identity = (hf_identity){ .version = 0 };
    if (!check_sum(&rest) || !next_value(&rest, "holdfast", &value) ||
        hf_text_u64(value, &identity->version) != HF_OK || identity->version == 0) {
        return HF_E_CORRUPT;
    }
    if (identity->version > HF_DATADIR_VERSION) {
        return HF_E_VERSION;
    }
    bool good = next_value(&rest, "node", &value) && hex_of(value, 16, &identity->node_id) &&
                identity->node_id != 0 && next_value(&rest, "shards", &value) &&
                hf_text_u64(value, &identity->shards) == HF_OK && identity->shards != 0 &&
                identity->shards <= HF_DATADIR_SHARDS_MAX && next_value(&rest, "log-per", &value) &&
                log_per_of(value, &identity->log_shared) && next_value(&rest, "created", &value) &&
                value.size < sizeof identity->created;
    if (!good) {
        return HF_E_CORRUPT;
    }
    memcpy(identity->created, value.data, value.size);
    identity->created[value.size] = '\0';
    identity->begun = rest.size != 0;
    good = rest.size == 0 ||
           (next_value(&rest, "logs", &value) && hf_bytes_equal(value, HF_LIT("begun")));
    return good && rest.size == 0 ? HF_OK : HF_E_CORRUPT;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static hf_exit sync_fd(int fd, const char *name, hf_problem *problem)
{
    if (fsync(fd) != 0) {
        return hf_problem_errno(problem, HF_EXIT_IO, errno, "cannot flush %s", name);
    }
    return HF_EXIT_OK;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size != 0) {
        ssize_t some = write(fd, data, size);
        if (some < 0 && errno != EINTR) {
            return false;
        }
        data += some < 0 ? 0 : some;
        size -= some < 0 ? 0 : (size_t)some;
    }
    return true;
}

/* Bytes read, at most `size`; -1: an error. */
static ssize_t read_all(int fd, char *data, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t some = pread(fd, data + used, size - used, (off_t)used);
        if (some == 0 || (some < 0 && errno != EINTR)) {
            return some == 0 ? (ssize_t)used : -1;
        }
        used += some < 0 ? 0 : (size_t)some;
    }
    return (ssize_t)used;
}

/* ---- The directory and its lock ---------------------------------------------------------------
 */

/* The name of a new directory is durable when the one above it is flushed. */
static hf_exit sync_parent(const char *path, hf_problem *problem)
{
    char copy[4096];
    if ((size_t)snprintf(copy, sizeof copy, "%s", path) >= sizeof copy) {
        return hf_problem_set(problem, HF_EXIT_CREATE, "%.200s...: the path is too long", path);
    }
    const char *parent = dirname(copy);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return hf_problem_errno(problem, HF_EXIT_CREATE, errno, "cannot open %s", parent);
    }
    hf_exit code = sync_fd(fd, parent, problem);
    (void)close(fd);
    return code;
}

static hf_exit open_directory(hf_datadir *dir, hf_problem *problem)
{
    if (mkdir(dir->path, 0700) == 0) {
        hf_exit code = sync_parent(dir->path, problem);
        if (code != HF_EXIT_OK) {
            return code;
        }
    } else if (errno == ENOENT) {
        return hf_problem_set(
            problem, HF_EXIT_CREATE,
            "cannot create the data directory %s: make the directory above it first", dir->path);
    } else if (errno != EEXIST) {
        return hf_problem_errno(problem, HF_EXIT_CREATE, errno,
                                "cannot create the data directory %s", dir->path);
    }
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0) {
        return hf_problem_errno(problem, HF_EXIT_CREATE, errno, "cannot open the data directory %s",
                                dir->path);
    }
    return HF_EXIT_OK;
}

/* Reads "pid 4711\nstarted 2026-11-21T13:45:00Z\n"; it may be half written. */
static hf_exit tell_holder(const hf_datadir *dir, hf_problem *problem)
{
    char text[96];
    uint64_t pid;
    hf_bytes number;
    hf_bytes since;
    ssize_t size = read_all(dir->lock_fd, text, sizeof text);
    hf_bytes rest = hf_bytes_of(text, size < 0 ? 0 : (size_t)size);
    if (next_value(&rest, "pid", &number) && hf_text_u64(number, &pid) == HF_OK &&
        next_value(&rest, "started", &since)) {
        return hf_problem_set(problem, HF_EXIT_LOCKED,
                              "the data directory %s is in use by process %" PRIu64
                              ", since %.*s; stop that process first, or use another --data",
                              dir->path, pid, (int)since.size, (const char *)since.data);
    }
    return hf_problem_set(problem, HF_EXIT_LOCKED,
                          "the data directory %s is in use by another process; stop it first, or "
                          "use another --data",
                          dir->path);
}

static void time_text(char out[32])
{
    struct tm utc;
    time_t now = (time_t)(hf_clock_wall_ns() / 1000000000);
    HF_ASSERT(gmtime_r(&now, &utc) != NULL);
    HF_ASSERT(strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) != 0);
}

/* A killed process holds its lock until its memory is gone: wait up to two seconds. */
static int lock_patiently(int fd)
{
    enum { TRIES = 200, PAUSE_NS = 10000000 };
    for (int i = 0; i < TRIES && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return errno;
        }
        struct timespec pause = { .tv_nsec = PAUSE_NS };
        (void)nanosleep(&pause, NULL);
    }
    return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

static hf_exit take_lock(hf_datadir *dir, hf_problem *problem)
{
    char since[32];
    char text[96];
    dir->lock_fd = openat(dir->fd, lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->lock_fd < 0) {
        return hf_problem_errno(problem, HF_EXIT_CREATE, errno, "cannot open %s/%s", dir->path,
                                lock_name);
    }
    int error = lock_patiently(dir->lock_fd);
    if (error == EWOULDBLOCK) {
        return tell_holder(dir, problem);
    }
    if (error != 0) {
        return hf_problem_errno(problem, HF_EXIT_IO, error, "cannot lock %s/%s", dir->path,
                                lock_name);
    }
    time_text(since);
    int size = snprintf(text, sizeof text, "pid %ld\nstarted %s\n", (long)getpid(), since);
    if (ftruncate(dir->lock_fd, 0) != 0 || !write_all(dir->lock_fd, text, (size_t)size)) {
        return hf_problem_errno(problem, HF_EXIT_IO, errno, "cannot write %s/%s", dir->path,
                                lock_name);
    }
    return HF_EXIT_OK;
}

/* ---- Making a new one --------------------------------------------------------------------------
 */

static void shard_name(char out[SHARD_NAME], uint64_t shard)
{
    (void)snprintf(out, SHARD_NAME, "core-%02" PRIu64, shard);
}

/* 1: holds something, 0: holds nothing, -1: no directory, or it cannot be read. */
static int is_filled(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *all = fd < 0 ? NULL : fdopendir(fd);
    int filled = all == NULL ? -1 : 0;
    if (all == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return filled;
    }
    for (struct dirent *entry = readdir(all); entry != NULL; entry = readdir(all)) {
        filled |= strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 ? 1 : 0;
    }
    (void)closedir(all);
    return filled;
}

/* What may stand in a directory without HOLDFAST, for it to be made ours: what a crash leaves of
 * making one, and what file systems put into their root. */
static hf_exit admit_name(const hf_datadir *dir, const char *name, hf_problem *problem)
{
    static const char *const harmless[] = { ".",          "..",         lock_name,
                                            identity_new, "lost+found", ".align-probe" };
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        if (strcmp(name, harmless[i]) == 0) {
            return HF_EXIT_OK;
        }
    }
    bool ours = strncmp(name, "core-", 5) == 0 || strcmp(name, device_name) == 0;
    int filled = ours ? is_filled(dir->fd, name) : -1;
    if (filled == 1) {
        return hf_problem_set(
            problem, HF_EXIT_CORRUPT,
            "%s/%s is missing but %s holds data; put the file back (from a backup) "
            "or use another --data; nothing was changed",
            dir->path, identity_name, name);
    }
    if (filled == 0) {
        return HF_EXIT_OK;
    }
    return hf_problem_set(problem, HF_EXIT_CONFIG,
                          "%s is not empty and not a data directory (it has \"%.100s\"); give an "
                          "empty or a new one with --data",
                          dir->path, name);
}

static hf_exit admit_all(const hf_datadir *dir, hf_problem *problem)
{
    hf_exit code = HF_EXIT_OK;
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *all = fd < 0 ? NULL : fdopendir(fd);
    if (all == NULL) {
        return hf_problem_errno(problem, HF_EXIT_IO, errno, "cannot list %s", dir->path);
    }
    for (struct dirent *entry = readdir(all); entry != NULL && code == HF_EXIT_OK;
         entry = readdir(all)) {
        code = admit_name(dir, entry->d_name, problem);
    }
    (void)closedir(all);
    return code;
}

static hf_exit write_identity(const hf_datadir *dir, hf_problem *problem)
{
    char text[HF_DATADIR_IDENTITY];
    size_t size = hf_identity_format(&dir->identity, text);
    hf_exit code = HF_EXIT_OK;
    int fd =
        openat(dir->fd, identity_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return hf_problem_errno(problem, HF_EXIT_CREATE, errno, "cannot create %s/%s", dir->path,
                                identity_new);
    }
    if (!write_all(fd, text, size) || fsync(fd) != 0) {
        code = hf_problem_errno(problem, HF_EXIT_IO, errno, "cannot write %s/%s", dir->path,
                                identity_new);
    }
    if (close(fd) != 0 && code == HF_EXIT_OK) {
        code = hf_problem_errno(problem, HF_EXIT_IO, errno, "cannot write %s/%s", dir->path,
                                identity_new);
    }
    if (code == HF_EXIT_OK && renameat(dir->fd, identity_new, dir->fd, identity_name) != 0) {
        code = hf_problem_errno(problem, HF_EXIT_CREATE, errno, "cannot rename %s/%s", dir->path,
                                identity_new);
    }
    return code == HF_EXIT_OK ? sync_fd(dir->fd, dir->path, problem) : code;
}

static uint64_t draw_id(void)
{
    uint64_t id = 0;
    while (id == 0) {
        ssize_t size = getrandom(&id, sizeof id, 0);
        HF_ASSERT(size == (ssize_t)sizeof id || (size < 0 && errno == EINTR));
    }
    return id;
}

static hf_exit make_one(const hf_datadir *dir, const char *name, hf_problem *problem)
{
    if (mkdirat(dir->fd, name, 0700) != 0 && errno != EEXIST) {
        return hf_problem_errno(problem, HF_EXIT_CREATE, errno, "cannot create %s/%s", dir->path,
                                name);
    }
    return HF_EXIT_OK;
}

/* The directories first, then the file that says that they are there. */
static hf_exit make(hf_datadir *dir, uint16_t shards, bool log_shared, hf_problem *problem)
{
    hf_exit code = admit_all(dir, problem);
    for (uint16_t i = 0; i < shards && code == HF_EXIT_OK; i++) {
        char name[SHARD_NAME];
        shard_name(name, i);
        code = make_one(dir, name, problem);
    }
    if (code == HF_EXIT_OK && log_shared) {
        code = make_one(dir, device_name, problem);
    }
    if (code == HF_EXIT_OK) {
        code = sync_fd(dir->fd, dir->path, problem);
    }
    if (code != HF_EXIT_OK) {
        return code;
    }
    dir->made = true;
    dir->identity = (hf_identity){ .version = HF_DATADIR_VERSION,
                                   .node_id = draw_id(),
                                   .shards = shards,
                                   .log_shared = log_shared };
    time_text(dir->identity.created);
    return write_identity(dir, problem);
}

/* ---- Opening an old one ------------------------------------------------------------------------
 */

/* `what`: is gone with it. */
static hf_exit check_one(const hf_datadir *dir, const char *name, const char *what,
                         hf_problem *problem)
{
    struct stat st;
    int error = fstatat(dir->fd, name, &st, 0) == 0 ? 0 : errno;
    if (error != 0 && error != ENOENT) {
        return hf_problem_errno(problem, HF_EXIT_IO, error, "cannot read %s/%s", dir->path, name);
    }
    if (error == ENOENT || !S_ISDIR(st.st_mode)) {
        return hf_problem_set(problem, HF_EXIT_CORRUPT,
                              "%s/%s is missing, with the %s; put it back (from a backup); "
                              "nothing was changed",
                              dir->path, name, what);
    }
    return HF_EXIT_OK;
}

/* A log without files would begin anew. */
static hf_exit check_log(const hf_datadir *dir, const char *name, hf_problem *problem)
{
    if (!dir->identity.begun || is_filled(dir->fd, name) != 0) {
        return HF_EXIT_OK;
    }
    return hf_problem_set(problem, HF_EXIT_CORRUPT,
                          "%s/%s is empty, but its log has begun: its files are missing; put them "
                          "back (from a backup), or use another --data; nothing was changed",
                          dir->path, name);
}

/* A shard whose directory or log is gone would start empty, as if nothing had been acknowledged. */
static hf_exit check_shards(const hf_datadir *dir, hf_problem *problem)
{
    hf_exit code = HF_EXIT_OK;
    for (uint64_t i = 0; i < dir->identity.shards && code == HF_EXIT_OK; i++) {
        char name[SHARD_NAME];
        shard_name(name, i);
        code = check_one(dir, name, "data of a shard", problem);
        if (code == HF_EXIT_OK && !dir->identity.log_shared) {
            code = check_log(dir, name, problem);
        }
    }
    if (code == HF_EXIT_OK && dir->identity.log_shared) {
        code = check_one(dir, device_name, "log of all shards", problem);
        code = code == HF_EXIT_OK ? check_log(dir, device_name, problem) : code;
    }
    return code;
}

static hf_exit read_identity(hf_datadir *dir, int fd, hf_problem *problem)
{
    char text[HF_DATADIR_IDENTITY + 1];
    ssize_t size = read_all(fd, text, sizeof text);
    if (size < 0) {
        return hf_problem_errno(problem, HF_EXIT_IO, errno, "cannot read %s/%s", dir->path,
                                identity_name);
    }
    switch ((int)hf_identity_parse(&dir->identity, text, (size_t)size)) {
    case HF_OK:
        return check_shards(dir, problem);
    case HF_E_VERSION:
        return hf_problem_set(problem, HF_EXIT_VERSION,
                              "the data directory %s has format %" PRIu64
                              ", this binary reads up to %d; start the newer holdfastd that wrote "
                              "it; nothing was changed",
                              dir->path, dir->identity.version, HF_DATADIR_VERSION);
    default:
        return hf_problem_set(problem, HF_EXIT_CORRUPT,
                              "%s/%s is damaged (wrong checksum or contents); put it back from a "
                              "backup; nothing was changed",
                              dir->path, identity_name);
    }
}

hf_exit hf_datadir_open(hf_datadir *dir, const char *path, uint16_t shards, bool log_shared,
                        hf_problem *problem)
{
    HF_PRE(shards != 0 && shards <= HF_DATADIR_SHARDS_MAX);
    *dir = (hf_datadir){ .path = path, .fd = -1, .lock_fd = -1 };
    hf_exit code = open_directory(dir, problem);
    if (code == HF_EXIT_OK) {
        code = take_lock(dir, problem);
    }
    if (code == HF_EXIT_OK) {
        int fd = openat(dir->fd, identity_name, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            code = read_identity(dir, fd, problem);
            (void)close(fd);
        } else {
            code = errno == ENOENT ? make(dir, shards, log_shared, problem)
                                   : hf_problem_errno(problem, HF_EXIT_IO, errno,
                                                      "cannot open %s/%s", path, identity_name);
        }
    }
    if (code != HF_EXIT_OK) {
        hf_datadir_close(dir);
    }
    return code;
}

hf_exit hf_datadir_begun(hf_datadir *dir, hf_problem *problem)
{
    if (dir->identity.begun) {
        return HF_EXIT_OK;
    }
    dir->identity.begun = true;
    return write_identity(dir, problem);
}

void hf_datadir_close(hf_datadir *dir)
{
    if (dir->lock_fd >= 0) {
        (void)close(dir->lock_fd);
    }
    if (dir->fd >= 0) {
        (void)close(dir->fd);
    }
    dir->fd = dir->lock_fd = -1;
}
