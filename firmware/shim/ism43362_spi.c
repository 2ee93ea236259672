/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ISM43362 on SPI. Words have 16 bits. The data-ready line is high while the module takes a command, falls when it
 * has one, rises when the answer can be read, and falls at its end. Commands are filled up with a line feed.
 */
#define DT_DRV_COMPAT inventek_eswifi

#include <string.h>

#include <zephyr/drivers/gpio.h>
#include <zephyr/drivers/spi.h>
#include <zephyr/kernel.h>

#include "azure_ism43362.h"
#include "azure_shim.h"

/* Read between two looks at the line, in bytes. */
#define CHUNK 32
/* The most that is read beyond the longest answer, in bytes. */
#define SURPLUS 512
/* Fills answers up. */
#define PADDING 0x15

static const struct spi_dt_spec bus = SPI_DT_SPEC_INST_GET(
	0, SPI_OP_MODE_MASTER | SPI_TRANSFER_MSB | SPI_WORD_SET(16) | SPI_HOLD_ON_CS | SPI_LOCK_ON);
static const struct gpio_dt_spec reset_pin = GPIO_DT_SPEC_INST_GET(0, resetn_gpios);
static const struct gpio_dt_spec data_ready = GPIO_DT_SPEC_INST_GET(0, data_gpios);
static const struct gpio_dt_spec wakeup = GPIO_DT_SPEC_INST_GET_OR(0, wakeup_gpios, {0});

int32_t azure_ism43362_init(void)
{
	if (!spi_is_ready_dt(&bus) || !gpio_is_ready_dt(&reset_pin) || !gpio_is_ready_dt(&data_ready) ||
	    gpio_pin_configure_dt(&reset_pin, GPIO_OUTPUT_INACTIVE) != 0 ||
	    gpio_pin_configure_dt(&data_ready, GPIO_INPUT) != 0 ||
	    (wakeup.port != NULL && gpio_pin_configure_dt(&wakeup, GPIO_OUTPUT_ACTIVE) != 0)) {
		return -AZURE_OTHER;
	}
	return 0;
}

void azure_ism43362_reset(void)
{
	(void)spi_release_dt(&bus);
	(void)gpio_pin_set_dt(&reset_pin, 0);
	k_sleep(K_MSEC(100));
	(void)gpio_pin_set_dt(&reset_pin, 1);
	k_sleep(K_MSEC(500));
}

static bool is_ready(void)
{
	return gpio_pin_get_dt(&data_ready) > 0;
}

/* The line falls some time after the end of a command: only a look a millisecond later is about what follows. */
static bool await_ready(k_timepoint_t end)
{
	do {
		k_sleep(K_MSEC(1));
		if (is_ready()) {
			return true;
		}
	} while (!sys_timepoint_expired(end));
	return false;
}

/* Adds a text to what is written: its whole words, and the last byte with a line feed. */
static size_t add(struct spi_buf *buffers, const uint8_t *data, uint32_t length, uint8_t tail[2])
{
	size_t count = 0;

	if (length / 2 > 0) {
		buffers[count++] = (struct spi_buf){.buf = (void *)data, .len = length & ~1U};
	}
	if (length % 2 != 0) {
		tail[0] = data[length - 1];
		tail[1] = '\n';
		buffers[count++] = (struct spi_buf){.buf = tail, .len = 2};
	}
	return count;
}

static int write_all(const uint8_t *command, uint32_t command_length, const uint8_t *payload, uint32_t payload_length)
{
	uint8_t tails[2][2];
	struct spi_buf buffers[4];
	struct spi_buf_set set = {.buffers = buffers};

	set.count = add(buffers, command, command_length, tails[0]);
	set.count += add(buffers + set.count, payload, payload_length, tails[1]);
	return spi_write_dt(&bus, &set);
}

static int read_some(uint8_t *data, size_t length)
{
	struct spi_buf buffer = {.buf = data, .len = length};
	struct spi_buf_set set = {.buffers = &buffer, .count = 1};

	return spi_read_dt(&bus, &set);
}

static bool is_padding(const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (data[i] != PADDING) {
			return false;
		}
	}
	return true;
}

/*
 * Reads while the line is high. It is high without an answer while the module takes a command, and would stay so for
 * ever: what begins with nothing but padding is none, and what is longer than any answer is not either.
 */
static int32_t read_answer(uint8_t *answer, uint32_t capacity)
{
	uint8_t dropped[CHUNK];
	uint32_t length = 0;
	uint32_t surplus = 0;

	while (is_ready()) {
		size_t room = MIN(capacity - length, CHUNK) & ~1U;

		if (surplus > SURPLUS || read_some(room > 0 ? answer + length : dropped, room > 0 ? room : CHUNK) != 0) {
			return -AZURE_OTHER;
		}
		if (length == 0 && is_padding(answer, room)) {
			return 0;
		}
		surplus += room > 0 ? 0 : CHUNK;
		length += room;
		k_yield();
	}
	return length;
}

int32_t azure_ism43362_exchange(const uint8_t *command, uint32_t command_length, const uint8_t *payload,
				uint32_t payload_length, uint8_t *answer, uint32_t capacity, uint32_t timeout_ms)
{
	k_timepoint_t end = sys_timepoint_calc(K_MSEC(timeout_ms));
	int32_t result;

	if (command_length > 0) {
		if (!await_ready(end)) {
			return -AZURE_TIMED_OUT;
		}
		result = write_all(command, command_length, payload, payload_length);
		/* The bus is locked with its chip select held: letting go ends the command. */
		(void)spi_release_dt(&bus);
		if (result != 0) {
			return -AZURE_OTHER;
		}
	}
	if (!await_ready(end)) {
		return -AZURE_TIMED_OUT;
	}
	result = read_answer(answer, capacity);
	(void)spi_release_dt(&bus);
	return result;
}
