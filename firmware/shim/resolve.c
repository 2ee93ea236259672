/* SPDX-License-Identifier: Apache-2.0 */
/* Names by Zephyr's DNS resolver, or by the host's. */
#include <errno.h>
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>

#include "azure_shim.h"

int32_t azure_resolve(const char *host, const char *port, bool stream, struct azure_address *addresses,
		      uint32_t capacity)
{
	struct zsock_addrinfo hints = {
		.ai_family = IS_ENABLED(CONFIG_NET_IPV6) ? AF_UNSPEC : AF_INET,
		.ai_socktype = stream ? SOCK_STREAM : SOCK_DGRAM,
	};
	struct zsock_addrinfo *found = NULL;
	int32_t count = 0;
	int result = zsock_getaddrinfo(host, port, &hints, &found);

	if (result != 0) {
		/* A resolver's code, not an errno: for the log line only. */
		errno = result;
		return result == DNS_EAI_MEMORY ? -AZURE_NO_MEMORY : -AZURE_NOT_FOUND;
	}
	for (struct zsock_addrinfo *next = found; next != NULL && count < capacity; next = next->ai_next) {
		if (next->ai_addrlen > sizeof(addresses[count].data)) {
			continue;
		}
		addresses[count].length = next->ai_addrlen;
		memcpy(addresses[count].data, next->ai_addr, next->ai_addrlen);
		count++;
	}
	zsock_freeaddrinfo(found);
	return count > 0 ? count : -AZURE_NOT_FOUND;
}
