/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets native_sim's emulated SPI bus, data-ready line and reset pin lead to the simulated module (ism43362.py, whose
 * documentation describes the frames). What is clocked in while the line tells of an answer is lost, as there is nobody
 * to take it; a read without an answer gives padding.
 */
#define DT_DRV_COMPAT inventek_eswifi

#include <string.h>

#include <zephyr/device.h>
#include <zephyr/drivers/emul.h>
#include <zephyr/drivers/gpio.h>
#include <zephyr/drivers/gpio/gpio_emul.h>
#include <zephyr/drivers/spi.h>
#include <zephyr/drivers/spi_emul.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/byteorder.h>
#include <zephyr/sys/printk.h>

#include "spi_emulator.h"

#define SOCKET  "ism43362.sock"
#define PADDING 0x15
#define LONGEST 2048

enum phase {
	WORKING,
	COMMAND,
	ANSWER,
};

static const struct gpio_dt_spec reset_pin = GPIO_DT_SPEC_INST_GET(0, resetn_gpios);
static const struct gpio_dt_spec data_ready = GPIO_DT_SPEC_INST_GET(0, data_gpios);

static int program = -1;
static enum phase phase = WORKING;
static uint8_t answer[LONGEST];
static size_t answer_length;
static size_t answer_read;
/* A frame on its way. */
static uint8_t header[3];
static size_t received;
static int last_reset = -1;

static void enter(enum phase next)
{
	phase = next;
	(void)gpio_emul_input_set(data_ready.port, data_ready.pin, next != WORKING);
}

static void send_frame(uint8_t kind, const uint8_t *data, uint16_t length)
{
	uint8_t head[3] = {kind};

	sys_put_le16(length, head + 1);
	if (program >= 0 && (ism43362_host_write(program, head, sizeof(head)) != 0 ||
			     ism43362_host_write(program, data, length) != 0)) {
		printk("ism43362: the simulated module is gone\n");
		program = -1;
	}
}

static size_t total(const struct spi_buf_set *set)
{
	size_t length = 0;

	for (size_t i = 0; set != NULL && i < set->count; i++) {
		length += set->buffers[i].len;
	}
	return length;
}

static void take_command(const struct spi_buf_set *set)
{
	static uint8_t command[LONGEST];
	size_t length = 0;

	if (phase != COMMAND || total(set) > sizeof(command)) {
		return;
	}
	for (size_t i = 0; i < set->count; i++) {
		memcpy(command + length, set->buffers[i].buf, set->buffers[i].len);
		length += set->buffers[i].len;
	}
	enter(WORKING);
	send_frame('C', command, length);
}

static void give_answer(const struct spi_buf_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		uint8_t *to = set->buffers[i].buf;

		for (size_t j = 0; j < set->buffers[i].len; j++) {
			to[j] = phase == ANSWER && answer_read < answer_length ? answer[answer_read++] : PADDING;
		}
	}
	if (phase == ANSWER && answer_read == answer_length) {
		enter(WORKING);
	}
}

static int on_transfer(const struct emul *target, const struct spi_config *config, const struct spi_buf_set *tx,
		       const struct spi_buf_set *rx)
{
	ARG_UNUSED(target);
	if (SPI_WORD_SIZE_GET(config->operation) != 16 || total(tx) % 2 != 0 || total(rx) % 2 != 0) {
		printk("ism43362: a transfer that is not words of 16 bits\n");
		return -EINVAL;
	}
	if (total(tx) > 0) {
		take_command(tx);
	}
	if (total(rx) > 0) {
		give_answer(rx);
	}
	return 0;
}

/* Takes what has come of the next frame; true if it is complete. */
static bool frame_complete(void)
{
	size_t wanted = received < sizeof(header) ? sizeof(header) : sizeof(header) + sys_get_le16(header + 1);
	uint8_t *to = received < sizeof(header) ? header + received : answer + received - sizeof(header);
	int count = wanted > received ? ism43362_host_read(program, to, wanted - received) : 0;

	if (count < 0) {
		program = -1;
		return false;
	}
	received += count;
	return received >= sizeof(header) && received == sizeof(header) + sys_get_le16(header + 1);
}

/* The next frame has to wait until an answer was read. */
static void receive_frames(void)
{
	while (program >= 0 && phase != ANSWER) {
		size_t before = received;

		if (frame_complete()) {
			received = 0;
			answer_length = sys_get_le16(header + 1);
			answer_read = 0;
			enter(header[0] == 'P' ? COMMAND : answer_length > 0 ? ANSWER : WORKING);
		} else if (received == before) {
			return;
		}
	}
}

static void watch_reset(void)
{
	int now = gpio_emul_output_get(reset_pin.port, reset_pin.pin);

	if (now == last_reset || now < 0) {
		return;
	}
	if (now == 0) {
		enter(WORKING);
		received = 0;
	}
	send_frame(now == 0 ? 'R' : 'r', NULL, 0);
	last_reset = now;
}

static void run(void *p1, void *p2, void *p3)
{
	ARG_UNUSED(p1);
	ARG_UNUSED(p2);
	ARG_UNUSED(p3);
	program = ism43362_host_connect(SOCKET);
	if (program < 0) {
		printk("ism43362: no simulated module at %s; start ism43362.py --spi %s\n", SOCKET, SOCKET);
	}
	while (true) {
		watch_reset();
		receive_frames();
		k_sleep(K_MSEC(1));
	}
}

K_THREAD_DEFINE(ism43362_emulator, 4096, run, NULL, NULL, NULL, K_PRIO_PREEMPT(2), 0, 0);

static int init(const struct emul *target, const struct device *parent)
{
	ARG_UNUSED(target);
	ARG_UNUSED(parent);
	return 0;
}

static const struct spi_emul_api api = {.io = on_transfer};

DEVICE_DT_INST_DEFINE(0, NULL, NULL, NULL, NULL, POST_KERNEL, CONFIG_KERNEL_INIT_PRIORITY_DEVICE, NULL);
EMUL_DT_INST_DEFINE(0, init, NULL, NULL, &api, NULL);
