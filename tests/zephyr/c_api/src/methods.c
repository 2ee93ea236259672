/* SPDX-License-Identifier: Apache-2.0 */
/* The methods by which a test steers the application. What can be asked for in an interrupt is asked for there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zephyr/kernel.h>

#include "application.h"

/* Parts of work for the next expiry of the timer, which is an interrupt. */
enum work {
	SEND,
	SEND_AT_MOST_ONCE,
	FLOOD,
	TOO_LONG,
	NO_JSON,
	REQUEST,
	SET_INTERVAL,
	SET_TIMER,
	KEEP,
	ACKNOWLEDGE,
	RESTART,
	WORKS,
};

static const char *const work_names[WORKS] = {
	"send",	       "sendAtMostOnce", "flood",    "tooLong", "noJson",      "request",
	"setInterval", "setTimer",	 "keep",     "acknowledge", "restart",
};

static enum work wanted;
static uint32_t number;
static struct {
	bool in_interrupt;
	int last;
	uint32_t accepted, refused;
	uint32_t delivered, dropped, other;
	void *user_data;
} seen;

static void done(int result, void *user_data)
{
	seen.delivered += result == 0;
	seen.dropped += result == -ECANCELED;
	seen.other += result != 0 && result != -ECANCELED;
	seen.user_data = user_data;
}

static int send(const char *body, size_t length, bool at_most_once)
{
	static const struct azure_iot_hub_message_property source[] = {{"source", "interrupt"}};
	const struct azure_iot_hub_telemetry message = {
		.body = body, .length = length, .properties = source, .property_count = 1,
		.correlation_id = "call", .at_most_once = at_most_once, .done = done, .user_data = &seen};

	return azure_iot_hub_send(&message);
}

/* More messages than the outbox has room for, one each tick. */
static int flood(struct k_timer *timer)
{
	static const struct azure_iot_hub_telemetry unnoticed = {.body = "{\"flood\":\"abcdefghijklmnopqrstuvwxyz\"}",
								 .length = 38};
	/* As many as fit the table have a callback; the others push them out. */
	int result = send("{\"flood\":true}", 14, false);

	if (result == -ENOBUFS) {
		result = azure_iot_hub_send(&unnoticed);
	}
	if (number-- > 1) {
		k_timer_start(timer, K_MSEC(20), K_NO_WAIT);
	}
	return result;
}

static void work_in_interrupt(struct k_timer *timer)
{
	static const char body[] = "{\"from\":\"interrupt\"}";
	static const char zeros[4096];

	seen.in_interrupt = k_is_in_isr();
	switch (wanted) {
	case SEND:
	case SEND_AT_MOST_ONCE:
		seen.last = send(body, sizeof(body) - 1, wanted == SEND_AT_MOST_ONCE);
		break;
	case FLOOD:
		seen.last = flood(timer);
		break;
	case TOO_LONG: {
		const struct azure_iot_hub_telemetry message = {
			.body = zeros, .length = sizeof(zeros), .content_type = "application/octet-stream"};

		seen.last = azure_iot_hub_send(&message);
		break;
	}
	case NO_JSON:
		seen.last = send("{", 1, false);
		break;
	case REQUEST:
		seen.last = azure_iot_hub_request("nothing") == -ENOENT ? azure_iot_hub_request("parcel") : 1;
		break;
	case SET_INTERVAL:
		seen.last = azure_iot_hub_set_interval("beat", number);
		break;
	case SET_TIMER:
		azure_iot_hub_set_timer(number);
		break;
	case KEEP:
		kept_number = number;
		seen.last = azure_iot_hub_keep("absent") == -ENOENT ? azure_iot_hub_keep("nothing") : 1;
		seen.last |= azure_iot_hub_keep("number") | azure_iot_hub_report_changed("hatch*level");
		break;
	case ACKNOWLEDGE:
		seen.last = azure_iot_hub_acknowledge(0) == -EINVAL ? azure_iot_hub_acknowledge(letter_token) : 1;
		break;
	case RESTART:
		azure_iot_hub_restart();
		break;
	default:
		break;
	}
	seen.accepted += seen.last == 0;
	seen.refused += seen.last != 0;
}

static K_TIMER_DEFINE(timer, work_in_interrupt, NULL);

static bool read_number(const struct azure_iot_hub_call *call, const char *name, uint32_t *to)
{
	struct azure_iot_hub_json member;
	int64_t value;

	if (azure_iot_hub_json_member(call->payload, name, &member) != 0 ||
	    azure_iot_hub_json_integer(&member, &value) != 0) {
		return false;
	}
	*to = (uint32_t)value;
	return true;
}

/* {"work": ..., "after": milliseconds, "number": ...}: has the timer's interrupt do it then. */
static int ask_interrupt(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data)
{
	struct azure_iot_hub_json member;
	char name[20];
	uint32_t after;

	if (call->payload == NULL || azure_iot_hub_json_member(call->payload, "work", &member) != 0 ||
	    azure_iot_hub_json_string(&member, name, sizeof(name)) < 0 || !read_number(call, "after", &after)) {
		return 400;
	}
	(void)read_number(call, "number", &number);
	for (wanted = 0; wanted < WORKS && strcmp(work_names[wanted], name) != 0; wanted++) {
	}
	seen.last = 0;
	k_timer_start(&timer, K_MSEC(after), K_NO_WAIT);
	return wanted < WORKS ? 200 : 404;
}

static int tell_outcomes(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data)
{
	snprintf(result, size,
		 "{\"inInterrupt\":%s,\"last\":\"%s\",\"accepted\":%u,\"refused\":%u,\"delivered\":%u,\"dropped\":%u,"
		 "\"other\":%u,\"userData\":%s}",
		 seen.in_interrupt ? "true" : "false", name_of(seen.last), seen.accepted, seen.refused, seen.delivered,
		 seen.dropped, seen.other, seen.user_data == &seen ? "true" : "false");
	return 200;
}

static int tell_status(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data)
{
	snprintf(result, size,
		 "{\"connected\":%s,\"connections\":%u,\"failures\":%u,\"messages\":%u,\"acknowledged\":%u,"
		 "\"queued\":%u,\"dropped\":%u,\"lastFailure\":\"%s\",\"null\":\"%s\"}",
		 status.connected ? "true" : "false", status.connections, status.failures, (uint32_t)status.messages,
		 (uint32_t)status.acknowledged, status.queued, status.dropped, status.last_failure,
		 name_of(azure_iot_hub_get_status(NULL)));
	return 200;
}

static int tell_events(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data)
{
	char text[96];

	if (azure_iot_hub_json_write_string(text, sizeof(text), last_failure) < 0) {
		snprintf(text, sizeof(text), "null");
	}
	snprintf(result, size,
		 "{\"connected\":%u,\"disconnected\":%u,\"notConnected\":%u,\"timeSet\":%u,\"timer\":%u,\"stopping\":%u,"
		 "\"failure\":%s}",
		 events_seen[AZURE_IOT_HUB_CONNECTED], events_seen[AZURE_IOT_HUB_DISCONNECTED],
		 events_seen[AZURE_IOT_HUB_NOT_CONNECTED], events_seen[AZURE_IOT_HUB_TIME_SET],
		 events_seen[AZURE_IOT_HUB_TIMER], events_seen[AZURE_IOT_HUB_STOPPING], text);
	return 200;
}

static int tell_letters(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data)
{
	snprintf(result, size, "{\"letters\":%u,\"again\":%u}", letters, letters_again);
	return 200;
}

static int tell_kept(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data)
{
	snprintf(result, size, "%u", kept_number);
	return 200;
}

/* {"pause": milliseconds}: stops the device, and starts it again. */
static int ask_cycle(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data)
{
	uint32_t pause;

	if (call->payload == NULL || !read_number(call, "pause", &pause)) {
		return 400;
	}
	cycle(pause);
	return 200;
}

/* {"flag": ..., "list": [...], "tenths": ...}: reads each kind of JSON. */
static int read_json(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data)
{
	struct azure_iot_hub_json flag, list, second, none, tenths;
	bool value;
	int64_t decimal, integer;
	char number_text[24], short_text[4];

	if (call->payload == NULL || azure_iot_hub_json_member(call->payload, "flag", &flag) != 0 ||
	    azure_iot_hub_json_boolean(&flag, &value) != 0 ||
	    azure_iot_hub_json_member(call->payload, "list", &list) != 0 ||
	    azure_iot_hub_json_element(&list, 1, &second) != 0 ||
	    azure_iot_hub_json_integer(&second, &integer) != 0 ||
	    azure_iot_hub_json_element(&list, 2, &none) != -ENOENT ||
	    azure_iot_hub_json_member(&list, "flag", &none) != -EINVAL ||
	    azure_iot_hub_json_member(call->payload, "tenths", &tenths) != 0 ||
	    azure_iot_hub_json_integer(&tenths, &integer) != -EINVAL ||
	    azure_iot_hub_json_decimal(&tenths, 1, &decimal) != 0 ||
	    azure_iot_hub_json_string(&tenths, short_text, sizeof(short_text)) != -EINVAL ||
	    azure_iot_hub_json_write_decimal(short_text, 2, decimal, 1) != -EMSGSIZE ||
	    azure_iot_hub_json_write_decimal(number_text, sizeof(number_text), decimal, 1) < 0) {
		return 400;
	}
	snprintf(result, size, "{\"flag\":%s,\"second\":%lld,\"tenths\":%s}", value ? "true" : "false", integer,
		 number_text);
	return 200;
}

static int answer_nonsense(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data)
{
	snprintf(result, size, "nonsense");
	return 200;
}

const struct azure_iot_hub_method methods[] = {
	{"interrupt", ask_interrupt}, {"outcomes", tell_outcomes}, {"status", tell_status}, {"events", tell_events},
	{"letters", tell_letters},    {"kept", tell_kept},	   {"cycle", ask_cycle},    {"readJson", read_json},
	{"nonsense", answer_nonsense},
};
const size_t method_count = ARRAY_SIZE(methods);
