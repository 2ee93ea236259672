/* SPDX-License-Identifier: Apache-2.0 */
/* Network and names by the ISM43362, in place of network.c and resolve.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/net/net_ip.h>
#include <zephyr/net/socket.h>

#include "azure_ism43362.h"
#include "azure_shim.h"

BUILD_ASSERT(sizeof(((struct azure_address *)0)->data) >= sizeof(struct sockaddr_in));

void azure_network_start(void)
{
	azure_rust_ism43362_start();
}

bool azure_network_address(char *text, uint32_t length)
{
	struct in_addr address;

	return azure_rust_ism43362_address(address.s4_addr) &&
	       zsock_inet_ntop(AF_INET, &address, text, length) != NULL;
}

int32_t azure_resolve(const char *host, const char *port, bool stream, struct azure_address *addresses,
		      uint32_t capacity)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int32_t result;

	ARG_UNUSED(stream);
	if (capacity == 0) {
		return -AZURE_INVALID;
	}
	result = azure_rust_ism43362_resolve(host, address.sin_addr.s4_addr);
	if (result < 0) {
		/* For the log line. */
		errno = result == -AZURE_NOT_FOUND ? ENOENT : ENETUNREACH;
		return result;
	}
	address.sin_port = htons(strtoul(port, NULL, 10));
	addresses[0].length = sizeof(address);
	memcpy(addresses[0].data, &address, sizeof(address));
	return 1;
}

void azure_prefer_family(const struct azure_address *address)
{
	/* It has one family. */
	ARG_UNUSED(address);
}
