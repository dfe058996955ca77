#include "engine/node/notify.h"
#include "engine/base/text.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static bool number_of(const char *name, uint64_t *out)
{
    const char *text = getenv(name);
    return text != NULL && hf_text_u64(hf_bytes_of(text, strlen(text)), out) == HF_OK;
}

void hf_notify_open(hf_notify *notify)
{
    uint64_t pid;
    uint64_t usec;
    const char *path = getenv("NOTIFY_SOCKET");
    *notify = (hf_notify){ .fd = -1, .address.sun_family = AF_UNIX };
    size_t size = path == NULL ? 0 : strlen(path);
    if (size < 2 || size >= sizeof notify->address.sun_path || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(notify->address.sun_path, path, size);
    if (path[0] == '@') {
        notify->address.sun_path[0] = '\0'; /* the abstract name space */
    }
    notify->address_size = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + size);
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = { .tv_sec = 2 };
    if (notify->fd >= 0) {
        (void)setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    bool ours = !number_of("WATCHDOG_PID", &pid) || pid == (uint64_t)getpid();
    if (ours && number_of("WATCHDOG_USEC", &usec) && usec <= UINT64_MAX / 1000) {
        notify->watchdog_ns = usec * 1000;
    }
}

static bool put(const hf_notify *notify, const char *message, int flags)
{
    size_t size = strlen(message);
    const struct sockaddr *to = (const struct sockaddr *)(const void *)&notify->address;
    return notify->fd < 0 || sendto(notify->fd, message, size, flags | MSG_NOSIGNAL, to,
                                    notify->address_size) == (ssize_t)size;
}

bool hf_notify_send(const hf_notify *notify, const char *message)
{
    return put(notify, message, 0);
}

void hf_notify_hint(const hf_notify *notify, const char *message)
{
    (void)put(notify, message, MSG_DONTWAIT);
}

void hf_notify_close(hf_notify *notify)
{
    if (notify->fd >= 0) {
        (void)close(notify->fd);
    }
    notify->fd = -1;
}
