/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ISM43362's sockets as Zephyr's, under Zephyr's TLS. TLS itself is refused, so that it stays in mbedTLS, where the
 * hub's certificate is verified.
 *
 * Rust's station has a lock of its own, which it holds during one exchange with the module and never while it calls
 * anything of Zephyr's network. So the locks of Zephyr's sockets, which are held here, are always taken first.
 */
#include <errno.h>
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/net/net_ip.h>
#include <zephyr/net/socket.h>
#include <zephyr/posix/fcntl.h>
#include <zephyr/sys/fdtable.h>

#include "azure_ism43362.h"
#include "azure_shim.h"

#define SOCKETS CONFIG_AZURE_ISM43362_SOCKETS
/* Bytes that the module takes in one write. */
#define LONGEST_WRITE 1460
BUILD_ASSERT(ZVFS_OPEN_SIZE >= SOCKETS, "CONFIG_ZVFS_OPEN_ADD_SIZE_AZURE is too small for the module's sockets");

struct ism43362_socket {
	/* Raised when there is something to read, and when a connection ends. */
	struct k_poll_signal arrived;
	struct sockaddr_in peer;
	k_timeout_t receive_timeout;
	int flags;
	bool stream;
};

static struct ism43362_socket sockets[SOCKETS];

static uint32_t number_of(const struct ism43362_socket *socket)
{
	return socket - sockets;
}

/* Tells the sockets' users what the module has brought. */
static void tell(void)
{
	for (uint32_t i = 0; i < SOCKETS; i++) {
		if (azure_rust_ism43362_readable(i)) {
			k_poll_signal_raise(&sockets[i].arrived, 0);
		}
	}
}

/* The driver's thread. */
static K_SEM_DEFINE(wanted, 0, 1);

void azure_ism43362_wake(void)
{
	k_sem_give(&wanted);
}

static void drive(void *p1, void *p2, void *p3)
{
	ARG_UNUSED(p1);
	ARG_UNUSED(p2);
	ARG_UNUSED(p3);
	while (true) {
		uint32_t wait = azure_rust_ism43362_poll();

		tell();
		(void)k_sem_take(&wanted, K_MSEC(wait));
	}
}

/* Above the device's thread, which computes for seconds in a handshake, and below the shell's. */
K_THREAD_DEFINE(ism43362_thread, CONFIG_AZURE_ISM43362_STACK_SIZE, drive, NULL, NULL, NULL, 11, 0, K_TICKS_FOREVER);

void azure_ism43362_start(void)
{
	for (uint32_t i = 0; i < SOCKETS; i++) {
		k_poll_signal_init(&sockets[i].arrived);
	}
	k_thread_start(ism43362_thread);
}

/* errno for a result of Rust's. */
static int fail(int32_t result)
{
	switch (-result) {
	case AZURE_AGAIN:
		errno = EAGAIN;
		break;
	case AZURE_REFUSED:
		errno = ECONNREFUSED;
		break;
	case AZURE_TIMED_OUT:
		errno = ETIMEDOUT;
		break;
	case AZURE_UNREACHABLE:
		errno = ENETUNREACH;
		break;
	case AZURE_NO_MEMORY:
		errno = ENOBUFS;
		break;
	case AZURE_INVALID:
		errno = EINVAL;
		break;
	case AZURE_CLOSED:
		errno = ECONNRESET;
		break;
	default:
		errno = EIO;
		break;
	}
	return -1;
}

static int on_connect(void *object, const struct sockaddr *address, socklen_t length)
{
	struct ism43362_socket *socket = object;
	const struct sockaddr_in *peer = net_sin(address);
	int32_t result;

	if (address->sa_family != AF_INET || length < sizeof(*peer)) {
		return fail(-AZURE_INVALID);
	}
	result = azure_rust_ism43362_connect(number_of(socket), peer->sin_addr.s4_addr, ntohs(peer->sin_port));
	azure_ism43362_wake();
	if (result < 0) {
		return fail(result);
	}
	socket->peer = *peer;
	return 0;
}

static ssize_t on_sendto(void *object, const void *data, size_t length, int flags, const struct sockaddr *address,
			 socklen_t address_length)
{
	struct ism43362_socket *socket = object;
	int32_t result;

	ARG_UNUSED(flags);
	if (!socket->stream && length > LONGEST_WRITE) {
		/* A datagram goes whole or not at all. */
		errno = EMSGSIZE;
		return -1;
	}
	/* Datagrams go to one peer, to which the first one connects. */
	if (address != NULL && socket->peer.sin_port == 0 && on_connect(object, address, address_length) != 0) {
		return -1;
	}
	result = azure_rust_ism43362_send(number_of(socket), data, length);
	azure_ism43362_wake();
	return result >= 0 ? result : fail(result);
}

static int wait_for(struct ism43362_socket *socket)
{
	struct k_poll_event event =
		K_POLL_EVENT_INITIALIZER(K_POLL_TYPE_SIGNAL, K_POLL_MODE_NOTIFY_ONLY, &socket->arrived);

	return k_poll(&event, 1, socket->receive_timeout);
}

static ssize_t on_recvfrom(void *object, void *buffer, size_t length, int flags, struct sockaddr *address,
			   socklen_t *address_length)
{
	struct ism43362_socket *socket = object;
	bool waits = (flags & ZSOCK_MSG_DONTWAIT) == 0 && (socket->flags & O_NONBLOCK) == 0;
	int32_t result;

	while (true) {
		k_poll_signal_reset(&socket->arrived);
		result = azure_rust_ism43362_receive(number_of(socket), buffer, length, (flags & ZSOCK_MSG_PEEK) != 0);
		if (result != -AZURE_AGAIN || !waits) {
			break;
		}
		if (wait_for(socket) != 0) {
			return fail(-AZURE_AGAIN);
		}
	}
	if (result < 0) {
		return fail(result);
	}
	/* There is room for more now. */
	azure_ism43362_wake();
	if (address != NULL && address_length != NULL) {
		*address_length = MIN(*address_length, sizeof(socket->peer));
		memcpy(address, &socket->peer, *address_length);
	}
	return result;
}

static ssize_t on_read(void *object, void *buffer, size_t length)
{
	return on_recvfrom(object, buffer, length, 0, NULL, NULL);
}

static ssize_t on_write(void *object, const void *data, size_t length)
{
	return on_sendto(object, data, length, 0, NULL, 0);
}

static int on_close(void *object)
{
	azure_rust_ism43362_close(number_of(object));
	azure_ism43362_wake();
	return 0;
}

static int poll_prepare(struct ism43362_socket *socket, const struct zsock_pollfd *descriptor,
			struct k_poll_event **event, const struct k_poll_event *end)
{
	k_poll_signal_reset(&socket->arrived);
	if ((descriptor->events & ZSOCK_POLLIN) != 0) {
		if (*event == end) {
			return -ENOMEM;
		}
		k_poll_event_init(*event, K_POLL_TYPE_SIGNAL, K_POLL_MODE_NOTIFY_ONLY, &socket->arrived);
		(*event)++;
		if (azure_rust_ism43362_readable(number_of(socket))) {
			return -EALREADY;
		}
	}
	/* A write waits by itself. */
	return (descriptor->events & ZSOCK_POLLOUT) != 0 ? -EALREADY : 0;
}

static int poll_update(struct ism43362_socket *socket, struct zsock_pollfd *descriptor, struct k_poll_event **event)
{
	if ((descriptor->events & ZSOCK_POLLIN) != 0) {
		(*event)++;
		if (azure_rust_ism43362_readable(number_of(socket))) {
			descriptor->revents |= ZSOCK_POLLIN;
		}
	}
	descriptor->revents |= descriptor->events & ZSOCK_POLLOUT;
	return 0;
}

static int on_ioctl(void *object, unsigned int request, va_list arguments)
{
	struct ism43362_socket *socket = object;
	struct zsock_pollfd *descriptor;
	struct k_poll_event **event;

	switch (request) {
	case ZFD_IOCTL_POLL_PREPARE:
		descriptor = va_arg(arguments, struct zsock_pollfd *);
		event = va_arg(arguments, struct k_poll_event **);
		return poll_prepare(socket, descriptor, event, va_arg(arguments, struct k_poll_event *));
	case ZFD_IOCTL_POLL_UPDATE:
		descriptor = va_arg(arguments, struct zsock_pollfd *);
		return poll_update(socket, descriptor, va_arg(arguments, struct k_poll_event **));
	case ZFD_IOCTL_POLL_OFFLOAD:
		return -EOPNOTSUPP;
	case F_GETFL:
		return socket->flags;
	case F_SETFL:
		socket->flags = va_arg(arguments, int);
		return 0;
	default:
		errno = EOPNOTSUPP;
		return -1;
	}
}

static int on_setsockopt(void *object, int level, int name, const void *value, socklen_t length)
{
	struct ism43362_socket *socket = object;
	const struct zsock_timeval *time = value;

	if (level != SOL_SOCKET || length != sizeof(*time)) {
		errno = ENOPROTOOPT;
		return -1;
	}
	if (name == SO_RCVTIMEO) {
		socket->receive_timeout = time->tv_sec == 0 && time->tv_usec == 0
						  ? K_FOREVER
						  : K_USEC(time->tv_sec * (uint64_t)USEC_PER_SEC + time->tv_usec);
		return 0;
	}
	/* A write ends by the module's own time. */
	if (name == SO_SNDTIMEO) {
		return 0;
	}
	errno = ENOPROTOOPT;
	return -1;
}

static const struct socket_op_vtable operations = {
	.fd_vtable = {
		.read = on_read,
		.write = on_write,
		.close = on_close,
		.ioctl = on_ioctl,
	},
	.connect = on_connect,
	.sendto = on_sendto,
	.recvfrom = on_recvfrom,
	.setsockopt = on_setsockopt,
};

static bool is_supported(int family, int type, int protocol)
{
	ARG_UNUSED(family);
	return (type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) ||
	       (type == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP));
}

static int create(int family, int type, int protocol)
{
	int descriptor = zvfs_reserve_fd();
	int32_t number;

	ARG_UNUSED(family);
	ARG_UNUSED(protocol);
	if (descriptor < 0) {
		return -1;
	}
	number = azure_rust_ism43362_socket(type == SOCK_STREAM);
	if (number < 0) {
		zvfs_free_fd(descriptor);
		return fail(number);
	}
	sockets[number].peer = (struct sockaddr_in){.sin_family = AF_INET};
	sockets[number].receive_timeout = K_FOREVER;
	sockets[number].flags = 0;
	sockets[number].stream = type == SOCK_STREAM;
	k_poll_signal_reset(&sockets[number].arrived);
	zvfs_finalize_typed_fd(descriptor, &sockets[number], &operations.fd_vtable, ZVFS_MODE_IFSOCK);
	return descriptor;
}

NET_SOCKET_REGISTER(azure_ism43362, CONFIG_NET_SOCKETS_PRIORITY_DEFAULT, AF_INET, is_supported, create);
