/* SPDX-License-Identifier: Apache-2.0 */
/* Names by Zephyr's DNS resolver, or by the host's. */
#include <errno.h>
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>

#include "azure_shim.h"

/* The family that brought the last connection: the next one does not wait for the other to fail. */
static bool ipv6_first;

void azure_prefer_family(const struct azure_address *address)
{
	ipv6_first = ((const struct sockaddr *)address->data)->sa_family == AF_INET6;
}

/* Adds what a name has of one family; gives the resolver's code, an error of it if there is nothing. */
static int add(const char *host, const char *port, bool stream, sa_family_t family, struct azure_address *addresses,
	       uint32_t capacity, int32_t *count)
{
	struct zsock_addrinfo hints = {
		.ai_family = family,
		.ai_socktype = stream ? SOCK_STREAM : SOCK_DGRAM,
	};
	struct zsock_addrinfo *found = NULL;
	int result = zsock_getaddrinfo(host, port, &hints, &found);

	if (result != 0) {
		return result;
	}
	for (struct zsock_addrinfo *next = found; next != NULL && *count < capacity; next = next->ai_next) {
		if (next->ai_addrlen > sizeof(addresses[*count].data)) {
			continue;
		}
		addresses[*count].length = next->ai_addrlen;
		memcpy(addresses[*count].data, next->ai_addr, next->ai_addrlen);
		(*count)++;
	}
	zsock_freeaddrinfo(found);
	return 0;
}

int32_t azure_resolve(const char *host, const char *port, bool stream, struct azure_address *addresses,
		      uint32_t capacity)
{
	const bool both = IS_ENABLED(CONFIG_NET_IPV4) && IS_ENABLED(CONFIG_NET_IPV6);
	int32_t count = 0;
	int worst = 0;

	/*
	 * Family by family, since a question that is not answered ends both of Zephyr's. A family without an address
	 * in this network is not asked for: each attempt over it would end in a timeout.
	 */
	for (int step = 0; step < 2; step++) {
		const bool ipv6 = (step == 1) != (both && ipv6_first);
		/* Room for one of the other family, however many this one has. */
		const uint32_t room = both && step == 0 && capacity > 1 ? capacity - 1 : capacity;
		int result;

		if (!azure_network_has(ipv6) && (!both || azure_network_has(!ipv6))) {
			continue;
		}
		result = add(host, port, stream, ipv6 ? AF_INET6 : AF_INET, addresses, room, &count);
		/* No memory is told before no answer. */
		worst = worst == DNS_EAI_MEMORY || result == 0 ? worst : result;
	}
	if (count > 0) {
		return count;
	}
	/* A resolver's code, not an errno: for the log line only. */
	errno = worst;
	return worst == DNS_EAI_MEMORY ? -AZURE_NO_MEMORY : -AZURE_NOT_FOUND;
}
