/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled for the host, with the host's headers. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "spi_emulator.h"

int ism43362_host_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);

	if (descriptor < 0 || strlen(path) >= sizeof(address.sun_path)) {
		return -1;
	}
	strcpy(address.sun_path, path);
	if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0) {
		(void)close(descriptor);
		return -1;
	}
	return descriptor;
}

int ism43362_host_read(int descriptor, void *data, unsigned int length)
{
	ssize_t count = recv(descriptor, data, length, MSG_DONTWAIT);

	if (count > 0) {
		return count;
	}
	return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

int ism43362_host_write(int descriptor, const void *data, unsigned int length)
{
	const char *next = data;

	while (length > 0) {
		ssize_t count = send(descriptor, next, length, MSG_NOSIGNAL);

		if (count < 0 && errno == EINTR) {
			continue;
		}
		if (count <= 0) {
			return -1;
		}
		next += count;
		length -= count;
	}
	return 0;
}
