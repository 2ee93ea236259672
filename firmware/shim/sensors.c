/* SPDX-License-Identifier: Apache-2.0 */
/* The sensors of DISCO L475 through Zephyr's sensor API; a board without them gives no reading. */
#include <zephyr/device.h>
#include <zephyr/drivers/sensor.h>
#include <zephyr/kernel.h>

#include "azure_shim.h"

#define HUMIDITY DT_COMPAT_GET_ANY_STATUS_OKAY(st_hts221)
#define PRESSURE DT_COMPAT_GET_ANY_STATUS_OKAY(st_lps22hb_press)

#if defined(CONFIG_SENSOR) && (DT_NODE_EXISTS(HUMIDITY) || DT_NODE_EXISTS(PRESSURE))

static int read_channel(const struct device *sensor, enum sensor_channel channel, uint32_t quantity,
			struct azure_reading *reading)
{
	struct sensor_value value;
	int result = sensor_channel_get(sensor, channel, &value);

	if (result == 0) {
		*reading = (struct azure_reading){quantity, value.val1, value.val2};
	}
	return result;
}

static int fetch(const struct device *sensor)
{
	return device_is_ready(sensor) ? sensor_sample_fetch(sensor) : -ENODEV;
}

int32_t azure_sensors_read(struct azure_reading *readings, uint32_t capacity)
{
	const struct device *humidity = DEVICE_DT_GET_OR_NULL(HUMIDITY);
	const struct device *pressure = DEVICE_DT_GET_OR_NULL(PRESSURE);
	int result;

	if (capacity < AZURE_READINGS) {
		return -EINVAL;
	}
	result = fetch(humidity);
	if (result == 0) {
		result = read_channel(humidity, SENSOR_CHAN_AMBIENT_TEMP, AZURE_TEMPERATURE, &readings[0]);
	}
	if (result == 0) {
		result = read_channel(humidity, SENSOR_CHAN_HUMIDITY, AZURE_HUMIDITY, &readings[1]);
	}
	if (result == 0) {
		result = fetch(pressure);
	}
	if (result == 0) {
		result = read_channel(pressure, SENSOR_CHAN_PRESS, AZURE_PRESSURE, &readings[2]);
	}
	return result == 0 ? AZURE_READINGS : result;
}

#else

int32_t azure_sensors_read(struct azure_reading *readings, uint32_t capacity)
{
	ARG_UNUSED(readings);
	ARG_UNUSED(capacity);
	return 0;
}

#endif
