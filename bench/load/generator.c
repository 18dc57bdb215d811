/* Clients of an RPC server, as many as one thread can drive: AutoGPT's, as far as the wire tells.
 *
 * Each client keeps its connection and has one request under way. Requests stand in sessions, which
 * a client works through in order; session s belongs to client s modulo the clients, so that two
 * never touch the same rows. A session that has begun is always finished: when this program ends,
 * every request has been answered, and what was acknowledged stands in the --outcomes file.
 *
 * Every reply is checked: 200, and the words that say it is this request's own answer. A session
 * may take an id from a reply and name it in later requests; or a number that is the reply, which
 * the next request that names it says, and its reply has to be.
 *
 * The requests are read from a file that bench/load/__init__.py writes. With --rate they are sent
 * at fixed moments whatever the server does, and latency counts from those moments.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ID_LENGTH 36
#define PLACEHOLDER "00000000-0000-0000-0000-000000000000"
#define NUMBER_LENGTH 10 /* blanks stand before it where it has fewer digits */
#define NUMBER_PLACEHOLDER "2147483646"
#define CAPTURED_AFTER "\"node_exec_id\":\""
#define KEY "idempotency-key: "
#define COUNTER_LENGTH 12
#define STUCK_AFTER 20.0 /* seconds without any reply */
#define MOST_ERRORS 1000

struct request { /* as in the file: seven numbers, then the four texts without ends */
    uint32_t session, captures, method_length, body_length, expected_length, also_length, unused;
};

enum captured { NOTHING, ID, NUMBER };

struct message {
    uint32_t session;
    enum captured captures;
    char *bytes, *expected, *also;
    uint32_t length, expected_length, also_length;
    uint32_t id_at;          /* where the id goes, 0 if nowhere */
    uint32_t counter_at;     /* where the number of a key goes, likewise */
    uint32_t number_at;      /* where the number goes, likewise */
    bool expects_id, expects_number;
    uint32_t acknowledged;
};

struct client {
    int descriptor;
    bool busy;
    uint32_t next;           /* the message under way, or to be sent next */
    uint32_t session;
    double due;              /* when it was sent, or ought to have been */
    char *reply;
    size_t received, room;
    char id[ID_LENGTH];
    unsigned number;
    bool has_id, failed;
};

static struct message *messages;
static uint32_t message_count, session_count, *session_start;
static struct client *clients;
static int client_count = 64, port, poller;
static double warm_up = 0.5, seconds = 2.0, rate = 0.0;
static uint32_t *latencies;
static size_t latency_count, latency_room;
static uint64_t errors, answered, keys_used;
static char first_error[400];
static FILE *outcomes;
static double measured_from, measured_until;

static double now(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (double)moment.tv_sec + (double)moment.tv_nsec / 1e9;
}

static void stop(const char *what) {
    fprintf(stderr, "generator: %s: %s\n", what, errno ? strerror(errno) : "wrong use");
    exit(2);
}

static void *some(size_t size) {
    void *found = calloc(1, size);
    if (found == NULL) stop("memory");
    return found;
}

static char *text(char **from, uint32_t length) {
    char *start = *from;
    *from += length;
    return start;
}

static void read_requests(const char *path, const char *prefix, const char *key) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (descriptor < 0 || fstat(descriptor, &about) < 0) stop(path);
    char *content = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (content == MAP_FAILED) stop(path);
    char *place = content, *end = content + about.st_size;
    memcpy(&message_count, text(&place, 4), 4);
    messages = some(message_count * sizeof *messages);
    session_start = some((message_count + 1) * sizeof *session_start);
    for (uint32_t number = 0; number < message_count; number++) {
        struct request request;
        memcpy(&request, text(&place, sizeof request), sizeof request);
        char *method = text(&place, request.method_length);
        char *body = text(&place, request.body_length);
        struct message *message = &messages[number];
        message->expected_length = request.expected_length;
        message->expected = text(&place, request.expected_length);
        message->also_length = request.also_length;
        message->also = text(&place, request.also_length);
        message->session = request.session;
        message->captures = (enum captured)request.captures;
        if (place > end) stop("the file of requests is cut off");
        char head[600];
        int head_length = snprintf(head, sizeof head,
            "POST %s%.*s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept: */*\r\n"
            "accept-encoding: gzip, deflate\r\nconnection: keep-alive\r\n"
            "user-agent: python-httpx/0.28.1\r\ncontent-type: application/json\r\n"
            "content-length: %u\r\n",
            prefix, (int)request.method_length, method, port, request.body_length);
        if (*key != 0) {
            head_length += snprintf(head + head_length, sizeof head - (size_t)head_length,
                KEY "%.100s-%0*d\r\n", key, COUNTER_LENGTH, 0);
            message->counter_at = (uint32_t)head_length - 2 - COUNTER_LENGTH;
        }
        head_length += snprintf(head + head_length, sizeof head - (size_t)head_length, "\r\n");
        message->length = (uint32_t)head_length + request.body_length;
        message->bytes = some(message->length);
        memcpy(message->bytes, head, (size_t)head_length);
        memcpy(message->bytes + head_length, body, request.body_length);
        char *hole = memmem(message->bytes, message->length, PLACEHOLDER, ID_LENGTH);
        message->id_at = hole == NULL ? 0 : (uint32_t)(hole - message->bytes);
        message->expects_id = memmem(message->expected, message->expected_length, PLACEHOLDER,
                                     ID_LENGTH) != NULL;
        hole = memmem(message->bytes, message->length, NUMBER_PLACEHOLDER, NUMBER_LENGTH);
        message->number_at = hole == NULL ? 0 : (uint32_t)(hole - message->bytes);
        message->expects_number = message->expected_length == NUMBER_LENGTH
            && !memcmp(message->expected, NUMBER_PLACEHOLDER, NUMBER_LENGTH);
        if (number == 0 || messages[number - 1].session != request.session)
            session_start[session_count++] = number;
    }
    session_start[session_count] = message_count;
}

static void note_error(const char *what, const char *detail, size_t length) {
    if (errors++ == 0)
        snprintf(first_error, sizeof first_error, "%s: %.*s", what,
                 (int)(length > 300 ? 300 : length), detail);
    if (errors > MOST_ERRORS) {
        fprintf(stderr, "generator: too many errors, the first: %s\n", first_error);
        exit(3);
    }
}

static void connect_client(struct client *client) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->descriptor < 0) stop("socket");
    if (connect(client->descriptor, (struct sockaddr *)&address, sizeof address) < 0)
        stop("connect");
    int on = 1;
    setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, client->descriptor, &event) < 0) stop("epoll_ctl");
}

static void reconnect(struct client *client) {
    close(client->descriptor);
    client->received = 0;
    connect_client(client);
}

static void send_message(struct client *client, double due) {
    struct message *message = &messages[client->next];
    if (message->id_at != 0) memcpy(message->bytes + message->id_at, client->id, ID_LENGTH);
    if (message->number_at != 0) {
        char number[NUMBER_LENGTH + 1];
        snprintf(number, sizeof number, "%*u", NUMBER_LENGTH, client->number);
        memcpy(message->bytes + message->number_at, number, NUMBER_LENGTH);
    }
    if (message->counter_at != 0) {
        char number[COUNTER_LENGTH + 1];
        snprintf(number, sizeof number, "%0*llu", COUNTER_LENGTH, (unsigned long long)++keys_used);
        memcpy(message->bytes + message->counter_at, number, COUNTER_LENGTH);
    }
    client->due = due;
    client->busy = true;
    client->received = 0;
    for (uint32_t sent = 0; sent < message->length;) {
        ssize_t some_sent = send(client->descriptor, message->bytes + sent, message->length - sent,
                                 MSG_NOSIGNAL);
        if (some_sent < 0) return; /* the read that follows sees the end, too */
        sent += (uint32_t)some_sent;
    }
}

static void begin_session(struct client *client, uint32_t session) {
    client->session = session;
    client->next = session_start[session];
    client->has_id = client->failed = false;
}

/* Return whether a request is left in the client's session. */
static bool advance(struct client *client) {
    client->next++;
    if (!client->failed && client->next < session_start[client->session + 1]) return true;
    if (client->has_id)
        fprintf(outcomes, "session %u %.*s %u %s\n", client->session, ID_LENGTH, client->id,
                client->next - session_start[client->session], client->failed ? "failed" : "whole");
    uint32_t session = client->session + (uint32_t)client_count;
    if (session >= session_count) session = (uint32_t)(client - clients);
    begin_session(client, session);
    return false;
}

/* Join the chunks of a body in place; return whether it is complete. */
static bool unchunk(char *body, size_t *length) {
    char *from = body, *to = body, *end = body + *length;
    char *copy = NULL;
    size_t joined = 0;
    for (int pass = 0; pass < 2; pass++) { /* first look whether all is there, then move */
        from = body, to = body;
        for (;;) {
            char *line = memmem(from, (size_t)(end - from), "\r\n", 2);
            if (line == NULL) return false;
            size_t size = strtoul(from, &copy, 16);
            from = line + 2;
            if ((size_t)(end - from) < size + 2) return false;
            if (size == 0) break;
            if (pass == 1) memmove(to, from, size);
            to += size;
            from += size + 2;
        }
        joined = (size_t)(to - body);
    }
    *length = joined;
    return true;
}

/* Return 1 for a whole reply, 0 while something is missing. */
static int parse(struct client *client, int *status, char **body, size_t *length) {
    char *head_end = memmem(client->reply, client->received, "\r\n\r\n", 4);
    if (head_end == NULL || client->received < 16) return 0;
    *status = atoi(client->reply + 9);
    *body = head_end + 4;
    *length = client->received - (size_t)(*body - client->reply);
    head_end[2] = 0;
    char *given = strcasestr(client->reply, "\r\ncontent-length:");
    bool chunked = given == NULL && strcasestr(client->reply, "\r\ntransfer-encoding: chunked");
    head_end[2] = '\r';
    if (chunked) return unchunk(*body, length);
    size_t announced = given == NULL ? 0 : strtoul(given + 17, NULL, 10);
    if (*length < announced) return 0;
    *length = announced;
    return 1;
}

static void check(struct client *client, int status, char *body, size_t length) {
    struct message *message = &messages[client->next];
    bool right = status == 200;
    if (right && message->captures == NUMBER) {
        char *end = body;
        client->number = (unsigned)strtoul(body, &end, 10);
        right = end > body && end == body + length;
    } else if (right && message->captures == ID) {
        char *found = memmem(body, length, CAPTURED_AFTER, strlen(CAPTURED_AFTER));
        if (found != NULL && found + strlen(CAPTURED_AFTER) + ID_LENGTH < body + length) {
            memcpy(client->id, found + strlen(CAPTURED_AFTER), ID_LENGTH);
            client->has_id = true;
        } else {
            right = false;
        }
    }
    if (right && message->expects_number) {
        char *end = body;
        right = strtoul(body, &end, 10) == client->number && end == body + length;
    } else if (right && message->expected_length > 0) {
        char expected[200];
        uint32_t size = message->expected_length < sizeof expected ? message->expected_length
                                                                    : (uint32_t)sizeof expected;
        memcpy(expected, message->expected, size);
        if (message->expects_id) {
            char *hole = memmem(expected, size, PLACEHOLDER, ID_LENGTH);
            memcpy(hole, client->id, ID_LENGTH);
        }
        right = memmem(body, length, expected, size) != NULL;
    }
    if (right && message->also_length > 0)
        right = memmem(body, length, message->also, message->also_length) != NULL;
    if (right) {
        message->acknowledged++;
        return;
    }
    client->failed = true;
    char what[60];
    snprintf(what, sizeof what, "status %d, reply", status);
    note_error(what, body, length);
}

static void record(double due, double moment) {
    if (moment < measured_from || moment >= measured_until) return;
    answered++;
    if (latency_count == latency_room) {
        latency_room = latency_room ? latency_room * 2 : 1 << 16;
        latencies = realloc(latencies, latency_room * sizeof *latencies);
        if (latencies == NULL) stop("memory");
    }
    double microseconds = (moment - due) * 1e6;
    latencies[latency_count++] = microseconds > 4e9 ? UINT32_MAX : (uint32_t)microseconds;
}

/* Take in what has come; return whether the client's request has been answered. */
static bool receive(struct client *client) {
    if (client->room - client->received < 65536) {
        client->room = client->room ? client->room * 2 : 1 << 17;
        client->reply = realloc(client->reply, client->room);
        if (client->reply == NULL) stop("memory");
    }
    ssize_t some_read = recv(client->descriptor, client->reply + client->received,
                             client->room - client->received - 1, MSG_DONTWAIT);
    if (some_read < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (some_read <= 0) {
        bool was_busy = client->busy;
        reconnect(client);
        if (!was_busy) return false;
        client->failed = true;
        note_error("connection", "closed before the reply", 23);
        client->busy = false;
        return true;
    }
    client->received += (size_t)some_read;
    int status;
    char *body;
    size_t length;
    if (!client->busy || !parse(client, &status, &body, &length)) return false;
    client->busy = false;
    record(client->due, now());
    check(client, status, body, length);
    return true;
}

static int compare(const void *one, const void *other) {
    uint32_t first = *(const uint32_t *)one, second = *(const uint32_t *)other;
    return (first > second) - (first < second);
}

static double milliseconds(double share) {
    if (latency_count == 0) return 0;
    size_t place = (size_t)(share * (double)latency_count);
    if (place >= latency_count) place = latency_count - 1;
    return latencies[place] / 1000.0;
}

static void report(void) {
    for (uint32_t number = 0; number < message_count; number++)
        if (messages[number].acknowledged > 0)
            fprintf(outcomes, "request %u %u\n", number, messages[number].acknowledged);
    qsort(latencies, latency_count, sizeof *latencies, compare);
    for (char *letter = first_error; *letter; letter++)
        if (*letter == '"' || *letter == '\\' || (unsigned char)*letter < ' ') *letter = '\'';
    printf("{\"answered\": %llu, \"seconds\": %.6f, \"errors\": %llu, \"first_error\": \"%s\", "
           "\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"slowest\": %.3f}\n",
           (unsigned long long)answered, seconds, (unsigned long long)errors, first_error,
           milliseconds(0.5), milliseconds(0.9), milliseconds(0.99), milliseconds(1));
}

/* Each answer is followed by the client's next request. */
static void run_closed(void) {
    struct epoll_event events[256];
    int busy = client_count;
    double heard = now();
    for (int number = 0; number < client_count; number++) send_message(&clients[number], now());
    while (busy > 0) {
        int ready = epoll_wait(poller, events, 256, 1000);
        double moment = now();
        if (ready > 0) heard = moment;
        if (moment - heard > STUCK_AFTER) stop("no reply for 20 s");
        for (int place = 0; place < ready; place++) {
            struct client *client = events[place].data.ptr;
            if (!receive(client)) continue;
            moment = now();
            if (advance(client) || moment < measured_until) send_message(client, moment);
            else busy--;
        }
    }
}

/* Requests leave at fixed moments; one that finds no idle client waits for the first. */
static void run_at_rate(double began) {
    struct epoll_event events[256];
    struct client **idle = some((size_t)client_count * sizeof *idle);
    int idle_count = 0;
    uint64_t sent = 0;
    double heard = began;
    for (int number = 0; number < client_count; number++) idle[idle_count++] = &clients[number];
    for (;;) {
        double moment = now(), due = began + (double)sent / rate;
        while (due <= moment && due < measured_until && idle_count > 0) {
            send_message(idle[--idle_count], due);
            due = began + (double)++sent / rate;
        }
        if (due >= measured_until) { /* what has begun is finished */
            int still_idle = 0;
            for (int place = 0; place < idle_count; place++) {
                struct client *client = idle[place];
                if (client->next == session_start[client->session]) idle[still_idle++] = client;
                else send_message(client, moment);
            }
            idle_count = still_idle;
            if (idle_count == client_count) break;
        }
        double pause = idle_count == 0 || due >= measured_until ? 0.5 : due - now();
        struct timespec limit = {0, pause > 0 ? (long)(pause * 1e9) : 0};
        int ready = epoll_pwait2(poller, events, 256, &limit, NULL);
        if (ready > 0) heard = now();
        if (now() - heard > STUCK_AFTER) stop("no reply for 20 s");
        for (int place = 0; place < ready; place++) {
            struct client *client = events[place].data.ptr;
            if (!receive(client)) continue;
            advance(client);
            idle[idle_count++] = client;
        }
    }
}

int main(int count, char **words) {
    const char *path = NULL, *prefix = "/", *key = "";
    outcomes = stderr;
    for (int place = 1; place + 1 < count; place += 2) {
        const char *name = words[place], *value = words[place + 1];
        if (!strcmp(name, "--port")) port = atoi(value);
        else if (!strcmp(name, "--prefix")) prefix = value;
        else if (!strcmp(name, "--key")) key = value;
        else if (!strcmp(name, "--clients")) client_count = atoi(value);
        else if (!strcmp(name, "--warm-up")) warm_up = atof(value);
        else if (!strcmp(name, "--seconds")) seconds = atof(value);
        else if (!strcmp(name, "--rate")) rate = atof(value);
        else if (!strcmp(name, "--requests")) path = value;
        else if (!strcmp(name, "--outcomes")) outcomes = fopen(value, "we");
        else stop(name);
    }
    if (path == NULL || port == 0 || client_count < 1 || outcomes == NULL) stop("options");
    read_requests(path, prefix, key);
    if ((uint32_t)client_count > session_count) stop("fewer sessions than clients");
    poller = epoll_create1(EPOLL_CLOEXEC);
    clients = some((size_t)client_count * sizeof *clients);
    for (int number = 0; number < client_count; number++) {
        begin_session(&clients[number], (uint32_t)number);
        connect_client(&clients[number]);
    }
    double began = now();
    measured_from = began + warm_up;
    measured_until = measured_from + seconds;
    if (rate > 0) run_at_rate(began);
    else run_closed();
    report();
    return fclose(outcomes) == 0 ? 0 : 2;
}
