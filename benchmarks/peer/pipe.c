/* A TCP relay that looks at nothing: what a session through one process costs at least.
 * usage: pipe PORT TARGET_PORT; every connection to PORT gets one of its own to TARGET_PORT. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct sockaddr_in local(int port)
{
	struct sockaddr_in address;
	memset(&address, 0, sizeof address);
	address.sin_family = AF_INET;
	address.sin_port = htons(port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static void watch(int epoll, int from, int to)
{
	struct epoll_event event;
	int one = 1;
	setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	event.events = EPOLLIN;
	event.data.u64 = (unsigned long long)from << 32 | (unsigned)to;
	epoll_ctl(epoll, EPOLL_CTL_ADD, from, &event);
}

int main(int argc, char **argv)
{
	static char buffer[1 << 18];
	struct epoll_event events[64];
	int one = 1, epoll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in near, far;
	if (argc != 3)
		return 2;
	near = local(atoi(argv[1]));
	far = local(atoi(argv[2]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&near, sizeof near) || listen(listener, 128))
		return 1;
	watch(epoll, listener, 0);
	for (;;) {
		int count = epoll_wait(epoll, events, 64, -1);
		for (int at = 0; at < count; at++) {
			int from = events[at].data.u64 >> 32, to = (int)(unsigned)events[at].data.u64;
			if (from == listener) {
				int in = accept(listener, NULL, NULL), out = socket(AF_INET, SOCK_STREAM, 0);
				if (connect(out, (struct sockaddr *)&far, sizeof far))
					return 1;
				watch(epoll, in, out);
				watch(epoll, out, in);
				continue;
			}
			ssize_t size = read(from, buffer, sizeof buffer);
			if (size <= 0) {
				close(from);
				close(to);
				continue;
			}
			for (ssize_t done = 0; done < size;) {
				ssize_t sent = write(to, buffer + done, size - done);
				if (sent < 0)
					break;
				done += sent;
			}
		}
	}
}
