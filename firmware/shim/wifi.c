/* SPDX-License-Identifier: Apache-2.0 */
/* Joins a Wi-Fi network and joins it again whenever it is lost. */
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/net/net_if.h>
#include <zephyr/net/net_mgmt.h>
#include <zephyr/net/wifi_mgmt.h>

#include "azure_shim.h"

#define RETRY K_SECONDS(10)

static uint8_t ssid[WIFI_SSID_MAX_LEN];
static uint8_t password[WIFI_PSK_MAX_LEN];
static struct wifi_connect_req_params network = {.ssid = ssid, .psk = password};

static struct net_mgmt_event_callback wifi_events;
static void join(struct k_work *work);
static K_WORK_DELAYABLE_DEFINE(join_work, join);

static void join(struct k_work *work)
{
	int result = net_mgmt(NET_REQUEST_WIFI_CONNECT, net_if_get_default(), &network, sizeof(network));

	ARG_UNUSED(work);
	if (result != 0) {
		azure_log_format(LOG_LEVEL_WRN, "network: the Wi-Fi module refuses to join (%d); it is tried again", result);
		k_work_schedule(&join_work, RETRY);
	}
}

static void on_event(struct net_mgmt_event_callback *callback, uint64_t event, struct net_if *interface)
{
	const struct wifi_status *status = callback->info;

	ARG_UNUSED(interface);
	if (event == NET_EVENT_WIFI_CONNECT_RESULT && status->status == 0) {
		azure_log_format(LOG_LEVEL_INF, "network: joined the Wi-Fi network");
		return;
	}
	if (event == NET_EVENT_WIFI_CONNECT_RESULT) {
		azure_log_format(LOG_LEVEL_WRN, "network: cannot join the Wi-Fi network (%d); check name and password", status->status);
	} else {
		azure_log_format(LOG_LEVEL_WRN, "network: the Wi-Fi network is lost (%d)", status->status);
	}
	k_work_schedule(&join_work, RETRY);
}

int32_t azure_wifi_join(const uint8_t *name, uint32_t name_length, const uint8_t *secret, uint32_t secret_length)
{
	if (name_length > sizeof(ssid) || secret_length > sizeof(password)) {
		return -AZURE_INVALID;
	}
	memcpy(ssid, name, name_length);
	memcpy(password, secret, secret_length);
	network.ssid_length = name_length;
	network.psk_length = secret_length;
	network.security = secret_length > 0 ? WIFI_SECURITY_TYPE_PSK : WIFI_SECURITY_TYPE_NONE;
	network.channel = WIFI_CHANNEL_ANY;
	network.band = WIFI_FREQ_BAND_2_4_GHZ;
	network.mfp = WIFI_MFP_OPTIONAL;
	if (wifi_events.handler == NULL) {
		net_mgmt_init_event_callback(&wifi_events, on_event,
					     NET_EVENT_WIFI_CONNECT_RESULT | NET_EVENT_WIFI_DISCONNECT_RESULT);
		net_mgmt_add_event_callback(&wifi_events);
	}
	/* Not k_work_schedule(): a retry that waits would keep its time. */
	k_work_reschedule(&join_work, K_NO_WAIT);
	return 0;
}
