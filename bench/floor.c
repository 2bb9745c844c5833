/* The floor: the least a server can do for a WebSocket on this machine.
 *
 *   floor PORT      listens on 127.0.0.1:PORT (0: any) and prints "ready PORT"
 *
 * One epoll loop, one read() and one write() per frame, no application. It answers the upgrade (RFC 6455 §4.2.2), echoes
 * binary frames of at most 64 KiB, and writes a frame whose payload starts with 'F' once to every open socket, one write()
 * each. A peer that breaks the rules is closed; a write that does not fit ends the process, so that no figure rests on it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKETS = 65536, READ = 1 << 17, EVENTS = 512, FREE = 0, UPGRADING = 1, OPEN = 2 };

static unsigned char state[SOCKETS];
static unsigned char *rest[SOCKETS]; /* bytes of an unfinished head or frame */
static unsigned rest_size[SOCKETS];
static int highest, epoll_fd;
static unsigned char input[READ], output[READ];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* SHA-1 (RFC 3174) of a message shorter than 120 bytes. */
static void sha1(const unsigned char *text, size_t size, unsigned char digest[20]) {
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}, w[80];
    unsigned char block[128] = {0};
    size_t blocks = size < 56 ? 1 : 2;
    memcpy(block, text, size);
    block[size] = 0x80;
    block[blocks * 64 - 2] = (unsigned char)(size * 8 >> 8);
    block[blocks * 64 - 1] = (unsigned char)(size * 8);
    for (size_t n = 0; n < blocks; n++) {
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++) {
            const unsigned char *p = block + n * 64 + i * 4;
            w[i] = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
        }
        for (int i = 16; i < 80; i++) {
            uint32_t x = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];
            w[i] = x << 1 | x >> 31;
        }
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5A827999
                         : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                         : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC
                                  : (b ^ c ^ d) + 0xCA62C1D6;
            uint32_t next = (a << 5 | a >> 27) + f + e + w[i];
            e = d, d = c, c = b << 30 | b >> 2, b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - i % 4 * 8));
}

static void base64(const unsigned char digest[20], char text[29]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char padded[21] = {0};
    memcpy(padded, digest, 20);
    for (int i = 0, o = 0; i < 21; i += 3) {
        uint32_t bits = (uint32_t)padded[i] << 16 | padded[i + 1] << 8 | padded[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6) text[o++] = letters[bits >> shift & 63];
    }
    text[27] = '=';
    text[28] = 0;
}

static void drop(int fd) {
    state[fd] = FREE;
    free(rest[fd]);
    rest[fd] = NULL;
    rest_size[fd] = 0;
    close(fd);
}

static void put(int fd, const void *bytes, size_t size) {
    ssize_t written = write(fd, bytes, size);
    if (written == (ssize_t)size) return;
    if (written < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
    fail("a frame did not fit into a socket");
}

/* Answers the upgrade once the head is whole; returns the bytes used, 0 for "more", -1 for a bad head. */
static long upgrade(int fd, unsigned char *head, size_t size) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char *end = memmem(head, size, "\r\n\r\n", 4), digest[20], joined[64];
    char accept[29], answer[300];
    if (!end) return size > 8192 ? -1 : 0;
    *end = 0;
    const char *key = strcasestr((char *)head, "sec-websocket-key:");
    if (!key) return -1;
    key += strlen("sec-websocket-key:");
    while (*key == ' ') key++;
    if (strlen(key) < 24) return -1;
    memcpy(joined, key, 24);
    memcpy(joined + 24, guid, 36);
    sha1(joined, 60, digest);
    base64(digest, accept);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: %s\r\n%s\r\n",
                          accept,
                          strcasestr((char *)head, "tidings.v1.msgpack") ? "Sec-WebSocket-Protocol: tidings.v1.msgpack\r\n"
                                                                         : "");
    put(fd, answer, (size_t)length);
    state[fd] = OPEN;
    return end + 4 - head;
}

/* Answers one frame; returns the bytes used, 0 for "more", -1 to close. */
static long frame(int fd, unsigned char *bytes, size_t size) {
    size_t at = 2, length;
    if (size < 2) return 0;
    length = bytes[1] & 127;
    if (!(bytes[1] & 128) || length == 127) return -1;
    if (length == 126) {
        if (size < 4) return 0;
        length = (size_t)bytes[2] << 8 | bytes[3];
        at = 4;
    }
    if (size < at + 4 + length) return 0;
    if ((bytes[0] & 15) == 8) return -1;
    unsigned char *mask = bytes + at, *payload = bytes + at + 4;
    memcpy(output, bytes, at);
    output[1] &= 127;
    for (size_t i = 0; i < length; i++) output[at + i] = payload[i] ^ mask[i & 3];
    if (length && output[at] == 'F') {
        for (int other = 0; other <= highest; other++)
            if (state[other] == OPEN) put(other, output, at + length);
    } else {
        put(fd, output, at + length);
    }
    return (long)(at + 4 + length);
}

static void readable(int fd) {
    size_t size = rest_size[fd], at = 0;
    if (size) memcpy(input, rest[fd], size);
    ssize_t got = read(fd, input + size, READ - size - 1);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return drop(fd);
    size += (size_t)got;
    while (at < size) {
        long used = state[fd] == UPGRADING ? upgrade(fd, input + at, size - at) : frame(fd, input + at, size - at);
        if (used < 0) return drop(fd);
        if (!used) break;
        at += (size_t)used;
    }
    free(rest[fd]);
    rest[fd] = NULL;
    rest_size[fd] = (unsigned)(size - at);
    if (size > at) {
        if (!(rest[fd] = malloc(size - at))) fail("malloc");
        memcpy(rest[fd], input + at, size - at);
    }
}

static void welcome(int listener) {
    int on = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= SOCKETS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        state[fd] = UPGRADING;
        if (fd > highest) highest = fd;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
    }
    if (errno != EAGAIN && errno != ECONNABORTED) fail("accept");
}

static int listen_on(int port) {
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4096)) fail("listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **words) {
    struct rlimit limit;
    struct epoll_event events[EVENTS];
    if (count != 2) return fprintf(stderr, "usage: floor PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on(atoi(words[1]));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event)) fail("epoll_ctl");
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                welcome(listener);
            else if (state[events[i].data.fd] != FREE)
                readable(events[i].data.fd);
        }
    }
}
