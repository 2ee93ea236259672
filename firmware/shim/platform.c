/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <app_version.h>
#include <zephyr/drivers/gpio.h>
#include <zephyr/drivers/hwinfo.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log_ctrl.h>
#include <zephyr/random/random.h>
#include <zephyr/sys/reboot.h>
#include <zephyr/sys/sys_heap.h>
#include <zephyr/task_wdt/task_wdt.h>
#include <zephyr/version.h>

#include "azure_shim.h"

int32_t azure_random(uint8_t *buffer, uint32_t length)
{
	return sys_csrand_get(buffer, length) == 0 ? 0 : -AZURE_OTHER;
}

/* The pin of the first alias that exists, or none. */
#define PIN(first, second)                                                                                   \
	GPIO_DT_SPEC_GET_OR(COND_CODE_1(DT_NODE_EXISTS(DT_ALIAS(first)), (DT_ALIAS(first)), (DT_ALIAS(second))), \
			    gpios, {0})

#if defined(CONFIG_AZURE_LED)
static const struct gpio_dt_spec leds[] = {
	[AZURE_LED_STARTING] = PIN(azure_led_starting, led0),
	[AZURE_LED_SENDING] = PIN(azure_led_sending, led1),
	[AZURE_LED_FAILED] = PIN(azure_led_failed, led2),
};
#endif

void azure_led_set(uint32_t led, bool on)
{
#if defined(CONFIG_AZURE_LED)
	if (led < ARRAY_SIZE(leds) && leds[led].port != NULL) {
		(void)gpio_pin_set_dt(&leds[led], on);
	}
#else
	ARG_UNUSED(led);
	ARG_UNUSED(on);
#endif
}

#if defined(CONFIG_AZURE_BUTTON)
static const struct gpio_dt_spec button = PIN(azure_button, sw0);
static struct gpio_callback button_callback;

/* An interrupt must not write to an event file descriptor. */
static void button_work_handler(struct k_work *work)
{
	ARG_UNUSED(work);
	if (gpio_pin_get_dt(&button) > 0) {
		azure_rust_button_pressed();
	}
}

/* Looked at after it stopped bouncing. */
#define DEBOUNCE K_MSEC(20)
static K_WORK_DELAYABLE_DEFINE(button_work, button_work_handler);

static void on_button(const struct device *port, struct gpio_callback *callback, gpio_port_pins_t pins)
{
	ARG_UNUSED(port);
	ARG_UNUSED(callback);
	ARG_UNUSED(pins);
	k_work_reschedule(&button_work, DEBOUNCE);
}

static void start_button(void)
{
	if (button.port == NULL || !gpio_is_ready_dt(&button) ||
	    gpio_pin_configure_dt(&button, GPIO_INPUT) != 0) {
		return;
	}
	gpio_init_callback(&button_callback, on_button, BIT(button.pin));
	(void)gpio_add_callback_dt(&button, &button_callback);
	(void)gpio_pin_interrupt_configure_dt(&button, GPIO_INT_EDGE_TO_ACTIVE);
}
#endif

static k_tid_t device_thread;

void azure_board_init(void)
{
	device_thread = k_current_get();
#if defined(CONFIG_AZURE_LED)
	for (size_t led = 0; led < ARRAY_SIZE(leds); led++) {
		if (leds[led].port != NULL && gpio_is_ready_dt(&leds[led])) {
			(void)gpio_pin_configure_dt(&leds[led], GPIO_OUTPUT_INACTIVE);
		}
	}
#endif
#if defined(CONFIG_AZURE_BUTTON)
	start_button();
#endif
}

#if defined(CONFIG_AZURE_WATCHDOG)
static int watchdog_channel = -1;
#endif

void azure_watchdog_start(void)
{
#if defined(CONFIG_AZURE_WATCHDOG)
	const struct device *hardware = NULL;

#if defined(CONFIG_WATCHDOG) && defined(CONFIG_TASK_WDT_HW_FALLBACK) && DT_NODE_HAS_STATUS_OKAY(DT_ALIAS(watchdog0))
	if (device_is_ready(DEVICE_DT_GET(DT_ALIAS(watchdog0)))) {
		hardware = DEVICE_DT_GET(DT_ALIAS(watchdog0));
	}
#endif
	if (task_wdt_init(hardware) == 0) {
		watchdog_channel =
			task_wdt_add(CONFIG_AZURE_WATCHDOG_TIMEOUT_S * MSEC_PER_SEC, NULL, NULL);
	}
#endif
}

void azure_watchdog_feed(void)
{
#if defined(CONFIG_AZURE_WATCHDOG)
	if (watchdog_channel >= 0) {
		(void)task_wdt_feed(watchdog_channel);
	}
#endif
}

const char *azure_reset_cause(void)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} causes[] = {
		{RESET_POR, "power-on"},      {RESET_PIN, "reset pin"},          {RESET_SOFTWARE, "software"},
		{RESET_WATCHDOG, "watchdog"}, {RESET_BROWNOUT, "brown-out"},     {RESET_CPU_LOCKUP, "CPU lock-up"},
		{RESET_DEBUG, "debugger"},    {RESET_LOW_POWER_WAKE, "wake-up"}, {RESET_SECURITY, "security"},
		{RESET_HARDWARE, "hardware"}, {RESET_CLOCK, "clock"},            {RESET_FLASH, "flash"},
	};
	static char text[64];
	uint32_t cause = 0;

#if defined(CONFIG_HWINFO)
	if (hwinfo_get_reset_cause(&cause) == 0) {
		(void)hwinfo_clear_reset_cause();
	}
#endif
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		if ((cause & causes[i].bit) != 0) {
			strncat(text, text[0] == '\0' ? "" : ", ", sizeof(text) - strlen(text) - 1);
			strncat(text, causes[i].name, sizeof(text) - strlen(text) - 1);
		}
	}
	return text[0] != '\0' ? text : "unknown";
}

int32_t azure_hardware_id(uint8_t *id, uint32_t length)
{
#if defined(CONFIG_HWINFO)
	ssize_t count = hwinfo_get_device_id(id, length);

	return count > 0 ? count : -AZURE_NOT_FOUND;
#else
	ARG_UNUSED(id);
	ARG_UNUSED(length);
	return -AZURE_NOT_FOUND;
#endif
}

void azure_restart(void)
{
	LOG_PANIC();
	sys_reboot(SYS_REBOOT_COLD);
}

const char *azure_zephyr_version(void)
{
	return KERNEL_VERSION_STRING;
}

const char *azure_application_version(void)
{
#if defined(CONFIG_AZURE_UPDATE)
	/* What MCUboot and the service of updates go by. It is the application's, unless the image was signed anew. */
	static char text[sizeof("255.255.65535+4294967295")];
	struct azure_image_version version;

	if (text[0] == '\0' && azure_update_version(true, &version) == 0) {
		int length = snprintf(text, sizeof(text), "%" PRIu32 ".%" PRIu32 ".%" PRIu32,
				      version.major, version.minor, version.revision);

		if (version.build != 0) {
			(void)snprintf(text + length, sizeof(text) - length, "+%" PRIu32, version.build);
		}
	}
	return text[0] != '\0' ? text : APP_VERSION_STRING;
#else
	return APP_VERSION_STRING;
#endif
}

void azure_memory(struct azure_memory *memory)
{
	memset(memory, 0, sizeof(*memory));
	/* The posix architecture's heap and stacks are the computer's: Zephyr's figures would mean nothing. */
#if defined(CONFIG_SYS_HEAP_RUNTIME_STATS) && CONFIG_SYS_HEAP_ARRAY_SIZE > 0 && !defined(CONFIG_ARCH_POSIX)
	struct sys_heap **heaps;
	int count = sys_heap_array_get(&heaps);

	for (int i = 0; i < count; i++) {
		struct sys_memory_stats stats;

		if (sys_heap_runtime_stats_get(heaps[i], &stats) == 0) {
			memory->heap_size += stats.free_bytes + stats.allocated_bytes;
			memory->heap_used += stats.allocated_bytes;
			memory->heap_peak += stats.max_allocated_bytes;
		}
	}
#endif
#if defined(CONFIG_INIT_STACKS) && !defined(CONFIG_ARCH_POSIX) && defined(CONFIG_THREAD_STACK_INFO)
	size_t unused;

	if (k_thread_stack_space_get(device_thread, &unused) == 0) {
		memory->stack_size = device_thread->stack_info.size;
		memory->stack_unused = unused;
	}
#endif
}

void azure_memory_reset_peak(void)
{
#if defined(CONFIG_SYS_HEAP_RUNTIME_STATS) && CONFIG_SYS_HEAP_ARRAY_SIZE > 0
	struct sys_heap **heaps;
	int count = sys_heap_array_get(&heaps);

	for (int i = 0; i < count; i++) {
		(void)sys_heap_runtime_stats_reset_max(heaps[i]);
	}
#endif
}
