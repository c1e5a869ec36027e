/* sink: an SMSC for capacity runs (SMPP 3.4). It takes every submit_sm and answers with a receipt after a random
 * delay, in one thread, at a cost so small that what is measured is the other side. Loopback only.
 *
 *   gcc -O2 -o sink sink.c
 *   ./sink [-p PORT] [-d MEAN_MS] [-f PERMILLE] [-x]
 *     -p  port (default 0: any; the first line on stdout says which: "listening PORT")
 *     -d  receipts come MEAN_MS/2 to 3*MEAN_MS/2 after their submit_sm; 0: at once; not given: no receipts
 *     -f  so many of 1000 receipts say UNDELIV (default 50)
 *     -x  ids are hexadecimal in submit_sm_resp and decimal in receipts, as some providers have it
 *
 * SIGTERM or SIGINT ends it, with one JSON object of its counters on stdout.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CONNECTIONS = 1024, IN_BYTES = 1 << 18, MOST_PDU_BYTES = 65536, HEADER_BYTES = 16, MOST_ADDRESS = 20 };
enum { TICKS = 8192, TICK_MS = 10, LISTENER = MOST_CONNECTIONS };

/* SMPP 3.4 §5.1.2.1 command_id */
enum {
    BIND_RECEIVER = 0x01, BIND_TRANSMITTER = 0x02, SUBMIT_SM = 0x04, DELIVER_SM = 0x05, UNBIND = 0x06,
    BIND_TRANSCEIVER = 0x09, ENQUIRE_LINK = 0x15
};
#define RESPONSE 0x80000000u
#define GENERIC_NACK 0x80000000u
enum { ROK = 0, RINVCMDID = 3 };  /* SMPP 3.4 §5.1.3 */
enum { RECEIPT_CLASS = 0x04 };    /* SMPP 3.4 §5.2.12: esm_class of a delivery receipt */

typedef struct {
    int fd;
    uint32_t life; /* counts up each time the slot is used again, so that late receipts find nobody */
    int receives, waits_to_write;
    uint32_t sequence;
    uint8_t *in, *out;
    size_t in_bytes, out_bytes, out_sent, out_room;
} Connection;

typedef struct {
    uint64_t id;
    uint32_t connection, life;
    char destination[MOST_ADDRESS + 1], source[MOST_ADDRESS + 1];
} Due;

typedef struct {
    Due *due;
    size_t count, room;
} Tick;

static Connection connections[MOST_CONNECTIONS];
static Tick wheel[TICKS];
static uint64_t tick_now, submits, receipts, acknowledged, lost, waiting, random_state = 88172645463325252ULL;
static long mean_ms = -1, failed_permille = 50;
static int hexadecimal, poller;
static uint32_t used; /* slots below this were in use at some time */
static volatile sig_atomic_t ending;

static void end(int number) {
    (void)number;
    ending = 1;
}

static void *need(void *memory) {
    if (!memory) {
        perror("memory");
        exit(1);
    }
    return memory;
}

static uint64_t any(void) { /* xorshift: the same run after run */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t ticks(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * (1000 / TICK_MS) + (uint64_t)now.tv_nsec / (TICK_MS * 1000000);
}

static uint32_t read_u32(const uint8_t *from) {
    uint32_t value;
    memcpy(&value, from, 4);
    return ntohl(value);
}

static void write_u32(uint8_t *to, uint32_t value) {
    value = htonl(value);
    memcpy(to, &value, 4);
}

static uint8_t *reserve(Connection *c, size_t bytes) {
    if (c->out_bytes + bytes > c->out_room) {
        while (c->out_bytes + bytes > c->out_room)
            c->out_room *= 2;
        c->out = need(realloc(c->out, c->out_room));
    }
    return c->out + c->out_bytes;
}

/* One PDU with a body; SMPP 3.4 §3.2 */
static void send_pdu(Connection *c, uint32_t command, uint32_t status, uint32_t sequence, const void *body, size_t bytes) {
    uint8_t *to = reserve(c, HEADER_BYTES + bytes);
    write_u32(to, (uint32_t)(HEADER_BYTES + bytes));
    write_u32(to + 4, command);
    write_u32(to + 8, status);
    write_u32(to + 12, sequence);
    if (bytes)
        memcpy(to + HEADER_BYTES, body, bytes);
    c->out_bytes += HEADER_BYTES + bytes;
}

static void watch(Connection *c, uint32_t number, uint32_t events) {
    struct epoll_event wanted = {.events = events, .data.u32 = number};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &wanted);
}

static void drop(Connection *c) {
    close(c->fd);
    c->fd = -1;
    c->life++;
    c->receives = 0;
}

static void flush(uint32_t number) {
    Connection *c = &connections[number];
    while (c->fd >= 0 && c->out_sent < c->out_bytes) {
        ssize_t sent = write(c->fd, c->out + c->out_sent, c->out_bytes - c->out_sent);
        if (sent > 0) {
            c->out_sent += (size_t)sent;
        } else if (sent < 0 && errno == EAGAIN) {
            if (!c->waits_to_write)
                watch(c, number, EPOLLIN | EPOLLOUT);
            c->waits_to_write = 1;
            return;
        } else {
            drop(c);
            return;
        }
    }
    c->out_bytes = c->out_sent = 0;
    if (c->fd >= 0 && c->waits_to_write)
        watch(c, number, EPOLLIN);
    c->waits_to_write = 0;
}

/* SMPP 3.4 §4.6.1 and Appendix B */
static void send_receipt(const Due *due) {
    Connection *c = &connections[due->connection];
    if (c->fd < 0 || c->life != due->life) {
        lost++;
        return;
    }
    int failed = (long)(due->id % 1000) < failed_permille;
    char said[200], body[300];
    int length = snprintf(said, sizeof said,
        "id:%010" PRIu64 " sub:001 dlvrd:00%d submit date:2601010000 done date:2601010000 stat:%s err:00%d text:",
        due->id, !failed, failed ? "UNDELIV" : "DELIVRD", failed);
    uint8_t *at = (uint8_t *)body;
    *at++ = 0; /* service_type */
    *at++ = 1; /* the receipt comes from the number that the message went to */
    *at++ = 1;
    at = (uint8_t *)stpcpy((char *)at, due->destination) + 1;
    *at++ = 5;
    *at++ = 0;
    at = (uint8_t *)stpcpy((char *)at, due->source) + 1;
    *at++ = RECEIPT_CLASS;
    memset(at, 0, 8); /* protocol_id to sm_default_msg_id, the two times empty */
    at += 8;
    *at++ = (uint8_t)length;
    memcpy(at, said, (size_t)length);
    at += length;
    send_pdu(c, DELIVER_SM, ROK, ++c->sequence, body, (size_t)((char *)at - body));
    receipts++;
}

static void turn(void) {
    for (uint64_t now = ticks(); tick_now < now;) {
        Tick *tick = &wheel[++tick_now % TICKS];
        for (size_t i = 0; i < tick->count; i++)
            send_receipt(&tick->due[i]);
        waiting -= tick->count;
        tick->count = 0;
    }
    for (uint32_t number = 0; number < used; number++)
        if (connections[number].fd >= 0 && connections[number].out_bytes && !connections[number].waits_to_write)
            flush(number);
}

static void later(const Due *due) {
    uint64_t delay_ms = (uint64_t)mean_ms / 2 + any() % ((uint64_t)mean_ms + 1);
    Tick *tick = &wheel[(tick_now + 1 + delay_ms / TICK_MS) % TICKS];
    if (tick->count == tick->room) {
        tick->room = tick->room ? tick->room * 2 : 64;
        tick->due = need(realloc(tick->due, tick->room * sizeof *tick->due));
    }
    tick->due[tick->count++] = *due;
    waiting++;
}

/* The end of a C-Octet String, or NULL when it does not end inside the PDU. */
static const uint8_t *after_text(const uint8_t *at, const uint8_t *stop) {
    const uint8_t *zero = at < stop ? memchr(at, 0, (size_t)(stop - at)) : NULL;
    return zero ? zero + 1 : NULL;
}

/* The receiver of a receipt: the submitter when it receives, else any receiver. */
static uint32_t receiver(uint32_t submitter) {
    static uint32_t next;
    if (connections[submitter].receives)
        return submitter;
    for (uint32_t tried = 0; tried < used; tried++) {
        next = (next + 1) % used;
        if (connections[next].fd >= 0 && connections[next].receives)
            return next;
    }
    return submitter;
}

/* SMPP 3.4 §4.4.1. False: it can not be read. */
static int submit(uint32_t number, const uint8_t *pdu, uint32_t bytes) {
    const uint8_t *stop = pdu + bytes, *source, *destination, *at = after_text(pdu + HEADER_BYTES, stop);
    if (!at)
        return 0;
    source = at + 2;
    if (!(at = after_text(source, stop)) || at - source > MOST_ADDRESS + 1)
        return 0;
    destination = at + 2;
    if (!(at = after_text(destination, stop)) || at - destination > MOST_ADDRESS + 1)
        return 0;
    if (!(at = after_text(at + 3, stop)) || !(at = after_text(at, stop)) || at >= stop)
        return 0;
    Due due = {.id = 1000000000u + ++submits, .connection = receiver(number)};
    due.life = connections[due.connection].life;
    memcpy(due.source, source, strlen((const char *)source) + 1);
    memcpy(due.destination, destination, strlen((const char *)destination) + 1);
    char id[24];
    int length = snprintf(id, sizeof id, hexadecimal ? "%" PRIX64 : "%010" PRIu64, due.id);
    send_pdu(&connections[number], SUBMIT_SM | RESPONSE, ROK, read_u32(pdu + 12), id, (size_t)length + 1);
    if (mean_ms >= 0 && (*at & 1)) { /* registered_delivery, SMPP 3.4 §5.2.17 */
        if (mean_ms)
            later(&due);
        else
            send_receipt(&due);
    }
    return 1;
}

static int take(uint32_t number, const uint8_t *pdu, uint32_t bytes) {
    Connection *c = &connections[number];
    uint32_t command = read_u32(pdu + 4), sequence = read_u32(pdu + 12);
    switch (command) {
    case SUBMIT_SM:
        return submit(number, pdu, bytes);
    case DELIVER_SM | RESPONSE:
        acknowledged++;
        return 1;
    case BIND_TRANSCEIVER:
    case BIND_RECEIVER:
    case BIND_TRANSMITTER:
        c->receives = command != BIND_TRANSMITTER;
        send_pdu(c, command | RESPONSE, ROK, sequence, "sink", 5);
        return 1;
    case ENQUIRE_LINK:
    case UNBIND:
        send_pdu(c, command | RESPONSE, ROK, sequence, NULL, 0);
        return 1;
    default:
        if (!(command & RESPONSE))
            send_pdu(c, GENERIC_NACK, RINVCMDID, sequence, NULL, 0);
        return 1;
    }
}

static void hear(uint32_t number) {
    Connection *c = &connections[number];
    ssize_t got = read(c->fd, c->in + c->in_bytes, IN_BYTES - c->in_bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        drop(c);
        return;
    }
    c->in_bytes += (size_t)got;
    size_t at = 0;
    while (c->in_bytes - at >= HEADER_BYTES) {
        uint32_t bytes = read_u32(c->in + at);
        if (bytes < HEADER_BYTES || bytes > MOST_PDU_BYTES) {
            drop(c);
            return;
        }
        if (c->in_bytes - at < bytes)
            break;
        if (!take(number, c->in + at, bytes)) {
            drop(c);
            return;
        }
        at += bytes;
    }
    memmove(c->in, c->in + at, c->in_bytes - at);
    c->in_bytes -= at;
    flush(number);
}

static void welcome(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
    uint32_t number = 0;
    while (number < MOST_CONNECTIONS && connections[number].fd >= 0)
        number++;
    if (fd < 0 || number == MOST_CONNECTIONS) {
        if (fd >= 0)
            close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (number >= used)
        used = number + 1;
    Connection *c = &connections[number];
    c->fd = fd;
    c->in_bytes = c->out_bytes = c->out_sent = 0;
    c->receives = c->waits_to_write = 0;
    if (!c->in) {
        c->in = need(malloc(IN_BYTES));
        c->out = need(malloc(c->out_room = IN_BYTES));
    }
    struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = number};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted);
}

static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in here = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, size) || listen(fd, 64)) {
        perror("listen");
        exit(1);
    }
    getsockname(fd, (struct sockaddr *)&here, &size);
    printf("listening %u\n", ntohs(here.sin_port));
    fflush(stdout);
    return fd;
}

static void options(int count, char **words, uint16_t *port) {
    for (int option; (option = getopt(count, words, "p:d:f:x")) != -1;) {
        switch (option) {
        case 'p': *port = (uint16_t)atoi(optarg); break;
        case 'd': mean_ms = atol(optarg); break;
        case 'f': failed_permille = atol(optarg); break;
        case 'x': hexadecimal = 1; break;
        default: exit(2);
        }
    }
    if (mean_ms > TICKS * TICK_MS / 2) {
        fprintf(stderr, "-d: at most %d ms\n", TICKS * TICK_MS / 2);
        exit(2);
    }
}

int main(int count, char **words) {
    uint16_t port = 0;
    options(count, words, &port);
    struct sigaction on_end = {.sa_handler = end};
    sigaction(SIGTERM, &on_end, NULL);
    sigaction(SIGINT, &on_end, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < MOST_CONNECTIONS; i++)
        connections[i].fd = -1;
    poller = epoll_create1(0);
    int listener = listen_on(port);
    struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = LISTENER}, seen[64];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &wanted);
    tick_now = ticks();
    while (!ending) {
        int n = epoll_wait(poller, seen, 64, waiting ? TICK_MS : 1000);
        for (int i = 0; i < n; i++) {
            uint32_t number = seen[i].data.u32;
            if (number == LISTENER) {
                welcome(listener);
            } else if (connections[number].fd >= 0) {
                if (seen[i].events & EPOLLOUT)
                    flush(number);
                if (connections[number].fd >= 0 && seen[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                    hear(number);
            }
        }
        turn();
    }
    printf("{\"submits\": %" PRIu64 ", \"receipts\": %" PRIu64 ", \"acknowledged\": %" PRIu64 ", \"lost\": %" PRIu64 "}\n",
        submits, receipts, acknowledged, lost);
    return 0;
}
