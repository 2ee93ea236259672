/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/net/net_event.h>
#include <zephyr/net/net_if.h>
#include <zephyr/net/dhcpv4.h>
#include <zephyr/net/net_mgmt.h>
#include <zephyr/net/socket.h>

#include "azure_shim.h"

/* Layers of Zephyr's events do not share a callback. */
static struct net_mgmt_event_callback ipv4_events, ipv6_events;

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
	if (IS_ENABLED(CONFIG_NET_IPV4)) {
		net_mgmt_init_event_callback(&ipv4_events, on_address, NET_EVENT_IPV4_ADDR_ADD);
		net_mgmt_add_event_callback(&ipv4_events);
	}
	if (IS_ENABLED(CONFIG_NET_IPV6)) {
		/* An address is of use when nobody else was found to have it. */
		net_mgmt_init_event_callback(&ipv6_events, on_address,
					     NET_EVENT_IPV6_ADDR_ADD | NET_EVENT_IPV6_DAD_SUCCEED);
		net_mgmt_add_event_callback(&ipv6_events);
	}
#if defined(CONFIG_NET_DHCPV4)
	net_if_foreach(start_dhcp, NULL);
#endif
}

/* The address of use of a family, or NULL. Link-local ones reach no hub. */
static const void *address_of(sa_family_t family)
{
	struct net_if *interface = net_if_get_default();

	if (family == AF_INET) {
		return net_if_ipv4_get_global_addr(interface, NET_ADDR_PREFERRED);
	}
	return net_if_ipv6_get_global_addr(NET_ADDR_PREFERRED, &interface);
}

bool azure_network_has(bool ipv6)
{
	if (!IS_ENABLED(CONFIG_NET_IPV4) || !IS_ENABLED(CONFIG_NET_IPV6)) {
		return ipv6 == IS_ENABLED(CONFIG_NET_IPV6);
	}
	/* The simulator has the host's addresses. */
	return IS_ENABLED(CONFIG_NET_NATIVE_OFFLOADED_SOCKETS) || address_of(ipv6 ? AF_INET6 : AF_INET) != NULL;
}

bool azure_network_address(char *text, uint32_t length)
{
	static const sa_family_t families[] = {AF_INET, AF_INET6};
	size_t used = 0;

	if (IS_ENABLED(CONFIG_NET_NATIVE_OFFLOADED_SOCKETS)) {
		/* The simulator uses the host's sockets and has no interface of its own. */
		strncpy(text, "the host's", length - 1);
		text[length - 1] = '\0';
		return true;
	}
	ARRAY_FOR_EACH_PTR(families, family) {
		const size_t separator = used > 0 ? 2 : 0;
		const void *address = address_of(*family);

		if (address != NULL && used + separator < length &&
		    zsock_inet_ntop(*family, address, text + used + separator, length - used - separator) != NULL) {
			memcpy(text + used, ", ", separator);
			used += separator + strlen(text + used + separator);
		}
	}
	return used > 0;
}

#if defined(CONFIG_NET_L2_PPP)
/* PPP takes the time of the carrier's absence to end what it had agreed on. */
#define CARRIER_PAUSE K_SECONDS(1)

static void restore_carrier(struct k_work *work)
{
	ARG_UNUSED(work);
	net_if_carrier_on(net_if_get_default());
}
static K_WORK_DELAYABLE_DEFINE(carrier_work, restore_carrier);

void azure_network_renew(void)
{
	/*
	 * As a modem that lost its carrier. Not net_if_down(): it says goodbye to a peer, waits for the answer of one
	 * that may be gone, and gives up without it.
	 */
	net_if_carrier_off(net_if_get_default());
	k_work_schedule(&carrier_work, CARRIER_PAUSE);
}
#endif
