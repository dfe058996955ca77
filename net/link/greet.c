/* Greetings, agreements and refusals: blocks whose form never changes, so that any two versions can
 * tell each other why they do not agree.
 */
#include "engine/base/assert.h"
#include "net/link/link_impl.h"

#include <stdio.h>

static const char names[3][9] = { "HFLINK-H", "HFLINK-A", "HFLINK-R" };
enum { GREETING, AGREEMENT, REFUSAL, MAGIC_SIZE = 8 };

/* ---- Blocks ---- */

static hf_writer begin(hf_link *l)
{
    hf_writer w = { l->talk + l->talk_size, l->talk + sizeof l->talk, false };
    hf_write_raw(&w, (uint8_t[HF_LINK__BLOCK_HEAD]){ 0 }, HF_LINK__BLOCK_HEAD);
    return w;
}

static uint32_t finish(hf_link *l, hf_writer *w, int which)
{
    uint8_t *at = l->talk + l->talk_size;
    HF_ASSERT(!w->full);
    uint16_t size = (uint16_t)(w->at - at);
    memcpy(at, names[which], MAGIC_SIZE);
    memcpy(at + 12, &size, sizeof size);
    uint32_t crc = hf_crc32c(0, at + 12, size - 12u);
    memcpy(at + 8, &crc, sizeof crc);
    l->talk_size += size;
    return crc;
}

/* Gathers until `want` bytes are there. */
static bool gather(hf_link *l, hf_bytes *input, uint32_t want)
{
    HF_ASSERT(want <= sizeof l->in);
    if (l->in_size < want) {
        uint32_t take = want - l->in_size < input->size ? want - l->in_size : input->size;
        hf_bytes_copy(l->in + l->in_size, hf_bytes_of(input->data, take));
        l->in_size += take;
        input->data += take;
        input->size -= take;
    }
    return l->in_size >= want;
}

/* A whole block of one of two names into `in`. MORE: not whole yet; GREETED: it is there. */
static hf_link_event block(hf_link *l, hf_bytes *input, int which)
{
    bool head = gather(l, input, HF_LINK__BLOCK_HEAD);
    uint32_t seen = l->in_size < MAGIC_SIZE ? l->in_size : MAGIC_SIZE;
    if (memcmp(l->in, names[which], seen) != 0 && memcmp(l->in, names[REFUSAL], seen) != 0) {
        return hf_link__fail(l, HF_E_CORRUPT, "not what a node says: is it another port?");
    }
    if (!head) {
        return HF_LINK_MORE;
    }
    uint16_t size;
    memcpy(&size, l->in + 12, sizeof size);
    if (size < HF_LINK__BLOCK_HEAD || size > sizeof l->in) {
        return hf_link__fail(l, HF_E_CORRUPT, "a greeting of %u bytes", size);
    }
    if (!gather(l, input, size)) {
        return HF_LINK_MORE;
    }
    uint32_t crc;
    memcpy(&crc, l->in + 8, sizeof crc);
    if (crc != hf_crc32c(0, l->in + 12, size - 12u)) {
        return hf_link__fail(l, HF_E_CORRUPT, "a greeting that is damaged");
    }
    l->in_size = 0;
    return HF_LINK_GREETED;
}

static hf_reader body(const hf_link *l)
{
    uint16_t size;
    memcpy(&size, l->in + 12, sizeof size);
    return hf_reader_of(
        hf_bytes_of(l->in + HF_LINK__BLOCK_HEAD, (size_t)size - HF_LINK__BLOCK_HEAD));
}

static bool is_refusal(const hf_link *l)
{
    return memcmp(l->in, names[REFUSAL], MAGIC_SIZE) == 0;
}

/* ---- Refusals ---- */

void hf_link__refuse(hf_link *l)
{
    HF_PRE(l->end != HF_OK);
    hf_writer w = begin(l);
    hf_write_u32(&w, (uint32_t)-l->end);
    hf_write_raw(&w, l->words, strlen(l->words));
    (void)finish(l, &w, REFUSAL);
}

static hf_link_event was_refused(hf_link *l)
{
    hf_reader r = body(l);
    uint32_t code = hf_read_u32(&r);
    hf_bytes words = hf_read_lent(&r, hf_reader_left(&r));
    bool known = code >= 1 && code <= (uint32_t)-HF_E_FATAL;
    int size = words.size < HF_LINK_WORDS_MAX ? (int)words.size : HF_LINK_WORDS_MAX;
    return hf_link__fail(l, known ? (hf_err)(-(int)code) : HF_E_REFUSED, "refused: %.*s", size,
                         words.data == NULL ? "" : (const char *)words.data);
}

/* ---- Greetings ---- */

void hf_link__greet(hf_link *l, uint32_t attempt)
{
    const hf_link_options *o = &l->options;
    hf_writer w = begin(l);
    hf_write_u16(&w, o->format_least);
    hf_write_u16(&w, o->format_most);
    hf_write_u16(&w, o->core);
    hf_write_u16(&w, o->to_core);
    hf_write_raw(&w, o->cluster.bytes, HF_UUID_SIZE);
    hf_write_u32(&w, o->node);
    hf_write_u32(&w, l->to);
    hf_write_u32(&w, o->start);
    hf_write_u32(&w, attempt);
    hf_write_u64(&w, o->disk);
    hf_write_u64(&w, o->features);
    hf_write_u64(&w, o->needed);
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        hf_write_u32(&w, o->limits.message_max[i]);
        hf_write_u32(&w, o->limits.window[i]);
    }
    l->send_crc = finish(l, &w, GREETING);
    HF_POST(l->talk_size == HF_LINK__GREETING);
}

static bool read_greeting(hf_link *l)
{
    hf_link_peer *p = &l->peer;
    hf_reader r = body(l);
    p->format_least = hf_read_u16(&r);
    p->format_most = hf_read_u16(&r);
    p->core = hf_read_u16(&r);
    p->to_core = hf_read_u16(&r);
    hf_read_raw(&r, p->cluster.bytes, HF_UUID_SIZE);
    p->node = hf_read_u32(&r);
    p->to = hf_read_u32(&r);
    p->start = hf_read_u32(&r);
    p->attempt = hf_read_u32(&r);
    p->disk = hf_read_u64(&r);
    p->features = hf_read_u64(&r);
    p->needed = hf_read_u64(&r);
    bool limits = true;
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        p->limits.message_max[i] = hf_read_u32(&r);
        p->limits.window[i] = hf_read_u32(&r);
        limits = limits && p->limits.message_max[i] <= p->limits.window[i] &&
                 p->limits.window[i] <= HF_LINK_MESSAGE_MAX;
    }
    return !r.bad && limits && p->node != 0 && p->start != 0 && p->disk != 0 &&
           p->format_least != 0 && p->format_least <= p->format_most &&
           (p->needed & ~p->features) == 0;
}

static hf_link_event other_version(hf_link *l)
{
    const hf_link_options *o = &l->options;
    const hf_link_peer *p = &l->peer;
    return hf_link__fail(l, HF_E_VERSION,
                         "node %u speaks formats %u to %u of the protocol between nodes, node %u "
                         "speaks %u to %u: node %u is too old",
                         p->node, p->format_least, p->format_most, o->node, o->format_least,
                         o->format_most, p->format_most < o->format_least ? p->node : o->node);
}

static hf_link_event other_cluster(hf_link *l)
{
    char theirs[HF_UUID_TEXT], ours[HF_UUID_TEXT];
    hf_uuid_format(&l->peer.cluster, theirs);
    hf_uuid_format(&l->options.cluster, ours);
    return hf_link__fail(l, HF_E_WRONGFILE, "node %u is of cluster %.*s, node %u of another, %.*s",
                         l->peer.node, HF_UUID_TEXT, theirs, l->options.node, HF_UUID_TEXT, ours);
}

static hf_link_event other_node(hf_link *l)
{
    const hf_link_options *o = &l->options;
    const hf_link_peer *p = &l->peer;
    if (p->node == o->node) {
        return hf_link__fail(l, HF_E_EXISTS, "two nodes call themselves node %u", o->node);
    }
    if (p->to != 0 && p->to != o->node) {
        return hf_link__fail(l, HF_E_INVALID, "node %u calls for node %u, and this is node %u",
                             p->node, p->to, o->node);
    }
    if (l->to != 0 && l->to != p->node) {
        return hf_link__fail(l, HF_E_INVALID, "node %u calls for node %u, and this is node %u",
                             o->node, l->to, p->node);
    }
    return HF_LINK_GREETED;
}

static hf_link_event lacks_features(hf_link *l)
{
    const hf_link_options *o = &l->options;
    const hf_link_peer *p = &l->peer;
    uint64_t here = p->needed & ~o->features;
    uint64_t there = o->needed & ~p->features;
    if (here != 0) {
        return hf_link__fail(l, HF_E_NOTSUPPORTED,
                             "node %u needs features %#llx that node %u lacks", p->node,
                             (unsigned long long)here, o->node);
    }
    if (there != 0) {
        return hf_link__fail(l, HF_E_NOTSUPPORTED,
                             "node %u needs features %#llx that node %u lacks", o->node,
                             (unsigned long long)there, p->node);
    }
    return HF_LINK_GREETED;
}

/* What can be said without knowing who belongs here. */
static hf_link_event judge(hf_link *l)
{
    const hf_link_options *o = &l->options;
    const hf_link_peer *p = &l->peer;
    if (p->format_most < o->format_least || o->format_most < p->format_least) {
        return other_version(l);
    }
    if (!hf_uuid_equal(&p->cluster, &o->cluster)) {
        return other_cluster(l);
    }
    hf_link_event event = other_node(l);
    return event == HF_LINK_GREETED ? lacks_features(l) : event;
}

hf_link_event hf_link__greeted(hf_link *l, hf_bytes *input)
{
    hf_link_event event = block(l, input, GREETING);
    if (event != HF_LINK_GREETED) {
        return event;
    }
    if (is_refusal(l)) {
        return was_refused(l);
    }
    if (!read_greeting(l)) {
        return hf_link__fail(l, HF_E_CORRUPT, "a greeting that cannot be");
    }
    l->greeted = true;
    uint32_t crc;
    memcpy(&crc, l->in + 8, sizeof crc);
    /* Frames are chained to both greetings: they fit no other connection. */
    l->receive_crc = hf_crc32c(crc, &l->send_crc, sizeof l->send_crc);
    l->send_crc = hf_crc32c(l->send_crc, &crc, sizeof crc);
    l->format =
        l->peer.format_most < l->options.format_most ? l->peer.format_most : l->options.format_most;
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        l->streams_out[i].credit = l->peer.limits.window[i];
    }
    return judge(l);
}

/* ---- Agreements ---- */

void hf_link__agree(hf_link *l)
{
    hf_writer w = begin(l);
    hf_write_u16(&w, (uint16_t)l->format);
    hf_write_u16(&w, 0);
    hf_write_u32(&w, 0);
    hf_write_u64(&w, hf_link_features(l));
    (void)finish(l, &w, AGREEMENT);
}

hf_link_event hf_link__agreed(hf_link *l, hf_bytes *input)
{
    hf_link_event event = block(l, input, AGREEMENT);
    if (event != HF_LINK_GREETED) {
        return event;
    }
    if (is_refusal(l)) {
        return was_refused(l);
    }
    hf_reader r = body(l);
    uint32_t format = hf_read_u16(&r);
    uint32_t zero = hf_read_u16(&r);
    zero |= hf_read_u32(&r);
    uint64_t features = hf_read_u64(&r);
    if (r.bad || format != l->format || zero != 0 || features != hf_link_features(l)) {
        return hf_link__fail(l, HF_E_CORRUPT, "node %u agrees to something else", l->peer.node);
    }
    return HF_LINK_OPENED;
}
