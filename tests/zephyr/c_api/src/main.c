/* SPDX-License-Identifier: Apache-2.0 */
/* An application that does what a test asks for by methods, most of it in an interrupt. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zephyr/kernel.h>

#include "application.h"

uint32_t kept_number;
uint32_t events_seen[8];
char last_failure[160];
struct azure_iot_hub_status status;
uint64_t letter_token;
uint32_t letters, letters_again;

const char *name_of(int result)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {{0, "0"},
		     {-EAGAIN, "EAGAIN"},
		     {-EALREADY, "EALREADY"},
		     {-ECANCELED, "ECANCELED"},
		     {-EINVAL, "EINVAL"},
		     {-EMSGSIZE, "EMSGSIZE"},
		     {-ENOBUFS, "ENOBUFS"},
		     {-ENOENT, "ENOENT"}};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].number == result) {
			return names[i].name;
		}
	}
	return "another";
}

static void sample_beat(struct azure_iot_hub_message *message, void *user_data)
{
	azure_iot_hub_message_json(message, "{\"beat\":true}");
}

/* A message that uses each function for one. */
static void sample_parcel(struct azure_iot_hub_message *message, void *user_data)
{
	int64_t thousandths;

	if (azure_iot_hub_message_reading(message, "nothing", &thousandths) == -ENOENT &&
	    azure_iot_hub_message_json(message, "no JSON") == -EINVAL) {
		azure_iot_hub_message_bytes(message, "text/plain", "a parcel", strlen("a parcel"));
		azure_iot_hub_message_component(message, "hatch");
		azure_iot_hub_message_correlation_id(message, "order-7");
		azure_iot_hub_message_property(message, "colour", "blue & green");
	}
}

static int apply_level(const struct azure_iot_hub_json *value, const char **reason, void *user_data)
{
	int64_t level;

	/* No reason: the device has one. */
	return azure_iot_hub_json_is_null(value) || azure_iot_hub_json_integer(value, &level) == 0 ? 0 : -EINVAL;
}

static int write_level(char *buffer, size_t size, void *user_data)
{
	return snprintf(buffer, size, "{\"kept\":%u}", kept_number);
}

static int write_too_much(char *buffer, size_t size, void *user_data)
{
	return (int)size;
}

static int write_nonsense(char *buffer, size_t size, void *user_data)
{
	return snprintf(buffer, size, "nonsense");
}

static int save_number(uint8_t *buffer, size_t size, void *user_data)
{
	memcpy(buffer, &kept_number, sizeof(kept_number));
	return sizeof(kept_number);
}

static void restore_number(const uint8_t *value, size_t length, void *user_data)
{
	if (length == sizeof(kept_number)) {
		memcpy(&kept_number, value, length);
	}
}

static int save_nothing(uint8_t *buffer, size_t size, void *user_data)
{
	return -EIO;
}

static void restore_nothing(const uint8_t *value, size_t length, void *user_data)
{
	kept_number = UINT32_MAX;
}

/* Keeps a letter for later, if its property says so. */
static int receive(const struct azure_iot_hub_cloud_message *message, void *user_data)
{
	char when[8];

	if (azure_iot_hub_cloud_property(message, "absent", when, sizeof(when)) != -ENOENT ||
	    azure_iot_hub_cloud_property(message, "when", when, 2) != -EMSGSIZE ||
	    azure_iot_hub_cloud_property(message, "when", when, sizeof(when)) != 5 || strcmp(when, "later") != 0) {
		return -EINVAL;
	}
	letters++;
	letters_again += message->again;
	letter_token = message->token;
	return AZURE_IOT_HUB_TAKE_LATER;
}

static void handle(const struct azure_iot_hub_event *event, void *user_data)
{
	static const struct azure_iot_hub_telemetry alarm = {.body = "{\"from\":\"timer\"}", .length = 16};

	if (event->kind < ARRAY_SIZE(events_seen)) {
		events_seen[event->kind]++;
	}
	if (event->text != NULL && event->kind != AZURE_IOT_HUB_NOT_MEASURED) {
		snprintf(last_failure, sizeof(last_failure), "%s", event->text);
	}
	if (event->kind == AZURE_IOT_HUB_TIMER) {
		(void)azure_iot_hub_send(&alarm);
	}
}

static const struct azure_iot_hub_stream streams[] = {
	{"beat", AZURE_IOT_HUB_ON_REQUEST, sample_beat},
	{"parcel", AZURE_IOT_HUB_ON_REQUEST, sample_parcel},
};
static const struct azure_iot_hub_property properties[] = {{"hatch*level", apply_level, write_level}};
static const struct azure_iot_hub_reported reported[] = {
	{"starts", write_starts}, {"tooMuch", write_too_much}, {"nonsense", write_nonsense}};
static const struct azure_iot_hub_kept kept[] = {
	{"number", save_number, restore_number}, {"nothing", save_nothing, restore_nothing}};
static struct azure_iot_hub_application application = {
	.streams = streams, .stream_count = ARRAY_SIZE(streams),
	.properties = properties, .property_count = ARRAY_SIZE(properties),
	.reported = reported, .reported_count = ARRAY_SIZE(reported),
	.methods = methods,
	.kept = kept, .kept_count = ARRAY_SIZE(kept),
	.receive = receive, .handle = handle,
};

static K_SEM_DEFINE(cycle_asked, 0, 1);
static uint32_t pause_ms;

void cycle(uint32_t milliseconds)
{
	pause_ms = milliseconds;
	k_sem_give(&cycle_asked);
}

int main(void)
{
	application.method_count = method_count;
	start_in_every_way(&application);
	for (;;) {
		(void)azure_iot_hub_get_status(&status);
		if (k_sem_take(&cycle_asked, K_MSEC(100)) == 0) {
			/* The response to the method goes out first. */
			k_sleep(K_MSEC(500));
			azure_iot_hub_stop();
			k_sleep(K_MSEC(pause_ms));
			kept_number = 0;
			(void)azure_iot_hub_start(&application);
		}
	}
	return 0;
}
