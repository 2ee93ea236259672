/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ISM43362 on a UART, on which a simulated one is reached in QEMU. Nothing but the prompt ends an answer, and data
 * may hold a prompt too: an answer is complete when nothing follows the prompt for a while.
 */
#define DT_DRV_COMPAT inventek_eswifi_uart

#include <string.h>

#include <zephyr/drivers/gpio.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/ring_buffer.h>

#include "azure_ism43362.h"
#include "azure_shim.h"

/* More than the longest answer. */
#define RING 2048
/* Milliseconds without a byte, after which a prompt was the last one: many times a byte's time. */
#define SILENCE 5

static const struct device *const uart = DEVICE_DT_GET(DT_INST_BUS(0));
static const struct gpio_dt_spec reset_pin = GPIO_DT_SPEC_INST_GET(0, resetn_gpios);
static const struct gpio_dt_spec wakeup = GPIO_DT_SPEC_INST_GET_OR(0, wakeup_gpios, {0});

RING_BUF_DECLARE(received, RING);

/* Bytes that find the ring full are dropped: the answer is longer than any that is wanted. */
static void on_byte(const struct device *device, void *user_data)
{
	uint8_t byte;

	ARG_UNUSED(user_data);
	while (uart_irq_update(device) && uart_irq_rx_ready(device)) {
		while (uart_fifo_read(device, &byte, 1) == 1) {
			(void)ring_buf_put(&received, &byte, 1);
		}
	}
}

static void drain(void)
{
	uint8_t dropped[32];
	unsigned int key = irq_lock();

	/* A byte that came before its interrupt was on would block the following ones. */
	while (uart_fifo_read(uart, dropped, 1) == 1) {
	}
	irq_unlock(key);
	while (ring_buf_get(&received, dropped, sizeof(dropped)) > 0) {
	}
}

int32_t azure_ism43362_init(void)
{
	if (!device_is_ready(uart) || !gpio_is_ready_dt(&reset_pin) ||
	    gpio_pin_configure_dt(&reset_pin, GPIO_OUTPUT_INACTIVE) != 0 ||
	    (wakeup.port != NULL && gpio_pin_configure_dt(&wakeup, GPIO_OUTPUT_ACTIVE) != 0)) {
		return -AZURE_OTHER;
	}
	uart_irq_rx_disable(uart);
	uart_irq_tx_disable(uart);
	if (uart_irq_callback_set(uart, on_byte) != 0) {
		return -AZURE_OTHER;
	}
	uart_irq_rx_enable(uart);
	drain();
	return 0;
}

void azure_ism43362_reset(void)
{
	(void)gpio_pin_set_dt(&reset_pin, 0);
	k_sleep(K_MSEC(100));
	drain();
	(void)gpio_pin_set_dt(&reset_pin, 1);
	k_sleep(K_MSEC(500));
}

static void write_all(const uint8_t *data, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		uart_poll_out(uart, data[i]);
	}
}

int32_t azure_ism43362_exchange(const uint8_t *command, uint32_t command_length, const uint8_t *payload,
				uint32_t payload_length, uint8_t *answer, uint32_t capacity, uint32_t timeout_ms)
{
	k_timepoint_t end = sys_timepoint_calc(K_MSEC(timeout_ms));
	uint8_t last[2] = {0};
	uint32_t length = 0;
	uint32_t quiet = 0;
	uint8_t byte;

	if (command_length > 0) {
		/* What came by itself, or too late, is no answer to this. */
		drain();
		write_all(command, command_length);
		write_all(payload, payload_length);
	}
	while (!sys_timepoint_expired(end)) {
		k_sleep(K_MSEC(1));
		quiet++;
		while (ring_buf_get(&received, &byte, 1) == 1) {
			quiet = 0;
			last[0] = last[1];
			last[1] = byte;
			if (length < capacity) {
				answer[length++] = byte;
			}
		}
		if (quiet >= SILENCE && last[0] == '>' && last[1] == ' ') {
			return length;
		}
	}
	return -AZURE_TIMED_OUT;
}
