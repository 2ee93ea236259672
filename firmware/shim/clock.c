/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include <zephyr/kernel.h>
#include <zephyr/sys/atomic.h>
#include <zephyr/sys/clock.h>

#include "azure_shim.h"

static atomic_t clock_is_set;

uint64_t azure_uptime_ms(void)
{
	return (uint64_t)k_uptime_get();
}

uint64_t azure_unix_ms(void)
{
	struct timespec now;

	if (!atomic_get(&clock_is_set) || sys_clock_gettime(SYS_CLOCK_REALTIME, &now) != 0) {
		return 0;
	}
	return (uint64_t)now.tv_sec * MSEC_PER_SEC + (uint64_t)now.tv_nsec / NSEC_PER_MSEC;
}

void azure_set_unix_ms(uint64_t unix_ms)
{
	struct timespec now = {
		.tv_sec = unix_ms / MSEC_PER_SEC,
		.tv_nsec = (unix_ms % MSEC_PER_SEC) * NSEC_PER_MSEC,
	};

	if (sys_clock_settime(SYS_CLOCK_REALTIME, &now) == 0) {
		atomic_set(&clock_is_set, 1);
	}
}

void azure_sleep_ms(uint32_t milliseconds)
{
	k_sleep(K_MSEC(milliseconds));
}

/* mbedTLS's clock for certificates' dates; 1970, in which no certificate is valid, before it is set. */
time_t azure_mbedtls_time(time_t *now)
{
	time_t seconds = azure_unix_ms() / MSEC_PER_SEC;

	if (now != NULL) {
		*now = seconds;
	}
	return seconds;
}

uint32_t azure_lock(void)
{
	return irq_lock();
}

void azure_unlock(uint32_t key)
{
	irq_unlock(key);
}
