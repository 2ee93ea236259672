/* SPDX-License-Identifier: Apache-2.0 */
/* Readings that the devicetree names (dts/bindings/azure,telemetry.yaml), through Zephyr's sensor API. */
#include <zephyr/device.h>
#include <zephyr/drivers/sensor.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/util.h>

#include "azure_shim.h"

#define TELEMETRY DT_COMPAT_GET_ANY_STATUS_OKAY(azure_telemetry)

#if DT_NODE_EXISTS(TELEMETRY)

#define CHANNEL(node)                                                                              \
	COND_CODE_1(DT_NODE_HAS_PROP(node, channel),                                               \
		    (UTIL_CAT(SENSOR_CHAN_, DT_STRING_UPPER_TOKEN(node, channel))),                \
		    (SENSOR_CHAN_PRIV_START + DT_PROP_OR(node, private_channel, 0)))

#define ENTRY(node)                                                                                \
	{                                                                                          \
		.sensor = DEVICE_DT_GET(DT_PHANDLE(node, sensor)),                                 \
		.channel = CHANNEL(node),                                                          \
		.scale = {DT_PROP_OR(node, telemetry_name, DT_NODE_FULL_NAME(node)),               \
			  DT_PROP(node, multiplier), DT_PROP(node, divisor)},                      \
	},

#define CHECK(node)                                                                                \
	BUILD_ASSERT(DT_NODE_HAS_PROP(node, channel) != DT_NODE_HAS_PROP(node, private_channel),   \
		     "a reading of azure,telemetry needs either channel or private-channel: "     \
		     DT_NODE_PATH(node));                                                          \
	BUILD_ASSERT(DT_NODE_HAS_STATUS(DT_PHANDLE(node, sensor), okay),                           \
		     "the sensor of a reading of azure,telemetry is disabled; give it the status " \
		     "okay: " DT_NODE_PATH(node));                                                 \
	BUILD_ASSERT(DT_PROP(node, multiplier) >= 1 && DT_PROP(node, multiplier) <= 1000,          \
		     "multiplier must be from 1 to 1000: " DT_NODE_PATH(node));                    \
	BUILD_ASSERT(DT_PROP(node, divisor) >= 1 && DT_PROP(node, divisor) <= 1000000,             \
		     "divisor must be from 1 to 1000000: " DT_NODE_PATH(node));

/* A name of the compiler's for each reading: of two that are the same it says so, with the name in it. */
#define NAME(node)                                                                                 \
	UTIL_CAT(two_readings_of_azure_telemetry_have_the_name_,                                   \
		 COND_CODE_1(DT_NODE_HAS_PROP(node, telemetry_name),                               \
			     (DT_STRING_TOKEN(node, telemetry_name)), (DT_NODE_FULL_NAME_TOKEN(node)))),

DT_FOREACH_CHILD_STATUS_OKAY(TELEMETRY, CHECK)

enum names { DT_FOREACH_CHILD_STATUS_OKAY(TELEMETRY, NAME) };

static const struct {
	const struct device *sensor;
	enum sensor_channel channel;
	struct azure_scale scale;
} entries[] = {DT_FOREACH_CHILD_STATUS_OKAY(TELEMETRY, ENTRY)};

BUILD_ASSERT(ARRAY_SIZE(entries) <= CONFIG_AZURE_READINGS,
	     "azure,telemetry has more readings than CONFIG_AZURE_READINGS: raise it, or remove some");

/* Of each reading's sensor: 0, or the negative errno of its measurement. */
static int results[MAX(ARRAY_SIZE(entries), 1)];

/* Measures, but once for all readings of a sensor. */
static int measure(uint32_t index)
{
	for (uint32_t earlier = 0; earlier < index; earlier++) {
		if (entries[earlier].sensor == entries[index].sensor) {
			return results[earlier];
		}
	}
	if (!device_is_ready(entries[index].sensor)) {
		return -ENODEV;
	}
	return sensor_sample_fetch(entries[index].sensor);
}

uint32_t azure_readings_count(void)
{
	return ARRAY_SIZE(entries);
}

const struct azure_scale *azure_reading_scale(uint32_t index)
{
	return &entries[MIN(index, ARRAY_SIZE(entries) - 1)].scale;
}

int32_t azure_reading_measure(uint32_t index, struct azure_reading *reading)
{
	struct sensor_value value;
	int result;

	if (index >= ARRAY_SIZE(entries)) {
		return -EINVAL;
	}
	results[index] = measure(index);
	if (results[index] != 0) {
		return results[index];
	}
	result = sensor_channel_get(entries[index].sensor, entries[index].channel, &value);
	if (result == 0) {
		*reading = (struct azure_reading){value.val1, value.val2};
	}
	return result;
}

#else

uint32_t azure_readings_count(void)
{
	return 0;
}

const struct azure_scale *azure_reading_scale(uint32_t index)
{
	static const struct azure_scale none = {"", 1, 1};

	ARG_UNUSED(index);
	return &none;
}

int32_t azure_reading_measure(uint32_t index, struct azure_reading *reading)
{
	ARG_UNUSED(index);
	ARG_UNUSED(reading);
	return -EINVAL;
}

#endif
