/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names by the ISM43362: it got its DNS server with its address, by its own DHCP, and tells neither. Zephyr's
 * driver asks it for names in its offloaded sockets only, which this image must not use (they offload TLS).
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/net/net_if.h>
#include <zephyr/net/net_ip.h>
#include <zephyr/sys/printk.h>

#include <eswifi.h>

#include "azure_shim.h"

BUILD_ASSERT(sizeof(((struct azure_address *)0)->data) >= sizeof(struct sockaddr_in));

/* What the module's command cannot carry: it ends with a carriage return. */
static bool is_name(const char *host)
{
	for (const char *next = host; *next != '\0'; next++) {
		if (!isgraph((unsigned char)*next)) {
			return false;
		}
	}
	return *host != '\0';
}

static bool ask(const char *host, struct sockaddr_in *address)
{
	struct eswifi_dev *module = eswifi_by_iface_idx(net_if_get_by_iface(net_if_get_default()));
	bool found = false;
	char *answer;
	int length;

	eswifi_lock(module);
	length = snprintk(module->buf, sizeof(module->buf), "D0=%s\r", host);
	if (length < sizeof(module->buf) && eswifi_at_cmd_rsp(module, module->buf, &answer) > 0) {
		found = net_ipaddr_parse(answer, strlen(answer), (struct sockaddr *)address);
	}
	eswifi_unlock(module);
	return found;
}

int32_t azure_resolve(const char *host, const char *port, bool stream, struct azure_address *addresses,
		      uint32_t capacity)
{
	struct sockaddr_in address = {0};

	ARG_UNUSED(stream);
	if (capacity == 0 || !is_name(host)) {
		return -AZURE_INVALID;
	}
	/* An address needs no server. The module gives 0.0.0.0 for a name that does not exist. */
	if ((!net_ipaddr_parse(host, strlen(host), (struct sockaddr *)&address) && !ask(host, &address)) ||
	    address.sin_family != AF_INET || address.sin_addr.s_addr == 0) {
		errno = ENOENT;
		return -AZURE_NOT_FOUND;
	}
	address.sin_port = htons(strtoul(port, NULL, 10));
	addresses[0].length = sizeof(address);
	memcpy(addresses[0].data, &address, sizeof(address));
	return 1;
}
