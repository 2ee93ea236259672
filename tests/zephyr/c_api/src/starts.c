/* SPDX-License-Identifier: Apache-2.0 */
/* Starts: those that must fail, and those of two threads. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zephyr/kernel.h>

#include "application.h"

/* Rounds of the race, each a stop and two starts. */
#define ROUNDS 40000

static struct {
	int null, twice, bare, early_message, again;
	int successes;
	int rounds;
	int other;
} seen;

static const struct azure_iot_hub_application *raced;
static K_SEM_DEFINE(rival_turn, 0, 1);
static int rival_successes;

static void take_sample(struct azure_iot_hub_message *message, void *user_data)
{
}

/* Starts the device whenever a timer lets it, in the middle of what the other thread does. */
static void rival(void *first, void *second, void *third)
{
	for (;;) {
		k_sem_take(&rival_turn, K_FOREVER);
		rival_successes += azure_iot_hub_start(raced) == 0;
	}
}

K_THREAD_DEFINE(rival_thread, 2048, rival, NULL, NULL, NULL, K_PRIO_PREEMPT(0), 0, K_TICKS_FOREVER);

static void let_rival(struct k_timer *timer)
{
	k_sem_give(&rival_turn);
}

static K_TIMER_DEFINE(rival_timer, let_rival, NULL);

/* Of two threads that start a stopped device, one does so: there are as many successes as there were stops. */
static void race(const struct azure_iot_hub_application *application)
{
	raced = application;
	/* Below the rival, above the device's thread. */
	k_thread_priority_set(k_current_get(), K_PRIO_PREEMPT(5));
	k_thread_start(rival_thread);
	k_timer_start(&rival_timer, K_TICKS(1), K_TICKS(1));
	for (seen.rounds = 0; seen.rounds < ROUNDS; seen.rounds++) {
		azure_iot_hub_stop();
		int result = azure_iot_hub_start(application);

		seen.successes += result == 0;
		seen.other += result != 0 && result != -EALREADY;
		/* The simulator's time passes here only. */
		if (seen.rounds % 16 == 0) {
			k_busy_wait(50);
		}
	}
	k_timer_stop(&rival_timer);
	k_sleep(K_MSEC(50));
	seen.successes += rival_successes;
	k_thread_abort(rival_thread);
}

void start_in_every_way(const struct azure_iot_hub_application *application)
{
	static const struct azure_iot_hub_stream twins[] = {{"twin", 0, take_sample}, {"twin", 0, take_sample}};
	static const struct azure_iot_hub_application twice = {.streams = twins, .stream_count = ARRAY_SIZE(twins)};
	static const struct azure_iot_hub_reported incomplete[] = {{"incomplete", NULL}};
	static const struct azure_iot_hub_application bare = {.reported = incomplete, .reported_count = 1};
	static const struct azure_iot_hub_telemetry early = {.body = "{}", .length = 2};

	seen.null = azure_iot_hub_start(NULL);
	seen.twice = azure_iot_hub_start(&twice);
	seen.bare = azure_iot_hub_start(&bare);
	seen.early_message = azure_iot_hub_send(&early);
	seen.other += azure_iot_hub_start(application) != 0;
	seen.again = azure_iot_hub_start(application);
	race(application);
}

int write_starts(char *buffer, size_t size, void *user_data)
{
	return snprintf(buffer, size,
			"{\"null\":\"%s\",\"twice\":\"%s\",\"bare\":\"%s\",\"early\":\"%s\",\"again\":\"%s\","
			"\"rounds\":%d,\"successes\":%d,\"rival\":%d,\"other\":%d}",
			name_of(seen.null), name_of(seen.twice), name_of(seen.bare), name_of(seen.early_message),
			name_of(seen.again), seen.rounds, seen.successes, rival_successes, seen.other);
}
