/* SPDX-License-Identifier: Apache-2.0 */
#include <zephyr/kernel.h>
#include <zephyr/shell/shell.h>

#include "azure_shim.h"

void azure_shell_print(const struct shell *shell, const char *line)
{
	shell_print(shell, "%s", line);
}

uint32_t azure_shell_read(const struct shell *shell, uint8_t *buffer, uint32_t length, uint32_t timeout_ms)
{
	struct k_event *signals = &shell->ctx->signal_event;
	size_t count = 0;

	/* A byte that comes after the clearing sets it again. */
	(void)k_event_clear(signals, SHELL_SIGNAL_RXRDY);
	(void)shell->iface->api->read(shell->iface, buffer, length, &count);
	if (count == 0) {
		(void)k_event_wait(signals, SHELL_SIGNAL_RXRDY, false, K_MSEC(timeout_ms));
		(void)shell->iface->api->read(shell->iface, buffer, length, &count);
	}
	return count;
}

static int run(const struct shell *shell, size_t argc, char **argv)
{
	return azure_rust_command(shell, false, argc, argv);
}

static int set(const struct shell *shell, size_t argc, char **argv)
{
	return azure_rust_command(shell, true, argc, argv);
}

SHELL_STATIC_SUBCMD_SET_CREATE(
	settable,
	SHELL_CMD_ARG(connection-string, NULL,
		      "Identity. Without an argument it is read without echo.\n"
		      "Usage: connection-string [HostName=...;DeviceId=...;SharedAccessKey=...]",
		      set, 1, 1),
	SHELL_CMD_ARG(certificate, NULL, "The device's certificate and its intermediate CAs, pasted as PEM.", set, 1, 0),
	SHELL_CMD_ARG(key, NULL, "The device's private key, pasted as PEM, read without echo.", set, 1, 0),
	SHELL_CMD_ARG(root-ca, NULL, "Trusted root CAs instead of the built-in ones, pasted as PEM.", set, 1, 0),
	SHELL_CMD_ARG(address, NULL, "Where to connect to instead of the hub's host name.\nUsage: address <name or IP>",
		      set, 2, 0),
	SHELL_CMD_ARG(port, NULL, "TCP port of the hub.\nUsage: port <number>", set, 2, 0),
	SHELL_CMD_ARG(sntp, NULL, "Time servers.\nUsage: sntp <server[:port][;server...]>", set, 2, 0),
	SHELL_COND_CMD_ARG(CONFIG_AZURE_DPS, provisioning, NULL,
			   "Ask the Device Provisioning Service for the hub. Without a registration id: the\n"
			   "processor's own id.\nUsage: provisioning <id scope> [registration id]",
			   set, 2, 1),
	SHELL_COND_CMD_ARG(CONFIG_AZURE_DPS, symmetric-key, NULL,
			   "The registration's own symmetric key, read without echo.", set, 1, 0),
	SHELL_COND_CMD_ARG(CONFIG_AZURE_DPS, group-key, NULL,
			   "The enrolment group's symmetric key, read without echo. The device's own key is\n"
			   "derived from it; the group's is not kept.",
			   set, 1, 0),
	SHELL_COND_CMD_ARG(CONFIG_AZURE_DPS, provisioning-host, NULL,
			   "Another provisioning service than the public cloud's.\nUsage: provisioning-host <name>",
			   set, 2, 0),
	SHELL_COND_CMD_ARG(CONFIG_AZURE_WIFI, wifi, NULL,
			   "Wi-Fi network. The password is read without echo.\nUsage: wifi <name>", set, 2, 0),
	SHELL_SUBCMD_SET_END);

SHELL_STATIC_SUBCMD_SET_CREATE(
	commands, SHELL_CMD(set, &settable, "Provision the device.", NULL),
	SHELL_CMD_ARG(status, NULL, "Network, time, hub, queue, memory and the last failure.", run, 1, 0),
	SHELL_CMD_ARG(send, NULL, "Send a telemetry message now, as the button does.", run, 1, 0),
	SHELL_COND_CMD_ARG(CONFIG_AZURE_QUEUE, queue, NULL,
			   "Messages in flash that wait for the hub. \"clear\" erases all that were not sent yet.\n"
			   "Usage: queue [clear]",
			   run, 1, 1),
	SHELL_COND_CMD_ARG(CONFIG_AZURE_UPDATE, update, NULL,
			   "Software updates: which image runs and what is under way. \"cancel\" ends a download,\n"
			   "\"previous\" restarts into the image before.\nUsage: update [status|cancel|previous]",
			   run, 1, 1),
	SHELL_CMD_ARG(forget, NULL, "Erase everything that \"set\" brought, and the messages in flash.", run, 1, 0),
	SHELL_COND_CMD_ARG(CONFIG_AZURE_TEST_PANIC, panic, NULL, "Panic in Rust, to show what follows.", run, 1, 0),
	SHELL_SUBCMD_SET_END);

SHELL_CMD_REGISTER(azure, &commands, "Azure IoT Hub device", NULL);
