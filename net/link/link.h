/* hf_link: one connection between two nodes. Bytes in, messages out, and the other way; time comes
 * with the call. It knows no socket: whoever has one passes on what comes and what is to go.
 *
 *   greeting --their greeting--> judging --accepted here--> agreeing --and there--> open --> ended
 *      '--------------- refused, rotten, silent, closed: from anywhere ----------------------^
 *
 * Both sides greet at once: who they are, what they speak, how much they take. What cannot be is
 * refused with a sentence that both sides show. Then messages go in frames, on streams: a frame is
 * short, so an urgent message waits for one frame of a long one at most. A stream's messages come
 * in order, each once, or the link ends; what was not written whole when it ends is lost, and
 * nothing is sent twice: whoever needs an answer asks again on the next link.
 *
 * Flow control: the receiver says how many bytes of each stream it takes before it is done with
 * some. So it always reads, a stream that is not taken off stands still alone, and memory is
 * bounded by the windows.
 *
 * Ownership: one block of hf_link_size() bytes, the caller's; it does not move. Messages to be sent
 * are lent until taken back. Messages that come are lent until done; a message that came in pieces
 * lies in the heap. Threads: one core only.
 */
#ifndef HF_LINK_LINK_H
#define HF_LINK_LINK_H
#include "engine/base/bytes.h"
#include "engine/base/error.h"
#include "engine/base/heap.h"
#include "engine/base/uuid.h"

enum {
    HF_LINK_FORMAT_LEAST = 1, /* of frames: what this binary speaks */
    HF_LINK_FORMAT_MOST = 1,
    HF_LINK_FRAME_HEAD = 16,
    HF_LINK_FRAME_MAX = 16 * 1024, /* bytes of a message in one frame */
    HF_LINK_OUTPUT_MIN = 2 * 1024, /* room for output that always gets on */
    HF_LINK_MESSAGE_MAX = 1 << 30,
    HF_LINK_QUEUE_MAX = 1 << 20,
    HF_LINK_WORDS_MAX = 192,
};

/* The first goes before all others, as long as it has something. The others share: of sixteen
 * bytes, when all have something to send, about seven, seven and two. */
typedef enum hf_link_stream {
    HF_LINK_URGENT, /* liveness, votes, beats */
    HF_LINK_LOG,    /* entries and their answers */
    HF_LINK_CALLS,  /* transactions, requests passed on */
    HF_LINK_BULK,   /* snapshots, repairs */
    HF_LINK_STREAMS,
} hf_link_stream;

typedef struct hf_link_limits {
    /* The longest message that is taken here; 0: none. */
    uint32_t message_max[HF_LINK_STREAMS];
    /* Bytes of messages that came and are not done; at least message_max. */
    uint32_t window[HF_LINK_STREAMS];
    uint32_t queue; /* messages that wait to be sent, on each stream */
} hf_link_limits;

typedef struct hf_link_options {
    hf_link_limits limits;
    hf_uuid cluster;
    uint32_t node;    /* this one; not 0 */
    uint32_t start;   /* grows with every start of a node, durable before it is told; not 0 */
    uint64_t disk;    /* drawn when the data directory was made; not 0 */
    uint16_t core;    /* whose link this is */
    uint16_t to_core; /* whom it wants there */
    uint16_t format_least, format_most;
    uint64_t features;  /* this node has, */
    uint64_t needed;    /* ... and does without none of these */
    uint64_t greet_ns;  /* a greeting and its answer take no longer */
    uint64_t ping_ns;   /* nothing was heard for so long: asks */
    uint64_t silent_ns; /* ... for so long: the link ends */
} hf_link_options;

/* Who is at the other end, as it says. */
typedef struct hf_link_peer {
    hf_link_limits limits; /* queue: 0 */
    hf_uuid cluster;
    uint32_t node, to;
    uint32_t start;
    uint32_t attempt;
    uint64_t disk;
    uint64_t features, needed;
    uint16_t format_least, format_most;
    uint16_t core, to_core;
} hf_link_peer;

/* What is known of a node from links before: zeros, nothing. */
typedef struct hf_link_known {
    uint64_t disk;
    uint32_t start;
    uint32_t attempt;
} hf_link_known;

typedef struct hf_link_message {
    hf_bytes bytes; /* in the input, until the next call with any; or in the heap, until done */
    void *block;    /* ... not NULL */
    uint32_t stream;
} hf_link_message;

typedef struct hf_link_sent {
    uint64_t tag;
    uint32_t stream;
    bool whole; /* written; false: the link ended before */
} hf_link_sent;

typedef enum hf_link_event {
    HF_LINK_MORE,    /* all input is taken */
    HF_LINK_GREETED, /* hf_link_peer_of() says who it is: accept or close */
    HF_LINK_OPENED,  /* messages may be sent from now on */
    HF_LINK_MESSAGE,
    HF_LINK_ENDED, /* hf_link_end() says why; the rest of the input is void */
} hf_link_event;

typedef struct hf_link hf_link;

size_t hf_link_size(const hf_link_options *options);
/* `to`: the node that is called; 0: somebody called here. `attempt`: grows with every call in one
 * start of the caller. `heap`: for messages that come in pieces. */
hf_link *hf_link_open(void *at, const hf_link_options *options, hf_heap *heap, uint32_t to,
                      uint32_t attempt, uint64_t now);
/* Gives back to the heap what did not come whole. Messages that are not done stay lent: be done
 * with them first. */
void hf_link_shut(hf_link *link);

/* Takes input off `input` until something happens. Call again while it is not HF_LINK_MORE. */
hf_link_event hf_link_input(hf_link *link, uint64_t now, hf_bytes *input, hf_link_message *message);
/* The next bytes to be sent, at most `size`, at least HF_LINK_OUTPUT_MIN; answers how many. */
uint32_t hf_link_output(hf_link *link, uint64_t now, uint8_t *to, uint32_t size);
bool hf_link_has_output(const hf_link *link);
/* Call at hf_link_wake_at(): asks whether somebody is there, gives up. */
void hf_link_tick(hf_link *link, uint64_t now);
uint64_t hf_link_wake_at(const hf_link *link);

const hf_link_peer *hf_link_peer_of(const hf_link *link); /* after HF_LINK_GREETED */
uint64_t hf_link_features(const hf_link *link);           /* that both have */
uint32_t hf_link_format(const hf_link *link);             /* that is spoken */
/* The answer to HF_LINK_GREETED. False, and refused, when it is not who is known: another disk
 * under the node's number, a life or a connection that is over. */
bool hf_link_accept(hf_link *link, const hf_link_known *known, uint64_t now);
/* Ends the link; the peer is told, once output is sent. */
void hf_link_close(hf_link *link, hf_err err, const char *words);
/* HF_OK while it lives; else why it ended, in words too. */
hf_err hf_link_end(const hf_link *link, const char **words);

/* A message of `count` parts, in this order; parts and bytes are lent until taken back.
 * HF_E_BUSY: the link is not open yet. HF_E_CLOSED: it ended. HF_E_FULL: the queue is.
 * HF_E_TOOBIG: longer than the peer takes. */
HF_MUST_USE hf_err hf_link_send(hf_link *link, hf_link_stream stream, const hf_bytes *parts,
                                uint32_t count, uint64_t tag);
/* The next message whose bytes are not needed any more. After the end, all of them. */
bool hf_link_take_back(hf_link *link, hf_link_sent *sent);
/* A message that came is not needed any more: the peer may send more. Once each, also when the link
 * has ended. */
void hf_link_done(hf_link *link, hf_link_message *message);

/* The time from the last ping to its answer; 0: none came yet. */
uint64_t hf_link_rtt(const hf_link *link);
/* Walks the structure and asserts what must hold. */
void hf_link_check(const hf_link *link);

#endif
