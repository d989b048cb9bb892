#define _GNU_SOURCE
/*
 * The floor: a program that only calls write. Serves streams of Server-Sent Events on 127.0.0.1; the body of a POST
 * is written, as one chunk, to every client. No parsing, no queues: a client that does not read ends it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_SOCKETS 65536
#define MAX_REQUEST 65536
#define MAX_EVENTS 256

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n"
                           "1f\r\nevent: server.state\ndata: {}\n\n\r\n";
static const char DONE[] = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";

static int clients[MAX_SOCKETS];
static int count;
static char request[MAX_REQUEST + 1];
static char chunk[MAX_REQUEST + 32];

static void send_all(int fd, const char *bytes, size_t length) {
  if (write(fd, bytes, length) == (ssize_t)length) return;
  perror("write");
  exit(1);
}

static void forget(int fd) {
  for (int i = 0; i < count; i++) {
    if (clients[i] == fd) clients[i--] = clients[--count];
  }
  close(fd);
}

/* One request; a POST may come in several pieces, which are waited for. */
static void serve(int fd) {
  size_t length = 0;
  char *body = NULL;
  size_t expected = 0;
  do {
    ssize_t got = read(fd, request + length, MAX_REQUEST - length);
    if (got < 0 && errno == EAGAIN) continue;
    if (got <= 0) return forget(fd);
    length += (size_t)got;
    request[length] = 0;
    if (body == NULL && (body = strstr(request, "\r\n\r\n")) != NULL) {
      body += 4;
      char *field = strcasestr(request, "content-length:");
      expected = field != NULL && field < body ? (size_t)atol(field + 15) : 0;
    }
  } while (body == NULL || length < (size_t)(body - request) + expected);
  if (request[0] == 'G') {
    clients[count++] = fd;
    send_all(fd, HEAD, sizeof HEAD - 1);
    return;
  }
  int size = snprintf(chunk, sizeof chunk, "%zx\r\n%.*s\r\n", expected, (int)expected, body);
  for (int i = 0; i < count; i++) send_all(clients[i], chunk, (size_t)size);
  send_all(fd, DONE, sizeof DONE - 1);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int server = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(server, (struct sockaddr *)&address, size) < 0 || listen(server, 4096) < 0) {
    perror("listen");
    return 1;
  }
  getsockname(server, (struct sockaddr *)&address, &size);
  printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  int poll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = server};
  epoll_ctl(poll, EPOLL_CTL_ADD, server, &event);
  struct epoll_event events[MAX_EVENTS];
  for (;;) {
    int ready = epoll_wait(poll, events, MAX_EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      if (events[i].data.fd != server) {
        serve(events[i].data.fd);
        continue;
      }
      int fd = accept4(server, NULL, NULL, SOCK_NONBLOCK);
      if (fd < 0) continue;
      event.data.fd = fd;
      epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
  }
}
