/* SPDX-License-Identifier: Apache-2.0 */
/* A cold store: its climate, a door that is reported at once, a setpoint of the operator, and an alarm. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zephyr/kernel.h>

#include <azure_iot_hub.h>

#define ALARM_MS 2000
#define DOOR_MS  10000

static int64_t setpoint = -180; /* tenths of a degree Celsius */
static bool door_open;
static bool alarm_on;

static void sample_climate(struct azure_iot_hub_message *message, void *user_data)
{
	int64_t temperature;
	char number[24], body[80];

	if (azure_iot_hub_message_reading(message, "temperature", &temperature) == 0 &&
	    azure_iot_hub_json_write_decimal(number, sizeof(number), temperature, 3) > 0) {
		snprintf(body, sizeof(body), "{\"temperature\":%s,\"doorOpen\":%s}", number, door_open ? "true" : "false");
		azure_iot_hub_message_json(message, body);
		azure_iot_hub_message_property(message, "room", "cold");
	}
}

static int apply_setpoint(const struct azure_iot_hub_json *value, const char **reason, void *user_data)
{
	int64_t tenths = -180; /* if the operator deleted the value */

	if (!azure_iot_hub_json_is_null(value) &&
	    (azure_iot_hub_json_decimal(value, 1, &tenths) != 0 || tenths < -300 || tenths > 100)) {
		*reason = "must be a number from -30 to 10 with one decimal at most";
		return -EINVAL;
	}
	setpoint = tenths;
	return 0;
}

static int write_setpoint(char *buffer, size_t size, void *user_data)
{
	return azure_iot_hub_json_write_decimal(buffer, size, setpoint, 1);
}

static int write_door(char *buffer, size_t size, void *user_data)
{
	return snprintf(buffer, size, "%s", door_open ? "true" : "false");
}

/* Sounds for a while. The connection goes on meanwhile, and the answer comes when it is over. */
static int sound_alarm(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data)
{
	if (!call->again) {
		alarm_on = true;
		return AZURE_IOT_HUB_LATER(ALARM_MS);
	}
	snprintf(result, size, "{\"silenced\":%s}", alarm_on ? "false" : "true");
	alarm_on = false;
	return 200;
}

static int receive(const struct azure_iot_hub_cloud_message *message, void *user_data)
{
	if (message->length != strlen("silence") || memcmp(message->body, "silence", message->length) != 0) {
		return -EINVAL;
	}
	alarm_on = false;
	return 0;
}

static const struct azure_iot_hub_stream streams[] = {{.name = "climate", .sample = sample_climate}};
static const struct azure_iot_hub_property properties[] = {{"setpoint", apply_setpoint, write_setpoint}};
static const struct azure_iot_hub_reported reported[] = {{"doorOpen", write_door}};
static const struct azure_iot_hub_method methods[] = {{"soundAlarm", sound_alarm}};
static const struct azure_iot_hub_application cold_store = {
	.streams = streams, .stream_count = ARRAY_SIZE(streams),
	.properties = properties, .property_count = ARRAY_SIZE(properties),
	.reported = reported, .reported_count = ARRAY_SIZE(reported),
	.methods = methods, .method_count = ARRAY_SIZE(methods),
	.receive = receive,
};

/* The door contact: its own thread, here main(). A product waits for its pin; this one moves each ten seconds. */
int main(void)
{
	static const struct azure_iot_hub_message_property alert[] = {{"alert", "door"}};
	int result = azure_iot_hub_start(&cold_store);

	while (result == 0) {
		k_sleep(K_MSEC(DOOR_MS));
		door_open = !door_open;
		const char *body = door_open ? "{\"doorOpen\":true}" : "{\"doorOpen\":false}";
		const struct azure_iot_hub_telemetry message = {
			.body = body, .length = strlen(body), .properties = alert, .property_count = 1};

		(void)azure_iot_hub_send(&message);
		(void)azure_iot_hub_report_changed("doorOpen");
	}
	return result;
}
