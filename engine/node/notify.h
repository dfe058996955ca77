/* hf_notify: tells a service manager (systemd's protocol, no library) how the process is.
 *
 * A datagram to the socket that NOTIFY_SOCKET names. Without one, every call does nothing.
 */
#ifndef HF_NODE_NOTIFY_H
#define HF_NODE_NOTIFY_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

typedef struct hf_notify {
    int fd; /* -1: nobody asked */
    struct sockaddr_un address;
    uint32_t address_size;
    uint64_t watchdog_ns; /* how often at least it wants to hear WATCHDOG=1; 0: never */
} hf_notify;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID. */
void hf_notify_open(hf_notify *notify);
/* READY=1, STOPPING=1: what must arrive. Waits up to two seconds while the manager's queue is full;
 * false: it was not told. */
bool hf_notify_send(const hf_notify *notify, const char *message);
/* STATUS=..., WATCHDOG=1: dropped when the queue is full, for word of life is in it already. */
void hf_notify_hint(const hf_notify *notify, const char *message);
void hf_notify_close(hf_notify *notify);

#endif
