/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/net/net_event.h>
#include <zephyr/net/net_if.h>
#include <zephyr/net/dhcpv4.h>
#include <zephyr/net/net_mgmt.h>
#include <zephyr/net/socket.h>

#include "azure_shim.h"

static struct net_mgmt_event_callback address_added;

static void on_address(struct net_mgmt_event_callback *callback, uint64_t event, struct net_if *interface)
{
	ARG_UNUSED(callback);
	ARG_UNUSED(event);
	ARG_UNUSED(interface);
	azure_rust_network_changed();
}

#if defined(CONFIG_NET_DHCPV4)
static void start_dhcp(struct net_if *interface, void *user_data)
{
	ARG_UNUSED(user_data);
	net_dhcpv4_start(interface);
}
#endif

void azure_network_start(void)
{
	net_mgmt_init_event_callback(&address_added, on_address, NET_EVENT_IPV4_ADDR_ADD);
	net_mgmt_add_event_callback(&address_added);
#if defined(CONFIG_NET_DHCPV4)
	net_if_foreach(start_dhcp, NULL);
#endif
}

bool azure_network_address(char *text, uint32_t length)
{
	const struct in_addr *address;

	if (IS_ENABLED(CONFIG_NET_NATIVE_OFFLOADED_SOCKETS)) {
		/* The simulator uses the host's sockets and has no interface of its own. */
		strncpy(text, "the host's", length - 1);
		text[length - 1] = '\0';
		return true;
	}
	address = net_if_ipv4_get_global_addr(net_if_get_default(), NET_ADDR_PREFERRED);
	return address != NULL && zsock_inet_ntop(AF_INET, address, text, length) != NULL;
}
