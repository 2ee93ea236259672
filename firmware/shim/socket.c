/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>
#include <zephyr/net/tls_credentials.h>
#include <zephyr/zvfs/eventfd.h>

#include "azure_mbedtls_config.h"
#include "azure_shim.h"

BUILD_ASSERT(sizeof(((struct azure_address *)0)->data) >= sizeof(struct sockaddr_in6));
BUILD_ASSERT(sizeof(int32_t) == sizeof(sec_tag_t));
/* A module that terminates TLS itself ignores the options that azure_tls_connect() sets. */
BUILD_ASSERT(!IS_ENABLED(CONFIG_WIFI_OFFLOAD) || !IS_ENABLED(CONFIG_NET_SOCKETS_OFFLOAD),
	     "TLS must not be offloaded: set CONFIG_NET_SOCKETS_OFFLOAD=n");

#if defined(CONFIG_AZURE_UPDATE_HTTPS)
/* The hub's and a download's. */
BUILD_ASSERT(CONFIG_NET_SOCKETS_TLS_MAX_CONTEXTS == 2);
#else
/* Of the next connection; there is one at a time (CONFIG_NET_SOCKETS_TLS_MAX_CONTEXTS). */
size_t azure_tls_out_content_len = CONFIG_AZURE_TLS_OUT_CONTENT_LEN;
BUILD_ASSERT(CONFIG_NET_SOCKETS_TLS_MAX_CONTEXTS == 1);
#endif
/* What can be open at once. Zephyr's sum of CONFIG_ZVFS_OPEN_ADD_SIZE_* holds it, unless it is told to look away. */
BUILD_ASSERT(ZVFS_OPEN_SIZE >= CONFIG_NET_MAX_CONTEXTS + CONFIG_NET_SOCKETS_TLS_MAX_CONTEXTS +
				       CONFIG_ZVFS_OPEN_ADD_SIZE_AZURE,
	     "File descriptors would run out: set CONFIG_ZVFS_OPEN_IGNORE_MIN=n and CONFIG_ZVFS_OPEN_ADD_SIZE_NET to "
	     "CONFIG_NET_MAX_CONTEXTS");

static int wake_fd = -1;

int32_t azure_errno(void)
{
	return errno;
}

int32_t azure_error_of(int32_t errno_value)
{
	switch (errno_value) {
	case 0:
		return -AZURE_OK;
	case EAGAIN:
		return -AZURE_AGAIN;
	case ECONNREFUSED:
		return -AZURE_REFUSED;
	case ETIMEDOUT:
		return -AZURE_TIMED_OUT;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
		return -AZURE_UNREACHABLE;
	case ENOMEM:
	case ENOBUFS:
	case ENFILE:
	case EMFILE:
		return -AZURE_NO_MEMORY;
	case EINVAL:
		return -AZURE_INVALID;
	case ENOENT:
		return -AZURE_NOT_FOUND;
	case ECONNRESET:
	case ECONNABORTED:
	case ENOTCONN:
	case EPIPE:
		return -AZURE_CLOSED;
	default:
		return -AZURE_OTHER;
	}
}

static int32_t failed(void)
{
	return azure_error_of(errno != 0 ? errno : EIO);
}

int32_t azure_udp_connect(const struct azure_address *address)
{
	const struct sockaddr *to = (const struct sockaddr *)address->data;
	int socket = zsock_socket(to->sa_family, SOCK_DGRAM, IPPROTO_UDP);

	if (socket < 0) {
		return failed();
	}
	if (zsock_connect(socket, to, address->length) != 0) {
		int error = errno;

		(void)zsock_close(socket);
		errno = error;
		return failed();
	}
	return socket;
}

static int set_send_timeout(int socket, uint32_t timeout_ms)
{
	const struct zsock_timeval timeout = {
		.tv_sec = timeout_ms / MSEC_PER_SEC,
		.tv_usec = (timeout_ms % MSEC_PER_SEC) * USEC_PER_MSEC,
	};

	return zsock_setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

#if defined(CONFIG_AZURE_UPDATE)
int32_t azure_tcp_connect(const struct azure_address *address, uint32_t send_timeout_ms)
{
	const struct sockaddr *to = (const struct sockaddr *)address->data;
	int socket = zsock_socket(to->sa_family, SOCK_STREAM, IPPROTO_TCP);

	if (socket < 0) {
		return failed();
	}
	if (set_send_timeout(socket, send_timeout_ms) != 0 || zsock_connect(socket, to, address->length) != 0) {
		int error = errno;

		(void)zsock_close(socket);
		errno = error;
		return failed();
	}
	return socket;
}
#endif

int32_t azure_receive_within(int32_t socket, uint8_t *buffer, uint32_t length, uint32_t timeout_ms)
{
	struct zsock_pollfd fd = {.fd = socket, .events = ZSOCK_POLLIN};

	if (zsock_poll(&fd, 1, MIN(timeout_ms, INT32_MAX)) < 0) {
		return failed();
	}
	return azure_receive(socket, buffer, length);
}

static int set_options(int socket, const char *host_name, const int32_t *tags, uint32_t tag_count,
		       uint32_t send_timeout_ms)
{
	const int verify = TLS_PEER_VERIFY_REQUIRED;
	const int nocopy = TLS_CERT_NOCOPY_OPTIONAL;
	const struct tls_cert_verify_cb seen = {.cb = (void *)azure_certificate_seen};

	if (zsock_setsockopt(socket, SOL_TLS, TLS_PEER_VERIFY, &verify, sizeof(verify)) != 0 ||
	    zsock_setsockopt(socket, SOL_TLS, TLS_HOSTNAME, host_name, strlen(host_name) + 1) != 0 ||
	    zsock_setsockopt(socket, SOL_TLS, TLS_CERT_NOCOPY, &nocopy, sizeof(nocopy)) != 0 ||
	    zsock_setsockopt(socket, SOL_TLS, TLS_CERT_VERIFY_CALLBACK, &seen, sizeof(seen)) != 0 ||
	    set_send_timeout(socket, send_timeout_ms) != 0) {
		return -1;
	}
	/* Parses each credential for a test, and forgets what came of it. */
	return zsock_setsockopt(socket, SOL_TLS, TLS_SEC_TAG_LIST, tags, tag_count * sizeof(*tags));
}

int32_t azure_tls_connect(const struct azure_address *address, const char *host_name, const int32_t *tags,
			  uint32_t tag_count, uint32_t output_length, uint32_t send_timeout_ms,
			  struct azure_handshake *handshake)
{
	const struct sockaddr *to = (const struct sockaddr *)address->data;
	int socket = zsock_socket(to->sa_family, SOCK_STREAM, IPPROTO_TLS_1_2);
	int result;

#if defined(CONFIG_AZURE_UPDATE_HTTPS)
	ARG_UNUSED(output_length);
#else
	azure_tls_out_content_len = output_length;
#endif
	memset(handshake, 0, sizeof(*handshake));
	if (socket < 0) {
		return failed();
	}
	result = set_options(socket, host_name, tags, tag_count, send_timeout_ms);
	if (result == 0) {
		azure_handshake_watch(handshake);
		result = zsock_connect(socket, to, address->length);
		azure_handshake_watch(NULL);
	}
	if (result != 0) {
		/*
		 * Zephyr says EINVAL of a credential that mbedTLS does not take, for whatever reason. Each was parsed
		 * when it was registered (azure_credential_add), so that what is left is memory.
		 */
		int error = errno == EINVAL && handshake->started == 0 ? ENOMEM : errno;

		(void)zsock_close(socket);
		errno = error;
		return failed();
	}
	if (!azure_in_download()) {
		azure_prefer_family(address);
	}
	return socket;
}

#if defined(CONFIG_AZURE_UPDATE_HTTPS)
static K_MUTEX_DEFINE(handshake_turn);

bool azure_handshake_begin(uint32_t timeout_ms)
{
	return k_mutex_lock(&handshake_turn, K_MSEC(timeout_ms)) == 0;
}

void azure_handshake_end(void)
{
	(void)k_mutex_unlock(&handshake_turn);
}
#endif

int32_t azure_receive(int32_t socket, uint8_t *buffer, uint32_t length)
{
	ssize_t count = zsock_recv(socket, buffer, length, ZSOCK_MSG_DONTWAIT);

	return count >= 0 ? count : failed();
}

int32_t azure_readable(int32_t socket)
{
	uint8_t none;

	/*
	 * Takes nothing, but has TLS look at what arrived. poll() without a time to wait would not do: native_sim's
	 * sockets report only what they see while a thread waits, and hide an end without close_notify.
	 */
	if (zsock_recv(socket, &none, 0, ZSOCK_MSG_DONTWAIT) == 0) {
		return 1;
	}
	return errno == EAGAIN ? 0 : failed();
}

int32_t azure_send(int32_t socket, const uint8_t *data, uint32_t length)
{
	ssize_t count = zsock_send(socket, data, length, 0);

	return count >= 0 ? count : failed();
}

void azure_close(int32_t socket)
{
	(void)zsock_close(socket);
}

int32_t azure_wait_init(void)
{
	wake_fd = zvfs_eventfd(0, ZVFS_EFD_NONBLOCK);
	return wake_fd >= 0 ? 0 : failed();
}

int32_t azure_wait(int32_t socket, uint32_t timeout_ms)
{
	struct zsock_pollfd fds[] = {
		{.fd = wake_fd, .events = ZSOCK_POLLIN},
		{.fd = socket, .events = ZSOCK_POLLIN},
	};
	zvfs_eventfd_t count;
	int32_t result = 0;

	/* On native_sim an end without close_notify only ends it early, without an event: azure_readable() tells. */
	if (zsock_poll(fds, socket >= 0 ? 2 : 1, MIN(timeout_ms, INT32_MAX)) < 0) {
		return failed();
	}
	if (fds[0].revents != 0) {
		(void)zvfs_eventfd_read(wake_fd, &count);
		result |= AZURE_WAIT_WOKEN;
	}
	/* An error or the end of the stream is something to read too. */
	if (socket >= 0 && fds[1].revents != 0) {
		result |= AZURE_WAIT_READABLE;
	}
	return result;
}

static void wake_work_handler(struct k_work *work)
{
	ARG_UNUSED(work);
	(void)zvfs_eventfd_write(wake_fd, 1);
}

static K_WORK_DEFINE(wake_work, wake_work_handler);

void azure_wake(void)
{
	/* An event file descriptor has a mutex, which an interrupt cannot wait for. */
	if (k_is_in_isr()) {
		(void)k_work_submit(&wake_work);
	} else {
		(void)zvfs_eventfd_write(wake_fd, 1);
	}
}
